"""The funnel against a naive softmax: what each cut leaves, what a band means, how far two sequences agree."""

import math
from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.embeddings.registry import Version, record_version, switch
from srp_assets.embeddings.vectors import write_vectors
from srp_assets.embeddings.weekly.files import VECTORS
from srp_assets.errors import NotFound
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.features.reference import Row, first_arrivals, is_known
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.declaration import Document
from srp_assets.sequences.funnel import band_of, funnel_bands, funnel_of_day, histories_of, survived
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import SequenceBuild, record_builds
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.drawn_sequences import CANDIDATE_IDS, asked, asked_table, drawn_vectors, kept_months, vectors_by_id
from support.feature_files import build_actions, day_of
from support.feature_logs import events_table, random_logs, versions_tables

SEQUENCES = [
    {"name": "hard", "description": "x", "general": {"length": 6}, "final": {"search": "hard", "length": 2, "attributes": ["item_id"]}},
    {"name": "soft", "description": "x", "general": {"length": 6}, "final": {"search": "soft", "length": 2}},
]
DOCUMENT = Document.model_validate(
    {"name": "d", "owner": "tests", "portrait": {"length": 10, "days": 20}, "sequences": SEQUENCES},
)


def naive_masses(history: list[Row], candidate: str, vectors: dict[str, list[float]], kept: set[str]) -> float | None:
    """The share of the weights of some actions."""
    weights = {
        row["event_id"]: math.exp(sum(a * b for a, b in zip(vectors[row["item_id"]], vectors[candidate], strict=True)))
        for row in history
        if row["item_id"] in vectors and candidate in vectors
    }
    return sum(weight for event, weight in weights.items() if event in kept) / sum(weights.values()) if weights else None


def test_what_survives_is_what_a_naive_softmax_says(small: Definitions) -> None:
    generated = random_logs(Random(12), 150, 12)
    requests, vectors = asked(generated), drawn_vectors(Random(2))
    attributes = AttributeIndex(small, versions_tables(small, generated.versions))
    inputs = Inputs(DOCUMENT, attributes, SearchVectors(vectors))
    stages = pa.concat_tables(computed_stages(inputs, kept_months(small, generated.events, 1_000), asked_table(requests)))
    known = events_table(small, [row for row in first_arrivals(generated.events) if row["user_id"] is not None])
    histories = histories_of(known, asked_table(requests), DOCUMENT.portrait, attributes)
    found = {(own.trace_id, own.sequence, own.candidate_id): own for own in survived(stages, histories, vectors)}
    rows = {(row["trace_id"], row["sequence"], row["stage"], row["candidate_id"]): set(row["event_id"]) for row in stages.to_pylist()}
    compared = 0
    for request in requests:
        visible = [row for row in first_arrivals(generated.events) if is_known(row, request["as_of"], "as_arrived")]
        history = [row for row in visible if row["user_id"] is not None and row["user_id"] == request["user_id"]]
        for candidate in CANDIDATE_IDS:
            for name in ("hard", "soft"):
                trace = request["trace_id"]
                kept = {
                    "portrait": rows[trace, None, "portrait", None],
                    "general": rows[trace, name, "general", None],
                    "final": rows[trace, name, "final", candidate],
                }
                masses = {stage: naive_masses(history, candidate, vectors_by_id(vectors), own) for stage, own in kept.items()}
                if masses["portrait"] is None:
                    assert (trace, name, candidate) not in found
                    continue
                own = found[trace, name, candidate]
                assert own.actions == len(history)
                assert own.masses == pytest.approx(masses)
                assert own.masses["final"] <= own.masses["general"] <= own.masses["portrait"] <= 1 + 1e-12
                compared += 1
    assert compared > 20
    bands = funnel_bands(stages, list(found.values()))
    assert sum(band.candidates for band in bands if band.sequence in ("hard", "soft")) == compared
    hard = [own.masses["final"] for own in found.values() if own.sequence == "hard" and own.actions <= 10]
    (short,) = [band for band in bands if band.sequence == "hard" and band.longest == 10]
    assert short.figures["final"] == pytest.approx(sum(hard) / len(hard))
    agreement = [band.figures["agreement"] for band in bands if band.sequence == "hard & soft"]
    assert agreement
    assert all(0 <= share <= 1 for share in agreement)


def test_bands_end_with_their_longest_history() -> None:
    assert [band_of(actions) for actions in (1, 10, 11, 10_000, 10_001)] == [10, 10, 100, 10_000, None]


def test_the_funnel_of_a_day_reads_what_is_built(engine: Engine, storage: Storage, sample_catalogue: Catalogue, small: Definitions) -> None:
    generated = random_logs(Random(12), 150, 40)
    requests, vectors, at = asked(generated), drawn_vectors(Random(2)), storage.location
    places = places_at(at, storage, sample_catalogue, small)
    build_actions(engine, places.features.logs, small, first_arrivals(generated.events), sorted(set(map(day_of, generated.events))), 1)
    day = max(str(row["as_of"].date()) for row in requests)
    own = [row for row in requests if str(row["as_of"].date()) == day]
    with pytest.raises(NotFound, match="needs vectors"):
        funnel_of_day(engine, places, day, 100)
    write_vectors(places.embeddings, f"v/{VECTORS}", vectors)
    with engine.begin() as connection:
        record_version(connection, Version("v1", "items", "2024-01-01", "v", 3, 5, None, {}))
        switch(connection, "v1")
    with pytest.raises(NotFound, match=f"the sequences of {day} are not built"):
        funnel_of_day(engine, places, day, 100)
    inputs = Inputs(DOCUMENT, AttributeIndex(small, {}), SearchVectors(vectors))
    stages = pa.concat_tables(computed_stages(inputs, kept_months(small, generated.events, 1_000), asked_table(own)))
    places.sequences.write("stages.parquet", stages)
    with engine.begin() as connection:
        identity = places.current(connection).identity("stages")
        build = SequenceBuild(0, "stages", identity, day, "", 1, "", ("stages.parquet",), stages.num_rows, 1, {}, datetime.now(UTC), None)
        record_builds(connection, [build])
    actions = events_table(small, [row for row in first_arrivals(generated.events) if row["user_id"] is not None])
    histories = histories_of(actions, asked_table(own), DOCUMENT.portrait, inputs.attributes)
    expected = funnel_bands(stages, list(survived(stages, histories, vectors)))
    assert funnel_of_day(engine, places, day, 100) == expected
    assert expected
    assert {band.sequence for band in funnel_of_day(engine, places, day, 1)} <= {band.sequence for band in expected}


def places_at(at: str, storage: Storage, catalogue: Catalogue, small: Definitions) -> SequencePlaces:
    features = Places(Storage(f"{at}/features"), Storage(f"{at}/logs"), storage, catalogue, 2)
    requests = {"role": "request", "description": "A user asks."}
    logs = LogCatalogue.model_validate({"name": "shop", "first_day": "2024-01-01", "logs": {"request": requests}})
    document = DOCUMENT.model_copy(update={"embeddings": "items"})
    return SequencePlaces(Storage(f"{at}/sequences"), Storage(f"{at}/embeddings"), features, logs, layout_of(small), document, 2, 1.25, 9)
