"""Declarations of sequences drawn at random, with small lengths so that every cut is met, and what the reference makes of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import Row, first_arrivals
from srp_assets.sequences.building.actions import DROPPED
from srp_assets.sequences.building.computing import CANDIDATES
from srp_assets.sequences.declaration import Document, check_columns
from srp_assets.sequences.reference import sequences_of
from srp_assets.sequences.stages import LISTS
from support.feature_logs import Logs, events_table, requests_table

TEXTS: Mapping[str, Sequence[str]] = {
    "kind": ("click", "order", "impression"),
    "item_id": ("i1", "i2", ""),
    "market": ("de", "fr"),
    "category": ("a", "b", "é"),
    "hour": ("00", "12", "23"),
    "weekday": ("3", "4"),
}
NUMBERS = ("price", "amount", "position", "list_price", "dwell_seconds")
CANDIDATE_IDS = ("i1", "i2", "i3", "", "nowhere")


def drawn_document(random: Random) -> Document:
    """A document of two sequences, one of each final search."""
    length = random.choice((1, 3, 8, 40))
    portrait = {"length": length, "days": random.choice((1, 7, 60)), "clock": random.choice(("as_arrived", "as_arrived", "as_happened"))}
    sequences = [_sequence(random, name, search, length) for name, search in (("first", "hard"), ("second", "soft"))]
    return Document.model_validate({"name": "drawn", "owner": "tests", "portrait": portrait, "sequences": sequences})


def _sequence(random: Random, name: str, search: str, longest: int) -> dict[str, Any]:
    general_length = random.randint(1, longest)
    final: dict[str, Any] = {"search": search, "length": random.randint(1, general_length), "half_life_days": random.choice((None, 1, 14))}
    if search == "hard":
        final |= {"attributes": random.sample(("item_id", "category", "market", "device"), random.randint(1, 3))}
        final |= {"fill": random.choice((True, False))}
    general = {
        "length": general_length,
        "where": [_condition(random) for _ in range(random.choice((0, 1, 2)))],
        "items": [_item_condition(random) for _ in range(random.choice((0, 0, 1)))],
        "session": random.choice((None, {"gap_minutes": 30, "keep": "before"}, {"gap_minutes": 60, "keep": "running"})),
        "order": [_preference(random) for _ in range(random.choice((0, 1, 2)))],
    }
    hashing = random.choice((None, {"space": 7, "seed": random.randint(0, 3)}))
    return {"name": name, "description": "x", "general": general, "final": final, "hashing": hashing}


def _condition(random: Random) -> dict[str, Any]:
    test = random.choice(("in", "not_in", "at_least", "below", "is_null", "is_not_null"))
    if test in ("in", "not_in"):
        column = random.choice(sorted(TEXTS))
        return {"column": column, "test": test, "values": random.sample(TEXTS[column], random.randint(1, 2))}
    if test in ("at_least", "below"):
        return {"column": random.choice(NUMBERS), "test": test, "value": random.choice((0.0, 1.0, 2.5))}
    return {"column": random.choice((*NUMBERS, *TEXTS)), "test": test}


def _item_condition(random: Random) -> dict[str, Any]:
    return random.choice(
        (
            {"column": "category", "test": "not_in", "values": ["b"]},
            {"column": "category", "test": "is_not_null"},
            {"column": "list_price", "test": "at_least", "value": 1.0},
        )
    )


def _preference(random: Random) -> dict[str, Any]:
    if random.random() < 0.5:
        column = random.choice(("kind", "category"))
        return {"column": column, "values": random.sample(TEXTS[column], 2)}
    return {"column": random.choice(NUMBERS), "first": random.choice(("largest", "smallest"))}


def drawn_vectors(random: Random) -> ItemVectors:
    """Vectors of some items, two of them the same, so that products tie."""
    numbers = np.random.default_rng(random.getrandbits(32)).standard_normal((3, 5)).astype(np.float32)
    return ItemVectors("v1", pa.array(["i1", "i3", "i2"]), np.stack([numbers[0], numbers[1], numbers[0]]))


def vectors_by_id(vectors: ItemVectors) -> dict[str, list[float]]:
    """As the reference takes them."""
    return dict(zip(vectors.ids.to_pylist(), vectors.vectors.tolist(), strict=True))


def asked(generated: Logs) -> list[Row]:
    """The requests of generated logs, each with a trace and the same candidates."""
    return [{**row, "trace_id": f"t{number}", "item_id": None} for number, row in enumerate(generated.requests)]


def asked_table(requests: Sequence[Row]) -> pa.Table:
    """The same as a task takes them."""
    table = requests_table(requests).drop_columns(["item_id"])
    candidates = pa.array([list(CANDIDATE_IDS)] * len(requests), pa.list_(pa.string()))
    return table.append_column("trace_id", pa.array([row["trace_id"] for row in requests])).append_column(CANDIDATES, candidates)


def kept_months(definitions: Definitions, events: Sequence[Row], keep: int) -> pa.Table:
    """The actions of users that are kept of each month, as the plan keeps them."""
    months: dict[tuple[str, int, int], list[Row]] = {}
    for event in reversed(first_arrivals(events)):
        if event["user_id"] is not None:
            time: datetime = event["event_time"]
            months.setdefault((event["user_id"], time.year, time.month), []).append(event)
    kept, dropped = [], []
    for own in months.values():
        kept += own[:keep]
        dropped += [0] * (len(own[:keep]) - 1) + [max(0, len(own) - keep)]
    return events_table(definitions, kept).append_column(DROPPED, pa.array(dropped, pa.int64()))


def check_drawn(document: Document, definitions: Definitions) -> None:
    """What is drawn is what may be declared."""
    for sequence in document.sequences:
        check_columns(sequence, definitions)


def expected_rows(
    document: Document, definitions: Definitions, generated: Logs, requests: Sequence[Row], vectors: ItemVectors
) -> dict[tuple[Any, ...], dict[str, list[Any]]]:
    """By trace, sequence, stage and candidate the lists of the reference; hashed ids aside."""
    found = {}
    for request in requests:
        candidates = [{"item_id": item} for item in CANDIDATE_IDS]
        own = sequences_of(document, definitions, generated.events, request, candidates, generated.versions, vectors_by_id(vectors))
        found[request["trace_id"], None, "portrait", None] = lists_of([(row, None) for row in own["portrait"]])
        for sequence in document.sequences:
            stages = own[sequence.name]
            found[request["trace_id"], sequence.name, "general", None] = lists_of([(row, None) for row in stages["general"]])
            for item, final in zip(CANDIDATE_IDS, stages["final"], strict=True):
                found[request["trace_id"], sequence.name, "final", item] = lists_of([(chosen.action, chosen.score) for chosen in final])
    return found


def lists_of(rows: Sequence[tuple[Row, float | None]]) -> dict[str, list[Any]]:
    """The aligned lists of some actions."""
    names = {name: "dwell_seconds" if name == "dwell" else name for name in LISTS if name not in ("score", "bucket")}
    lists = {name: [row.get(column) for row, _ in rows] for name, column in names.items()}
    return {**lists, "score": [score for _, score in rows]}


def found_rows(table: pa.Table) -> dict[tuple[Any, ...], dict[str, list[Any]]]:
    """The same of a stage table."""
    rows = table.to_pylist()
    keyed = {
        (row["trace_id"], row["sequence"], row["stage"], row["candidate_id"]): {name: row[name] for name in LISTS if name != "bucket"}
        for row in rows
    }
    assert len(keyed) == len(rows)
    return keyed


def times_of(table: pa.Table, name: str) -> list[int]:
    """A column of times in microseconds."""
    return list(integers(table[name]).tolist())
