"""Causes that change numbers: their unit, their width, and what stands where there is none."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from srp_assets.sequences.differences.coding import Column, same_column
from srp_assets.sequences.differences.hypotheses.base import RARE, RECOGNIZED, USUAL, Cause, Proposal, Seen

NUMBERS = ("price", "amount", "dwell")

FACTORS = tuple(sign for power in range(1, 7) for sign in (10.0**power, 10.0**-power)) + (60.0, 1 / 60, 3600.0, 1 / 3600)
"""Between units that people take for each other."""


def _both(seen: Seen, name: str) -> tuple[Column, Column]:
    own, other = seen.common
    return seen.served_actions[name][own], seen.made_actions[name][other]


def _differing(seen: Seen) -> list[str]:
    return [name for name in NUMBERS if not same_column(name, *_both(seen, name))]


def _unit(seen: Seen) -> Iterator[Proposal]:
    """Numbers are all multiplied by the same factor."""
    factors = {}
    for name in _differing(seen):
        served, made = _both(seen, name)
        known = ~np.isnan(served) & ~np.isnan(made) & (made != 0) & (served != 0)
        if not known.any():
            continue
        ratio = served[known] / made[known]
        near = [factor for factor in FACTORS if np.isclose(np.median(ratio), factor, rtol=1e-6)]
        if near:
            factors[name] = near[0] * seen.conditions.factors.get(name, 1.0)
    if factors:
        yield Proposal(replace(seen.conditions, factors={**seen.conditions.factors, **factors}), USUAL)


def _narrow(seen: Seen) -> Iterator[Proposal]:
    """Numbers are those of float32."""
    narrow = {name for name in _differing(seen) if _is_narrow(_both(seen, name)[0])}
    scored = [key for key in seen.asked.keys if key[1] == "final" and len(seen.case.served[key]["score"])]
    differ = any(not same_column("score", seen.case.served[key]["score"], seen.made[key]["score"]) for key in scored)
    if differ and all(_is_narrow(seen.case.served[key]["score"]) for key in scored):
        narrow.add("score")
    if narrow - seen.conditions.narrow:
        yield Proposal(replace(seen.conditions, narrow=seen.conditions.narrow | narrow), USUAL)


def _is_narrow(column: Column) -> bool:
    known = column[~np.isnan(column)]
    return bool(len(known) and (known.astype(np.float32) == known).all())


def _null_or_default(seen: Seen) -> Iterator[Proposal]:
    """Every null has become a default, or every default a null."""
    defaults, nulls = {}, {}
    for name in _differing(seen):
        served, made = _both(seen, name)
        filled = np.unique(served[np.isnan(made) & ~np.isnan(served)])
        if len(filled) == 1:
            defaults[name] = float(filled[0])
        emptied = np.unique(made[np.isnan(served) & ~np.isnan(made)])
        if len(emptied) == 1:
            nulls[name] = float(emptied[0])
    if defaults:
        yield Proposal(replace(seen.conditions, defaults={**seen.conditions.defaults, **defaults}), USUAL)
    if nulls:
        cost = USUAL if set(nulls.values()) <= {0.0, -1.0} else RARE
        yield Proposal(replace(seen.conditions, nulls={**seen.conditions.nulls, **nulls}), cost)


def _default(seen: Seen) -> Iterator[Proposal]:
    """All values of some items are the same default: their read was answered by it."""
    found = {}
    count = 0
    for name in _differing(seen):
        served, made = _both(seen, name)
        items = seen.made_actions["item_id"][seen.common[1]]
        wrong = ~((served == made) | (np.isnan(served) & np.isnan(made)))
        values = np.unique(served[wrong])
        if len(values) != 1:
            continue
        affected = frozenset(items[wrong].tolist())
        found[name] = (float(values[0]), affected)
        count += len(affected)
    if found:
        cost = USUAL + RECOGNIZED * count + (0.0 if {value for value, _ in found.values()} <= {0.0, -1.0} else 0.5)
        yield Proposal(replace(seen.conditions, defaulted={**seen.conditions.defaulted, **found}), cost)


CAUSES = (
    Cause("unit_slip", "numbers", "numbers are in another unit", _unit),
    Cause("float_width", "numbers", "numbers were kept in 32 bits", _narrow),
    Cause("null_against_default", "numbers", "one side has null where the other one has a default", _null_or_default),
    Cause("default_instead_of_value", "numbers", "a default stands in the place of values", _default),
)
