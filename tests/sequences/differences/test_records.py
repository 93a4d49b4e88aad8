"""Days compared in a home: what is recorded, what the limits and the gate make of it, what people read; and scalar features."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sqlalchemy import Engine

from srp_assets.errors import InvalidInput
from srp_assets.features.aggregation.layout import layout_of
from srp_assets.features.building.days import Places
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.landing import land_log_batches
from srp_assets.logs.schema import log_schema
from srp_assets.online.parity.comparing import PAIRS
from srp_assets.online.parity.evidence import ParityEvidence
from srp_assets.samples.ranking.sequences.faults import sequence_fault
from srp_assets.samples.ranking.sequences.histories import DECLARED, FEATURES, Histories
from srp_assets.samples.ranking.sequences.serving import served_stages
from srp_assets.sequences.declaration import DifferenceLimits, Document
from srp_assets.sequences.differences import spooling
from srp_assets.sequences.differences.checking import compare_day, days_to_compare
from srp_assets.sequences.differences.comparing import what_was_asked
from srp_assets.sequences.differences.evidence import with_sequences
from srp_assets.sequences.differences.figures import recurrence
from srp_assets.sequences.differences.limits import check_limits, limit_of
from srp_assets.sequences.differences.registry import DifferenceRecord, newest_differences, record_difference
from srp_assets.sequences.differences.report.page import difference_html
from srp_assets.sequences.differences.scalars import causes_of, feature_figures
from srp_assets.sequences.differences.spooling import Side, parts_of
from srp_assets.sequences.landing import land_stages
from srp_assets.sequences.places import SequencePlaces
from srp_assets.sequences.registry import SequenceBuild, record_builds
from srp_assets.sequences.stages import STAGE_SCHEMA
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.feature_files import build_actions

DAYS = ("2024-03-19", "2024-03-20")

LOGS = LogCatalogue.model_validate(
    {"name": "shop", "first_day": "2024-03-01", "logs": {"request": {"role": "request", "description": "A user asks."}}}
)


class PlainShop(Histories):
    """Nothing describes its items, and no search needs vectors: another domain keeps these in a home."""

    @cached_property
    def document(self) -> Document:
        first, second, _ = DECLARED["sequences"]
        sequences = [{**first, "general": {**first["general"], "items": []}}, second]
        limits = {"traces": 5, "causes": {"padding_side": 0.5}}
        return Document.model_validate({**DECLARED, "sequences": sequences, "differences": limits})

    @cached_property
    def definitions(self) -> Definitions:
        return resolve(FeatureDocument.model_validate({**FEATURES, "attributes": {}}))

    @cached_property
    def versions(self) -> dict[str, pa.Table]:
        return {"item": Histories(self.seed).versions["item"].slice(0, 0)}


@pytest.fixture(scope="module")
def plain() -> PlainShop:
    return PlainShop(requests=30)


@pytest.fixture
def places(engine: Engine, storage: Storage, sample_catalogue: Catalogue, plain: PlainShop) -> SequencePlaces:
    """A home whose logs and stages are built; nothing is served yet."""
    at = storage.location
    features = Places(Storage(f"{at}/features"), Storage(f"{at}/logs"), storage, sample_catalogue, 2)
    layout = layout_of(plain.definitions)
    found = SequencePlaces(Storage(f"{at}/sequences"), Storage(f"{at}/embeddings"), features, LOGS, layout, plain.document, 2, 1.25, 100)
    actions = plain.actions.to_pylist()
    build_actions(engine, features.logs, plain.definitions, actions, sorted({str(own["event_time"].date()) for own in actions}), 1)
    schema = log_schema(LOGS.logs["request"])
    named = {"event_time": "as_of", "arrival_time": "as_of", "event_id": "trace_id"}
    asked = plain.asked.to_pylist()
    columns = {own.name: pa.array([row.get(named.get(own.name, own.name)) for row in asked], own.type) for own in schema}
    batch = pa.RecordBatch.from_pydict(columns, schema)
    assert land_log_batches(engine, features.logs, LOGS, batches=[("request", batch)], source="x", reader="test").rejected == {}
    builds, now = [], datetime.now(UTC)
    for day in DAYS:
        own, path = of_day(served_stages(plain), day), f"stages/{day}.parquet"
        size = found.sequences.write(path, own)
        builds.append(
            SequenceBuild(0, "stages", found.identity("stages"), day, "x", 1, "stages", (path,), own.num_rows, size, {}, now, None)
        )
    with engine.begin() as connection:
        record_builds(connection, builds)
    return found


def of_day(table: pa.Table, day: str) -> pa.Table:
    return table.filter(pc.equal(pc.strftime(table["as_of"], "%Y-%m-%d"), day))


def serve(engine: Engine, places: SequencePlaces, shop: PlainShop, day: str, *faults: str) -> None:
    served = served_stages(shop, [sequence_fault(name) for name in faults])
    land_stages(engine, places.sequences, of_day(served, day), "test")


def compared(engine: Engine, places: SequencePlaces, day: str) -> DifferenceRecord:
    record = compare_day(engine, places, day)
    with engine.begin() as connection:
        identity = record_difference(connection, record)
        found = newest_differences(connection)[day]
    assert replace(found, difference_id=0) == record
    assert found.difference_id == identity
    return found


def test_a_day_is_recorded_with_what_speaks_against_it(engine: Engine, places: SequencePlaces, plain: PlainShop) -> None:
    assert compare_day(engine, places, DAYS[0]).reasons == ("nothing was served",)
    serve(engine, places, plain, DAYS[0])
    serve(engine, places, plain, DAYS[1], "unit_slip")
    with engine.connect() as connection:
        assert sorted(days_to_compare(connection, places)) == list(DAYS)
    clean, broken = (compared(engine, places, day) for day in DAYS)
    assert clean.passed
    assert clean.figures is not None
    assert clean.figures.differing == 0
    assert clean.figures.repeats["portrait"].overlap == 1.0
    assert not broken.passed
    assert broken.figures is not None
    assert [own.cause for own in broken.figures.causes] == ["unit_slip"]
    assert broken.figures.share_explained == 1.0
    assert recurrence([clean.figures, broken.figures])[broken.figures.causes[0].cause] == 0.5
    page = difference_html([clean, broken])
    assert "<td>ranking</td>" in page
    assert page.count("data:image/svg+xml") == 3
    assert "<script" not in page


def test_the_gate_hears_of_sequences_by_day_and_version(engine: Engine, places: SequencePlaces, plain: PlainShop) -> None:
    versions = {f"sequence:{own.name}": places.document.version(own) for own in places.document.sequences}
    nothing = ParityEvidence(DAYS[0], DAYS[1], (), "x")

    def problems(wanted: dict[str, str]) -> dict[str, dict[str, str]]:
        with engine.connect() as connection:
            found = with_sequences(connection, nothing, wanted)
        return {own.feature: dict(own.problems) for own in found.features}

    assert problems({"clicks": "1"}) == {}
    assert problems(versions) == dict.fromkeys(versions, dict.fromkeys(DAYS, "was not compared"))
    serve(engine, places, plain, DAYS[0])
    serve(engine, places, plain, DAYS[1], "padding_side")
    for day in DAYS:
        compared(engine, places, day)
    found = problems(versions)
    assert found["sequence:earlier"] == {}
    assert list(found["sequence:similar"]) == [DAYS[1]]
    assert "padding_side in 100.00% of the traces: 50.00% are allowed" in found["sequence:similar"][DAYS[1]]
    assert problems({"sequence:similar": "older"})["sequence:similar"][DAYS[0]].startswith("has a record of version")
    assert set(problems({"sequence:unknown": "1"})["sequence:unknown"].values()) == {"has no record of it"}


def test_a_leak_is_never_tolerated() -> None:
    limits = DifferenceLimits(rate=1.0, causes={"tie_order": 0.2})
    assert limit_of(limits, "leaked_future") == limit_of(limits, "late_event_included") == 0.0
    assert limit_of(limits, "tie_order") == 0.2
    assert limit_of(limits, "unexplained") == 1.0
    for cause, said in (("leaked_future", "is a leak"), ("tie_orders", "there is no cause")):
        document = Document.model_validate({**DECLARED, "differences": {"causes": {cause: 0.1}}})
        with pytest.raises(InvalidInput, match=said):
            check_limits(document)


def test_what_the_online_side_was_not_asked_is_not_compared(truth: pa.Table) -> None:
    is_asked = np.random.default_rng(1).random(truth.num_rows) < 0.7
    traces = truth["trace_id"].to_pylist()
    first = traces[0]
    served = truth.filter(pa.array(is_asked & (np.array(traces) != first)))
    kept = what_was_asked(served, truth, every_request=False)
    expected = [
        trace != first and trace in set(served["trace_id"].to_pylist()) and (bool(asked) or stage != "final")
        for trace, stage, asked in zip(traces, truth["stage"].to_pylist(), is_asked, strict=True)
    ]
    assert kept.equals(truth.filter(pa.array(expected)))
    assert first in what_was_asked(served, truth, every_request=True)["trace_id"].to_pylist()


def test_parts_hold_every_trace_once_and_memory_does_not_grow_with_the_day(
    truth: pa.Table, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copies(times: int) -> tuple[Side, pa.Table]:
        names = truth["trace_id"].to_pylist()
        place = truth.column_names.index("trace_id")
        tables = [truth.set_column(place, "trace_id", pa.array([f"{name}-{copy}" for name in names])) for copy in range(times)]
        paths = [f"{times}/{number}.parquet" for number in range(times)]
        for path, table in zip(paths, tables, strict=True):
            storage.write(path, table.cast(STAGE_SCHEMA))
        return Side(storage, paths), pa.concat_tables(tables)

    count, parts = parts_of(*[copies(1)[0]] * 2)
    assert count == 1
    assert [(own.num_rows, other.num_rows) for own, other in parts] == [(truth.num_rows, truth.num_rows)]
    actions = pc.sum(pc.list_value_length(truth["event_id"])).as_py()
    monkeypatch.setattr(spooling, "ACTIONS_AT_ONCE", actions)
    monkeypatch.setattr(spooling, "ACTIONS_OF_A_PIECE", actions // 4)
    peaks = {}
    for times in (3, 12):
        side, whole = copies(times)
        before, peaks[times], found = pa.total_allocated_bytes(), 0, []
        count, parts = parts_of(side, side)
        for own, other in parts:
            peaks[times] = max(peaks[times], pa.total_allocated_bytes() - before)
            assert own.equals(other)
            found.append((own.num_rows, set(own["trace_id"].to_pylist())))
        assert count == len(found) == 2 * times
        assert sum(rows for rows, _ in found) == whole.num_rows
        traces = [traces for _, traces in found]
        assert sum(map(len, traces)) == len(set().union(*traces)) == 12 * times
        del whole
    assert peaks[12] < 2 * peaks[3]


def pairs_of(feature: str, served: Sequence[float | None], offline: Sequence[float | None], state: str = "compared") -> pa.Table:
    rows = [
        {
            "event_id": f"t{number}/i1",
            "feature": feature,
            "state": state,
            "served": own,
            "offline": other,
            "differs": own != other,
            "defaulted": False,
        }
        for number, (own, other) in enumerate(zip(served, offline, strict=True))
    ]
    return pa.Table.from_pylist(rows, PAIRS)


@pytest.mark.parametrize(
    ("served", "offline", "causes"),
    [
        ([100.0, 250.0, 3.0], [1.0, 2.5, 3.0], ["unit_slip", "unit_slip", ""]),
        ([None, 2.0], [0.0, 2.0], ["null_against_default", ""]),
        ([0.0, 2.0], [5.0, 2.0], ["default_instead_of_value", ""]),
        ([float(np.float32(0.1)), 0.5], [0.1, 0.5], ["float_width", ""]),
        ([7.0, 8.0], [5.0, 9.0], ["unexplained", "unexplained"]),
    ],
)
def test_scalar_features_have_causes_of_the_same_families(
    shop: Histories, served: list[Any], offline: list[Any], causes: list[str]
) -> None:
    definitions: Definitions = shop.definitions
    feature = definitions.features["clicks_30d"]
    assert causes_of(pairs_of(feature.name, served, offline), feature, definitions) == causes
    assert causes_of(pairs_of(feature.name, served, offline, "missing"), feature, definitions) == ["feature_missing"] * len(served)
    assert causes_of(pairs_of(feature.name, served, offline, "foreign"), feature, definitions) == ["definition_version"] * len(served)


def test_what_is_left_of_a_feature_is_told_beside_the_sequences_of_its_traces(shop: Histories) -> None:
    pairs = pairs_of("clicks_30d", [7.0, 8.0, 1.0], [5.0, 9.0, 1.0])
    (found,) = feature_figures(pairs, shop.definitions, {"t0": ("missing_at_head",), "t2": ("tie_order",)})
    assert (found.rows, found.differing) == (3, 2)
    assert found.causes == {"unexplained": 2}
    assert found.together_with == {"missing_at_head": 1}
