"""How much of what a model would attend to survives each cut, and how far sequences agree, by how long histories are.

The exact model is softmax attention over everything that a user did before the request: the weight of an action is exp(product of the
vectors of its item and the candidate), over the sum of all. What survives a stage is the weight of the actions that are left in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Engine

from srp_assets.embeddings.vectors import ItemVectors, read_vectors
from srp_assets.errors import NotFound
from srp_assets.features.aggregation.rows import Floats, integers
from srp_assets.features.building.files import open_files
from srp_assets.logs.tables import built_days
from srp_assets.online.records.digests import digest_of
from srp_assets.sequences.building.actions import with_dropped
from srp_assets.sequences.building.computing import UserActions
from srp_assets.sequences.declaration import Portrait
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import current_builds
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.requests import seen
from srp_assets.sequences.stages import STAGES, Stage

BANDS = (10, 100, 1_000, 10_000)
"""Histories of up to so many actions are told apart; longer ones are the last band."""

ENDLESS = 1 << 40
EVER = 1_000_000
"""Days of a window that leaves nothing out."""

HISTORY_COLUMNS = ["user_id", "event_id", "item_id", "event_time", "arrival_time"]


@dataclass(frozen=True)
class Survived:
    """What survived for one candidate of one sequence.

    Args:
        trace_id: of the request.
        sequence: its name.
        candidate_id: its id.
        actions: of the whole history.
        masses: by stage the attention that is left, 0 to 1.
    """

    trace_id: str
    sequence: str
    candidate_id: str
    actions: int
    masses: Mapping[Stage, float]


@dataclass(frozen=True)
class FunnelBand:
    """The means of candidates whose histories are of one band.

    Args:
        sequence: its name, or two of them with an ampersand for how far they agree.
        longest: actions of the band's histories at most; None for the last band.
        candidates: how many.
        figures: attention that is left by stage; of two sequences `agreement`, what both found of what either did.
    """

    sequence: str
    longest: int | None
    candidates: int
    figures: Mapping[str, float]


def survived(stages: pa.Table, histories: Mapping[str, tuple[list[str], list[str | None]]], vectors: ItemVectors) -> Iterator[Survived]:
    """What survives of each final sequence whose candidate, and one action at least, has a vector.

    Args:
        stages: a stage table, with the portraits of all traces.
        histories: by trace the ids of all actions before the request, and of their items.
        vectors: of items.
    """
    left = _events_by_stage(stages)
    for (trace_id, sequence, stage, candidate), finals in left.items():
        if stage != "final" or trace_id not in histories or candidate is None or sequence is None:
            continue
        events, items = histories[trace_id]
        weights = _attention(vectors, items, candidate)
        if weights is None:
            continue
        kept = {
            "portrait": left.get((trace_id, None, "portrait", None), frozenset()),
            "general": left.get((trace_id, sequence, "general", None), frozenset()),
            "final": finals,
        }
        masses = {own: float(weights[[event in kept[own] for event in events]].sum()) for own in STAGES}
        yield Survived(trace_id, sequence, candidate, len(events), masses)


def _events_by_stage(stages: pa.Table) -> dict[tuple[str, str | None, str, str | None], frozenset[str]]:
    names = ("trace_id", "sequence", "stage", "candidate_id", "event_id")
    rows = zip(*(stages[name].to_pylist() for name in names), strict=True)
    return {(trace, sequence, stage, candidate): frozenset(events) for trace, sequence, stage, candidate, events in rows}


def _attention(vectors: ItemVectors, items: Sequence[str | None], candidate: str) -> Floats | None:
    """The weight of each action, shape (actions,), 0 for an item without a vector; None where nothing has a weight."""
    (own,) = vectors.places([candidate])
    places = vectors.places(pa.array(items, pa.string()))
    known = places >= 0
    if own < 0 or not known.any():
        return None
    products = vectors.vectors[places[known]].astype(np.float64) @ vectors.vectors[own].astype(np.float64)
    weights = np.zeros(len(items))
    weights[known] = np.exp(products - products.max())
    return np.asarray(weights / weights.sum())


def funnel_bands(stages: pa.Table, found: Sequence[Survived]) -> list[FunnelBand]:
    """Means by sequence and band of what survived, and of how far each two sequences agree on a candidate."""
    groups: dict[tuple[str, int | None], list[Mapping[str, float]]] = {}
    for own in found:
        groups.setdefault((own.sequence, band_of(own.actions)), []).append({str(stage): mass for stage, mass in own.masses.items()})
    lengths = {(own.trace_id, own.candidate_id): own.actions for own in found}
    by_sequence: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for (trace_id, sequence, stage, candidate), events in _events_by_stage(stages).items():
        if stage == "final" and sequence is not None and candidate is not None and (trace_id, candidate) in lengths:
            by_sequence.setdefault((trace_id, candidate), {})[sequence] = events
    for key, sequences in by_sequence.items():
        for first, second in combinations(sorted(sequences), 2):
            either = sequences[first] | sequences[second]
            if either:
                share = len(sequences[first] & sequences[second]) / len(either)
                groups.setdefault((f"{first} & {second}", band_of(lengths[key])), []).append({"agreement": share})
    ordered = sorted(groups.items(), key=lambda own: (own[0][0], own[0][1] or ENDLESS))
    return [FunnelBand(name, longest, len(rows), _means(rows)) for (name, longest), rows in ordered]


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def band_of(actions: int) -> int | None:
    """The band of a history, by its longest; None for the last one."""
    return next((longest for longest in BANDS if actions <= longest), None)


def histories_of(actions: pa.Table, requests: pa.Table, portrait: Portrait, attributes: AttributeIndex) -> dict[str, Any]:
    """By trace the ids of all actions that a request could have seen, the newest first, and of their items.

    Args:
        actions: of the users who ask, each once, with `HISTORY_COLUMNS`.
        requests: `trace_id`, `user_id` and `as_of`.
        portrait: whose clock counts.
        attributes: nothing is described, but columns belong to some.
    """
    endless = Portrait.model_construct(length=ENDLESS, days=EVER, clock=portrait.clock, logged=0.0)
    found = UserActions(with_dropped(actions), attributes)
    events, items = found.table["event_id"], found.table["item_id"]
    users = {user: number for number, user in enumerate(found.users.to_pylist())}
    everything = np.arange(found.table.num_rows)
    histories = {}
    asked = zip(requests["trace_id"].to_pylist(), requests["user_id"].to_pylist(), integers(requests["as_of"]).tolist(), strict=True)
    for trace_id, user_id, as_of in asked:
        if user_id in users:
            own = slice(found.starts[users[user_id]], found.starts[users[user_id] + 1])
            places = pa.array(seen(endless, everything[own], found.ages[own], found.arrival_time, as_of))
            histories[trace_id] = (events.take(places).to_pylist(), items.take(places).to_pylist())
    return histories


def funnel_of_day(engine: Engine, places: SequencePlaces, day: str, traces: int) -> list[FunnelBand]:
    """The funnel of a sample of the requests of a day, chosen by their hash among those whose portraits are written.

    Args:
        engine: of the registry.
        places: where sequences and logs are.
        day: as 2024-03-09; its stages are built.
        traces: how many requests at most.

    Raises:
        NotFound: if no vectors are declared or current, or the stages of the day are not built.
    """
    with engine.connect() as connection:
        current = places.current(connection)
        build = current_builds(connection, "stages", current.identity("stages")).get(day)
        paths = [path for own in built_days(connection, "actions", None, day).values() for path in own.paths]
    if current.vectors is None:
        remedy = "name the embeddings in sequences.yaml, and train them"
        raise NotFound("the funnel needs vectors of items", where="sequences/funnel", remedy=remedy)
    if build is None:
        raise NotFound(f"the sequences of {day} are not built", where="sequences/stages", remedy="srp sequences build")
    stages = pa.concat_tables([places.sequences.read(path) for path in build.files])
    portraits = stages.filter(pc.equal(stages["stage"], "portrait"))
    chosen = sorted(portraits["trace_id"].to_pylist(), key=lambda trace: (digest_of(trace), trace))[:traces]
    stages = stages.filter(pc.is_in(stages["trace_id"], value_set=pa.array(chosen, pa.string())))
    requests = stages.filter(pc.equal(stages["stage"], "portrait"))
    users = pc.unique(requests["user_id"]).drop_null()
    actions = open_files(places.features.logs, paths).to_table(columns=HISTORY_COLUMNS, filter=pc.field("user_id").isin(users))
    arrived = pc.coalesce(actions["arrival_time"], actions["event_time"])
    actions = actions.set_column(actions.column_names.index("arrival_time"), "arrival_time", arrived)
    attributes = AttributeIndex(places.layout.definitions, {})
    histories = histories_of(actions, requests, places.document.portrait, attributes)
    storage, path, _ = current.vectors
    return funnel_bands(stages, list(survived(stages, histories, read_vectors(storage, path))))
