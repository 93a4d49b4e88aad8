"""What sequences mean: the naive evaluator, one request at a time, over rows as dicts.

Slow and obviously right; the kernels, the plans and the online twin are tested against it. Times are aware datetimes in UTC, missing
columns are nulls. Everything is the newest first: by (event_time, event_id), both descending.

The rules that are written out here: an action counts once, by its first arrival; nothing at or after `as_of` counts, and, as arrived,
nothing that arrived then; the portrait has the newest actions of the whole days before that of the request and of its own until then; an
action has the attributes that stood when its day began, its item and the candidates also those that stood when the day of the request
began.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import Row, Versions, attributes_of, described, first_arrivals, is_known
from srp_assets.features.times import decay_weight
from srp_assets.sequences.declaration import Condition, Document, HardSearch, Preference, Session, SoftSearch
from srp_assets.sequences.declaration import Sequence as Declared

Vectors = Mapping[str, Sequence[float]]
"""By the id of the item."""


@dataclass(frozen=True)
class Chosen:
    """An action of a final sequence; the score is None where the search has none."""

    action: Row
    score: float | None


def portrait(
    document: Document, definitions: Definitions, actions: Iterable[Row], request: Row, versions: Versions | None = None
) -> list[Row]:
    """The newest actions of the user of a request, with their attributes.

    Args:
        document: what is declared.
        definitions: which attributes there are.
        actions: rows of `logs/actions`, in any order, of any users.
        request: `user_id`, `as_of` and what else is asked with.
        versions: of the rows that attributes are taken from.
    """
    declared, as_of = document.portrait, request["as_of"]
    first_day = as_of.date() - timedelta(days=declared.days)
    own = [action for action in first_arrivals(actions) if action["user_id"] is not None and action["user_id"] == request["user_id"]]
    known = [action for action in own if is_known(action, as_of, declared.clock) and action["event_time"].date() >= first_day]
    return [described(definitions, action, versions or {}) for action in known[::-1][: declared.length]]


def general(
    declared: Declared, definitions: Definitions, found: Sequence[Row], request: Row, versions: Versions | None = None
) -> list[Row]:
    """What the general search takes of a portrait."""
    wanted, as_of = declared.general, request["as_of"]
    inside = set(map(id, in_session(wanted.session, found, as_of))) if wanted.session else None

    def passes(action: Row) -> bool:
        item = attributes_of(definitions, {"item_id": action.get("item_id")}, as_of.date(), versions or {})
        return (
            all(holds(condition, action) for condition in wanted.where)
            and all(holds(condition, item) for condition in wanted.items)
            and (inside is None or id(action) in inside)
        )

    passed = [action for action in found if passes(action)]
    # A stable sort: equal ones stay the newest first.
    preferred = sorted(passed, key=lambda action: [place_of(preference, action) for preference in wanted.order])[: wanted.length]
    return [action for action in passed if any(action is other for other in preferred)]


def in_session(session: Session, found: Sequence[Row], as_of: datetime) -> list[Row]:
    """The actions of the session that is running at a time, or those before it."""
    gap, last, count = timedelta(minutes=session.gap_minutes), as_of, 0
    for action in found:
        if last - action["event_time"] > gap:
            break
        last, count = action["event_time"], count + 1
    return list(found[:count] if session.keep == "running" else found[count:])


def holds(condition: Condition, row: Row) -> bool:
    """Whether a row passes a test of one of its columns."""
    value = row.get(condition.column)
    tests: dict[str, Callable[[], bool]] = {
        "in": lambda: value in condition.values,
        "not_in": lambda: value not in condition.values,
        "at_least": lambda: value is not None and value >= condition.value,
        "below": lambda: value is not None and value < condition.value,
        "is_null": lambda: value is None,
        "is_not_null": lambda: value is not None,
    }
    return bool(tests[condition.test]())


def place_of(preference: Preference, action: Row) -> float:
    """Where a preference puts an action: less is sooner."""
    value = action.get(preference.column)
    if value is None:
        return math.inf
    if preference.values:
        return preference.values.index(value) if value in preference.values else math.inf
    return -value if preference.first == "largest" else value


def final(
    declared: Declared,
    definitions: Definitions,
    found: Sequence[Row],
    request: Row,
    candidate: Row,
    versions: Versions | None = None,
    vectors: Vectors | None = None,
) -> list[Chosen]:
    """What the final search takes of a general sequence for a candidate; a soft search is exact here.

    Args:
        declared: the sequence.
        definitions: which attributes there are.
        found: what the general search took.
        request: with `as_of` and its context.
        candidate: its own columns, `item_id` among them.
        versions: of the rows that attributes are taken from.
        vectors: of items.
    """
    as_of: datetime = request["as_of"]
    described_candidate = {**request, **candidate}
    described_candidate |= attributes_of(definitions, described_candidate, as_of.date(), versions or {})
    if isinstance(declared.final, HardSearch):
        scored = [(action, hard_score(declared.final, action, described_candidate, as_of)) for action in found]
    else:
        scored = [(action, soft_score(declared.final, action, candidate["item_id"], as_of, vectors or {})) for action in found]
    places = [place for place, (_, score) in enumerate(scored) if score is not None]
    best = sorted(places, key=lambda place: (-scored[place][1], place))[: declared.final.length]  # type: ignore[operator]
    is_scored = isinstance(declared.final, SoftSearch) or declared.final.half_life_days is not None
    return [Chosen(scored[place][0], scored[place][1] if is_scored else None) for place in sorted(best)]


def age_days(action: Row, as_of: datetime) -> int:
    """The age of an action in whole days (contract 10)."""
    return int((as_of.date() - action["event_time"].date()).days)


def hard_score(search: HardSearch, action: Row, candidate: Row, as_of: datetime) -> float | None:
    """What an action counts for a candidate; None if it does not."""
    agrees = [action.get(name) is not None and action.get(name) == candidate.get(name) for name in search.attributes]
    if not any(agrees):
        return 0.0 if search.fill else None
    weight = 1.0 if search.half_life_days is None else decay_weight(age_days(action, as_of), search.half_life_days)
    return (len(agrees) - agrees.index(True)) * weight


def soft_score(search: SoftSearch, action: Row, candidate: str, as_of: datetime, vectors: Vectors) -> float | None:
    """What an action counts for a candidate; None where one of the two has no vector.

    The product of two float32 is exact in float64 and they are added in their order, so that every twin rounds alike.
    """
    own, its = vectors.get(action.get("item_id") or ""), vectors.get(candidate)
    if own is None or its is None:
        return None
    product = 0.0
    for left, right in zip(own, its, strict=True):
        product += float(left) * float(right)
    return product if search.half_life_days is None else product - math.log(2) / search.half_life_days * age_days(action, as_of)


def sequences_of(
    document: Document,
    definitions: Definitions,
    actions: Iterable[Row],
    request: Row,
    candidates: Sequence[Row],
    versions: Versions | None = None,
    vectors: Vectors | None = None,
) -> dict[str, Any]:
    """All stages of a request: `portrait`, and by the name of a sequence its `general` actions and the `final` ones of each candidate."""
    newest = portrait(document, definitions, actions, request, versions)
    found: dict[str, Any] = {"portrait": newest}
    for declared in document.sequences:
        taken = general(declared, definitions, newest, request, versions)
        finals = [final(declared, definitions, taken, request, candidate, versions, vectors) for candidate in candidates]
        found[declared.name] = {"general": taken, "final": finals}
    return found
