"""What is wrong with documents: all problems of a call at once, each with its place, what it is, and what to do.

Pydantic finds what is wrong with a document's form; `form_problems` says it in the words of whoever wrote the document.
"""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from srp_assets.errors import InvalidInput, nearest
from srp_assets.strategy.model import KINDS, LOGIC_TAGS, ValueReference, WordListReference
from srp_assets.warehouse.catalogue import Strict

MODELS_OF_TAGS: dict[str, type[Strict]] = {
    "<word_list>": WordListReference,
    "<value>": ValueReference,
    **{f"<{key}>": model for key, model in LOGIC_TAGS.items()},
}


class InvalidDocuments(InvalidInput):
    """Documents were refused and nothing was stored. `problems` are all of them, in the order of the files; it reads like the first."""

    def __init__(self, problems: Iterable[InvalidInput]) -> None:
        # A broken document that several others use is found through each of them, and told of once.
        self.problems = tuple({str(problem): problem for problem in problems}.values())
        first = self.problems[0]
        more = len(self.problems) - 1
        message = first.message + (f"; {more} more {'problem' if more == 1 else 'problems'}" if more else "")
        super().__init__(message, where=first.where, remedy=first.remedy)


def form_problems(error: ValidationError, kind: str, place: str) -> list[InvalidInput]:
    """What is wrong with the form of a document.

    Args:
        error: what pydantic found.
        kind: the kind of the document.
        place: the document, for people: `strategies.yaml:3: strategy homework`.
    """
    found: dict[str, InvalidInput] = {}
    for details in error.errors():
        location = details["loc"]
        parent, key = (location[:-1], location[-1]) if details["type"] in ("missing", "extra_forbidden") else (location, None)
        path = path_text(parent, in_list=kind == "word_list")
        problem = _problem(details, key, _keys(kind, parent))
        where = f"{place}: {path}" if path else place
        # A value that fits no variant of a union is reported once for each variant; the first says enough.
        found.setdefault(f"{where} {key}", InvalidInput(problem.message, where=where, remedy=problem.remedy))
    return list(found.values())


def path_text(location: Iterable[str | int], *, in_list: bool = False) -> str:
    """A path inside a document as people read it: `objects.post.all[1].value`.

    Args:
        location: keys and places; names of a model's variants in pointed brackets are left out.
        in_list: whether the document is a word list, whose variants are named by their types.
    """
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith("<") and not (in_list and part in ("str", "ListReference")):
            text += f".{part}" if text else part
    return text


def _keys(kind: str, parent: tuple[str | int, ...]) -> list[str]:
    """The keys that a mapping inside a document may have; none if that is not known."""
    tags = [part for part in parent if isinstance(part, str) and part in MODELS_OF_TAGS]
    model: type[Strict] | None = MODELS_OF_TAGS[tags[-1]] if tags else None if parent else KINDS[kind]
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _problem(details: ErrorDetails, key: str | int | None, keys: list[str]) -> InvalidInput:
    found, type_ = details["input"], details["type"]
    if type_ == "missing":
        return InvalidInput(f"key {key!r} is missing", remedy=f"add {key}: ...")
    if type_ == "extra_forbidden":
        return InvalidInput(f"unknown key {key!r}", remedy=nearest(str(key), keys) if keys else "remove it")
    if type_ == "literal_error":
        expected = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return InvalidInput(f"{shown(found)} is not valid", remedy=nearest(str(found), expected))
    if type_ == "string_pattern_mismatch":
        return InvalidInput(f"{shown(found)} is no valid name", remedy="use letters, digits, '.', '_' and '-', a letter or digit first")
    if type_ == "string_type":
        return InvalidInput(f"{shown(found)} is not a text", remedy="write one text, in quotes if it looks like a number or a flag")
    if type_ == "too_short":
        least = details["ctx"]["min_length"]
        return InvalidInput(f"at least {least} {'entry is' if least == 1 else 'entries are'} needed here", remedy="add what is missing")
    if type_ == "tuple_type":
        return InvalidInput(f"{shown(found)} is not a list", remedy="write [...], or lines that begin with a dash")
    if type_ in ("dict_type", "model_type", "model_attributes_type"):
        return InvalidInput(f"{shown(found)} is not a mapping", remedy="write keys with their values")
    if type_ in ("bool_type", "bool_parsing"):
        return InvalidInput(f"{shown(found)} is not a flag", remedy="write true or false")
    if type_ == "logic":
        empty = "write {} for an object that only joins"
        return InvalidInput(
            details["msg"], remedy=empty if found is None else "write feature, match and value, or exactly one of all, any, not, rule"
        )
    return InvalidInput(details["msg"].removeprefix("Value error, "))


def shown(value: Any) -> str:
    """A value as it may stand in a message: on one line, and not endless."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
