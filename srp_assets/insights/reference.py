"""What statistics mean, said as plainly as possible, over lists of dicts: the oracle that the counting in Spark is tested against.

A case here is the JSON shape that users see (`product`, `object`, `id`, `hits` ..) with `facts`: the recalled row's publish time, metrics,
enums and flags by column, times as ISO 8601 text. A case counts once in each line of a statistic, however many hits led to it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from srp_assets.insights.statistics.buckets import bounds_of
from srp_assets.strategy.times import parse_time
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.periods import period_of

Case = Mapping[str, Any]
Key = tuple[str, ...]
Counts = dict[Key, tuple[int, int]]
"""Cases and hits by what they are counted by."""

MOST_PAIRED_WORDS = 50
"""A case with more different words is left out of the pairs: a text that is itself a list of words says nothing about which go together."""

MISSING: Key = ()
"""What follows a column's name where the row has no value."""


def tallies(catalogue: Catalogue, cases: Sequence[Case]) -> dict[str, Counts]:
    """Everything that is counted of one task, by statistic."""
    return {
        "all": _by(cases, lambda case: [()]),
        "product": _by(cases, lambda case: [(case["product"],)]),
        "period": _by(cases, lambda case: _periods(catalogue, case)),
        "enum": _by(cases, lambda case: _enums(catalogue, case)),
        "metric": _by(cases, lambda case: _metrics(catalogue, case)),
        "object": _by_hit(cases, lambda hit: (hit["object"],)),
        "feature": _by_hit(cases, lambda hit: (hit["object"], hit["feature"])),
        "list": _by_hit(cases, lambda hit: (hit["list"],)),
        "word": _by_hit(cases, lambda hit: (hit["list"], hit["word"])),
        "list_pair": _pairs(cases, lambda hit: (hit["list"],)),
        "word_pair": _pairs(cases, lambda hit: (hit["list"], hit["word"]), most=MOST_PAIRED_WORDS),
        "unpaired": _by([case for case in cases if len(_words(case)) > MOST_PAIRED_WORDS], lambda case: [()]),
    }


def overlap(catalogue: Catalogue, first: Iterable[Case], second: Iterable[Case]) -> int:
    """How many rows are cases of both: roles of one entity (visible posts, all posts) have rows in common."""
    return len({_row(catalogue, case) for case in first} & {_row(catalogue, case) for case in second})


def silenced(cases: Iterable[Case], cases_without_exemptions: Iterable[Case]) -> set[tuple[str, str]]:
    """The cases (product, id) that a task would have in addition if one of its lists had no exemptions."""
    return {(case["product"], case["id"]) for case in cases_without_exemptions} - {(case["product"], case["id"]) for case in cases}


def _by(cases: Iterable[Case], keys_of: Callable[[Case], Iterable[Key]]) -> Counts:
    found: Counts = {}
    for case in cases:
        for key in keys_of(case):
            before = found.get(key, (0, 0))
            found[key] = (before[0] + 1, before[1] + len(case["hits"]))
    return found


def _by_hit(cases: Iterable[Case], key_of: Callable[[Mapping[str, Any]], Key]) -> Counts:
    found: Counts = {}
    for case in cases:
        for key, hits in Counter(key_of(hit) for hit in case["hits"]).items():
            before = found.get(key, (0, 0))
            found[key] = (before[0] + 1, before[1] + hits)
    return found


def _pairs(cases: Iterable[Case], key_of: Callable[[Mapping[str, Any]], Key], most: int | None = None) -> Counts:
    found: Counter[Key] = Counter()
    for case in cases:
        keys = sorted({key_of(hit) for hit in case["hits"]})
        if most is None or len(keys) <= most:
            found.update(first + second for first, second in combinations(keys, 2))
    return {key: (count, 0) for key, count in found.items()}


def _words(case: Case) -> set[Key]:
    return {(hit["list"], hit["word"]) for hit in case["hits"]}


def _periods(catalogue: Catalogue, case: Case) -> list[Key]:
    published = case["facts"].get(catalogue.entity_of(case["object"]).publish_time)
    return [MISSING if published is None else (period_of(parse_time(published), catalogue.partition_unit),)]


def _enums(catalogue: Catalogue, case: Case) -> list[Key]:
    columns = catalogue.entity_of(case["object"]).columns
    keys: list[Key] = []
    for name, value in case["facts"].items():
        if columns[name].kind in ("enum", "flag"):
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            keys.append((name, *MISSING) if value is None else (name, shown))
    return keys


def _metrics(catalogue: Catalogue, case: Case) -> list[Key]:
    columns = catalogue.entity_of(case["object"]).columns
    keys: list[Key] = []
    for name, value in case["facts"].items():
        if columns[name].kind == "metric":
            place = None if value is None else sum(bound <= value for bound in bounds_of(columns[name]))
            keys.append((name, *MISSING) if place is None else (name, str(place)))
    return keys


def _row(catalogue: Catalogue, case: Case) -> tuple[str, str, str]:
    return catalogue.objects[case["object"]].entity, case["product"], case["id"]
