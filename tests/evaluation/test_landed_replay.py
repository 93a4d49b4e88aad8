"""Models are replayed on what landed: candidates of each place as they were logged, features as they were served."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.comparing import VersionedRanker
from srp_assets.evaluation.gate.evidence import ModelVersion
from srp_assets.evaluation.replay.candidates import BATCH_ROWS, Candidates, candidates_of, served_batches, served_candidates
from srp_assets.evaluation.replay.model_policies import PolicyOptions, digest_of, replay_models
from srp_assets.evaluation.replay.replaying import ReplayOptions
from srp_assets.evaluation.replay.served_values import served_columns
from srp_assets.logs.registry import LandedFiles
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.gbdt import train_gbdt
from srp_assets.training.schema import FEATURE_TYPES
from srp_assets.warehouse.storage import Storage
from support.training_sets import SCHEMA, set_table, written_sets

NOW = datetime(2024, 3, 9, tzinfo=UTC)
MAPS = {"values": pa.float64(), "texts": pa.string(), "lists": pa.string(), "propensities": pa.float64()}

Row = dict[str, Any]


def served_row(trace: str, item: str, places: Mapping[int, float] | None, **more: Any) -> Row:
    return {
        "event_id": f"{trace}/{item}",
        "event_time": NOW,
        "landed_at": NOW,
        "trace_id": trace,
        "item_id": item,
        "definition_version": "d1",
        "propensities": None if places is None else {str(place): chance for place, chance in places.items()},
        **more,
    }


def shown_row(trace: str, item: str, position: int, *, clicked: bool | None = False, propensity: float | None = None) -> Row:
    return {"trace_id": trace, "item_id": item, "position": position, "propensity": propensity, "clicked": clicked}


def landed(storage: Storage, rows: list[Row], name: str = "served") -> LandedFiles:
    """Writes served rows as a landed file."""
    columns: dict[str, Any] = {}
    for column in dict.fromkeys(column for row in rows for column in row):
        values = [row.get(column) for row in rows]
        if column in MAPS:
            columns[column] = pa.array(
                [None if value is None else list(value.items()) for value in values], pa.map_(pa.string(), MAPS[column])
            )
        else:
            columns[column] = pa.array(values)
    storage.write(f"{name}.parquet", pa.table(columns))
    return LandedFiles((f"{name}.parquet",))


SHOWN_SCHEMA = pa.schema(
    [("trace_id", pa.string()), ("item_id", pa.string()), ("position", pa.int64()), ("propensity", pa.float64()), ("clicked", pa.bool_())]
)


def shown_table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist(rows, SHOWN_SCHEMA)


def told(found: Candidates | None) -> list[tuple[int, float, list[float]]]:
    """Position, reward and the chances of each place, the shown one first."""
    assert found is not None
    places = []
    for place in range(found.places):
        slots = np.flatnonzero(found.place == place).tolist()
        chances = [float(found.chance[slot]) for slot in sorted(slots, key=lambda slot: slot != found.shown[place])]
        places.append((int(found.position[place]), float(found.reward[place]), chances))
    return places


HALF = {1: 0.5}


@pytest.mark.parametrize(
    ("served", "shown", "explained"),
    [
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "a", 1, clicked=True)], 1, id="explained"),
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "c", 1)], 0, id="no candidate"),
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "a", 2)], 0, id="of another place"),
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", {1: 0.4})], [shown_row("t", "a", 1)], 0, id="one is missing"),
        pytest.param([served_row("t", "a", {1: 0.0}), served_row("t", "b", {1: 1.0})], [shown_row("t", "a", 1)], 0, id="impossible"),
        pytest.param(
            [served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "a", 1, propensity=0.6)], 0, id="says otherwise"
        ),
        pytest.param(
            [served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "a", 1, propensity=0.5)], 1, id="says the same"
        ),
        pytest.param([served_row("t", "a", {1: 0.25, 2: 1.0}), served_row("t", "b", {1: 0.75})],
                     [shown_row("t", "b", 1), shown_row("t", "a", 2)], 2, id="a candidate for two places"),
        pytest.param([served_row("t", "a", None), served_row("t", "b", None)], [shown_row("t", "a", 1)], 0, id="nobody says"),
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("u", "a", 1)], 0, id="another request"),
        pytest.param([served_row("t", "a", HALF), served_row("t", "b", HALF)], [shown_row("t", "a", 1, clicked=None)], 0, id="unknown"),
        pytest.param(
            [served_row("t", "a", HALF, definition_version="old"), served_row("t", "b", HALF)], [shown_row("t", "a", 1)], 0, id="versions"
        ),
    ],
)  # fmt: skip
def test_a_place_counts_where_both_logs_agree(tmp_path: Path, served: list[Row], shown: list[Row], explained: int) -> None:
    storage = Storage(str(tmp_path))
    found = candidates_of(served_candidates(storage, [landed(storage, served)], ["d1"]), shown_table(shown), "clicked", 10)
    assert (0 if found is None else found.places) == explained


def test_the_later_answer_counts_and_withdrawn_ones_do_not(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    later = {"event_time": NOW + timedelta(seconds=1), "event_id": "again"}
    rows = [
        served_row("t", "a", {1: 0.3}),
        served_row("t", "a", {1: 0.6}, **later),
        served_row("t", "b", {1: 0.4}),
        served_row("t", "b", {1: 0.9}, event_id="withdrawn", event_time=NOW + timedelta(seconds=2)),
    ]
    files = landed(storage, rows)
    storage.write("gone.parquet", pa.table({"event_id": ["withdrawn"], "landed_at": [NOW]}))
    found = candidates_of(
        served_candidates(storage, [LandedFiles(files.rows, ("gone.parquet",))], ["d1"]),
        shown_table([shown_row("t", "b", 1, clicked=True)]),
        "clicked",
        10,
    )
    assert told(found) == [(1, 1.0, [0.4, 0.6])]


def test_a_log_that_landed_before_it_knew_of_candidates_says_nothing(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    old = {name: value for name, value in served_row("t", "a", None).items() if name != "propensities"}
    shown = shown_table([shown_row("t", "a", 1)])
    assert candidates_of(served_candidates(storage, [landed(storage, [old])], ["d1"]), shown, "clicked", 10) is None
    assert candidates_of(served_candidates(storage, [], ["d1"]), shown, "clicked", 10) is None


@given(st.data())
def test_candidates_are_those_of_a_naive_look(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Requests with places that have candidates of their own; some places were never shown, some requests never served."""
    served, shown, expected = [], [], []
    for number in range(data.draw(st.integers(1, 5))):
        trace = f"t{data.draw(st.integers(0, 99))}-{number}"
        is_served = data.draw(st.booleans())
        for place in range(1, data.draw(st.integers(1, 3)) + 1):
            weights = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
            chances = [weight / sum(weights) for weight in weights]
            chosen = data.draw(st.integers(0, len(weights) - 1))
            clicked = data.draw(st.booleans())
            if is_served:
                served += [served_row(trace, f"i{place}-{slot}", {place: chance}) for slot, chance in enumerate(chances)]
            if data.draw(st.booleans()):
                shown.append(shown_row(trace, f"i{place}-{chosen}", place, clicked=clicked))
                if is_served:
                    others = [chance for slot, chance in enumerate(chances) if slot != chosen]
                    expected.append((trace, (place, float(clicked), [chances[chosen], *others])))
    storage = Storage(str(tmp_path_factory.mktemp("logs")))
    files = [landed(storage, data.draw(st.permutations(served)))] if served else []
    found = candidates_of(served_candidates(storage, files, ["d1"]), shown_table(data.draw(st.permutations(shown))), "clicked", 10)
    assert (found is None) == (not expected)
    if found is not None:
        assert [(place, reward, sorted(chances[1:])) for place, reward, chances in told(found)] == [
            (place, reward, sorted(chances[1:])) for _, (place, reward, chances) in sorted(expected, key=lambda pair: (pair[0], pair[1][0]))
        ]
        assert [chances[0] for *_, chances in told(found)] == [
            chances[0] for _, (_, _, chances) in sorted(expected, key=lambda pair: (pair[0], pair[1][0]))
        ]
        assert found.left_out == 0


