"""The logic of many tasks as one table of distinct sub-expressions, and its answers for a batch of rows, eight rows a byte."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from srp_assets.strategy.resolved import AllOf, Node, Not, Rule

PackedBits = np.ndarray
"""dtype uint8, shape (ceil(rows / 8),): one bit a row, least significant first; bits past the last row mean nothing."""

Expression = Rule | tuple[Literal["not", "all", "any"], tuple[int, ...]]
"""A rule, or an operator over the numbers of other expressions."""


class Limits(NamedTuple):
    """What is known of an expression while some of its rules are not answered: no fewer rows than `surely`, no more than `possibly`.

    None says that no row is sure, or that every row is possible, whatever the answered rules say.
    """

    surely: PackedBits | None
    possibly: PackedBits | None


class LogicTable:
    """The distinct sub-expressions of many tasks' logic: equal ones have the same number and are evaluated once a batch."""

    def __init__(self) -> None:
        self._numbers: dict[Expression, int] = {}
        self._expressions: list[Expression] = []

    def add(self, node: Node) -> int:
        """The number of a logic; equal logics have equal numbers."""
        if isinstance(node, Rule):
            return self._number(node)
        if isinstance(node, Not):
            return self._number(("not", (self.add(node.not_),)))
        children = node.all if isinstance(node, AllOf) else node.any
        operands = tuple(sorted({self.add(child) for child in children}))
        return self._number(("all" if isinstance(node, AllOf) else "any", operands))

    def _number(self, expression: Expression) -> int:
        if expression not in self._numbers:
            self._numbers[expression] = len(self._expressions)
            self._expressions.append(expression)
        return self._numbers[expression]

    def evaluate(self, number: int, rule_bits: Callable[[Rule], PackedBits], known: dict[int, PackedBits]) -> PackedBits:
        """The rows that satisfy a logic; `known` keeps what this batch has already answered."""
        if number in known:
            return known[number]
        expression = self._expressions[number]
        if isinstance(expression, Rule):
            bits = rule_bits(expression)
        else:
            operator, operands = expression
            parts = [self.evaluate(operand, rule_bits, known) for operand in operands]
            if operator == "not":
                bits = ~parts[0]
            else:
                combine = np.bitwise_and if operator == "all" else np.bitwise_or
                bits = combine.reduce(parts) if len(parts) > 1 else parts[0]
        known[number] = bits
        return bits

    def limits(self, number: int, rule_bits: Callable[[Rule], PackedBits | None], known: dict[int, Limits]) -> Limits:
        """Which rows can satisfy a logic, and which surely do, where `rule_bits` answers some rules with None: not known yet."""
        if number in known:
            return known[number]
        expression = self._expressions[number]
        if isinstance(expression, Rule):
            bits = rule_bits(expression)
            found = Limits(bits, bits)
        else:
            operator, operands = expression
            parts = [self.limits(operand, rule_bits, known) for operand in operands]
            surely, possibly = [part.surely for part in parts], [part.possibly for part in parts]
            if operator == "not":
                found = Limits(_inverted(possibly[0]), _inverted(surely[0]))
            elif operator == "all":
                found = Limits(_of_all_known(np.bitwise_and, surely), _of_some_known(np.bitwise_and, possibly))
            else:
                found = Limits(_of_some_known(np.bitwise_or, surely), _of_all_known(np.bitwise_or, possibly))
        known[number] = found
        return found


def _inverted(bits: PackedBits | None) -> PackedBits | None:
    return None if bits is None else ~bits


def _of_all_known(combine: np.ufunc, parts: list[PackedBits | None]) -> PackedBits | None:
    known = [part for part in parts if part is not None]
    return combine.reduce(known) if len(known) == len(parts) else None


def _of_some_known(combine: np.ufunc, parts: list[PackedBits | None]) -> PackedBits | None:
    known = [part for part in parts if part is not None]
    return combine.reduce(known) if known else None