def test_more_requests_than_asked_for_are_sampled_always_the_same(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    files = landed(storage, [served_row(f"t{number}", "a", {1: 1.0}) for number in range(50)])
    served = served_candidates(storage, [files], ["d1"])
    shown = [shown_row(f"t{number}", "a", 1) for number in range(50)]
    one, other = (candidates_of(served, shown_table(rows), "clicked", 20) for rows in (shown, shown[::-1]))
    assert one is not None
    assert other is not None
    assert one.places == 20
    assert digest_of(one) == digest_of(other)
    fewer = candidates_of(served, shown_table(shown), "clicked", 19)
    assert fewer is not None
    assert digest_of(fewer) != digest_of(one)


def test_served_values_are_what_a_training_set_has(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    seen = datetime(2024, 3, 8, 23, tzinfo=UTC)
    rows = [
        served_row(
            "t", "a", HALF, market="de", values={"quality": 0.5, "seen_at": seen.timestamp() * 1e6}, texts={"category": "b"},
            lists={"tags": '["y", "x"]'},
        ),
        served_row("t", "b", HALF, market=None, values={"quality": None, "noise": 2.0}, texts={"category": None}, lists={"tags": None}),
        served_row("t", "c", HALF, market="fr", values={}, texts={}, lists={}),
    ]  # fmt: skip
    files = landed(storage, rows)
    ((numbers, batch),) = served_batches(storage, [files], ["values", "texts", "lists", "market", "item_id"], np.array([2, 0, 1, 1]))
    assert numbers.tolist() == [0, 1, 2]
    found = served_columns(batch, {**SCHEMA.features, "market": "text", "item_id": "text"})
    assert found.schema.types == [FEATURE_TYPES[type_] for type_ in (*SCHEMA.features.values(), "text", "text")]
    assert found.to_pylist() == [
        {"quality": 0.5, "noise": None, "category": "b", "tags": ["y", "x"], "seen_at": seen, "market": "de", "item_id": "a"},
        {"quality": None, "noise": 2.0, "category": None, "tags": None, "seen_at": None, "market": None, "item_id": "b"},
        {"quality": None, "noise": None, "category": None, "tags": None, "seen_at": None, "market": "fr", "item_id": "c"},
    ]


def trained(features: list[str], number: str, tmp_path: Path) -> VersionedRanker:
    storage = Storage(str(tmp_path / f"sets-{number}"))
    days = written_sets(storage, {"2024-03-01": [set_table("2024-03-01", 2_000, seed=1)]})
    written = {
        "kind": "model", "name": "trees", "version": "1.0.0", "owner": "Tests", "description": "Trees on made rows.",
        "labels": {"clicked": 1.0}, "groups": {"all": features}, "architecture": {"kind": "gbdt", "rounds": 12, "leaves": 6},
    }  # fmt: skip
    version = ModelVersion(
        model="trees", version=number, semantic_version="1.0.0", features=dict.fromkeys(features, "v1"),
        training_first=date(2024, 3, 1), training_last=date(2024, 3, 1), training_data="made",
    )  # fmt: skip
    return VersionedRanker(version, train_gbdt(resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features), days, None))


def test_a_model_is_worth_what_its_choices_would_have_brought(tmp_path: Path) -> None:
    """Uniform logging over three candidates whose clicks follow from `quality`; the value is that of a naive loop over the places."""
    random, storage = np.random.default_rng(7), Storage(str(tmp_path))
    served, shown, pools = [], [], []
    for request in range(900):
        for place in (1, 2):
            quality = random.normal(size=3)
            chosen = int(random.integers(0, 3))
            clicked = bool(random.random() < 1 / (1 + np.exp(1 - 1.5 * quality[chosen])) / place)
            items = [f"i{place}-{slot}" for slot in range(3)]
            served += [
                served_row(f"t{request:04}", item, {place: 1 / 3}, values={"quality": own}, texts={"category": "b"}, lists={})
                for item, own in zip(items, quality, strict=True)
            ]
            shown.append(shown_row(f"t{request:04}", items[chosen], place, clicked=clicked, propensity=1 / 3))
            pools.append((quality, chosen, clicked))
    assert len(served) < BATCH_ROWS
    files = [landed(storage, served)]
    candidates = candidates_of(served_candidates(storage, files, ["d1"]), shown_table(shown), "clicked", 10_000)
    assert candidates is not None
    good, poor = trained(["quality", "category"], "2", tmp_path), trained(["noise", "category"], "1", tmp_path)
    policy, options = PolicyOptions(temperature=0.8, exploration=0.1), ReplayOptions(resamples=100)
    found = replay_models(storage, files, candidates, [good, poor], SCHEMA.features, policy, options, "clicked")
    assert found.digest == digest_of(candidates)
    # What the log does not have comes from elsewhere, by trace and item.
    asked: list[pa.Table] = []

    def elsewhere(rows: pa.Table) -> dict[str, pa.Array]:
        asked.append(rows)
        return {"quality": served_columns(rows, {"quality": "number"})["quality"].combine_chunks()}

    known = {name: type_ for name, type_ in SCHEMA.features.items() if name != "quality"}
    again = replay_models(storage, files, candidates, [good, poor], known, policy, options, "clicked", elsewhere)
    assert again.values == found.values
    assert all({"trace_id", "item_id"} <= set(rows.column_names) for rows in asked)
    with pytest.raises(InvalidInput, match="'quality' is missing"):
        replay_models(storage, files, candidates, [good, poor], known, policy, options, "clicked")
    quality = np.concatenate([own for own, _, _ in pools])
    rows = pa.table({"quality": quality, "category": ["b"] * len(quality)})
    scores = good.ranker.score(rows)["clicked"].reshape(-1, 3)
    total = 0.0
    for (_, chosen, clicked), own in zip(pools, scores, strict=True):
        preference = (own / (1 - own)) ** (1 / 0.8)
        total += (0.9 * preference[chosen] / preference.sum() + 0.1 / 3) * 3 * clicked
    assert found.values["ips"].normal.value == pytest.approx(total / 900)
    assert found.gains["dr"].bootstrap.low > 0
    assert found.champion_gains["dr"].bootstrap.low > 0
    # What is expected of each place on average is what came of it, and doubly robust estimates vary less.
    widths = {name: value.normal.high - value.normal.low for name, value in found.values.items()}
    assert widths["dr"] < widths["ips"]
    assert found.diagnostics.warnings == ()
