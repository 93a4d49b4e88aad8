"""Whole columns compared at once against rows compared one by one."""

from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.samples.ranking.sequences.histories import Histories
from srp_assets.samples.ranking.sequences.serving import served_stages
from srp_assets.sequences.differences.attributing import Background, CaseMaker, TraceRows
from srp_assets.sequences.differences.comparing import LABELS, broken_stage, compared_stages
from srp_assets.sequences.differences.conditions import AS_DECLARED
from srp_assets.sequences.differences.explaining import Alternative, reproduces
from srp_assets.sequences.differences.pooling import chosen
from srp_assets.sequences.differences.repeating import BANDS, repeats_of
from srp_assets.sequences.stages import KEYS, LISTS, STAGE_SCHEMA, STAGES

Row = dict[str, Any]


def broken(rows: list[Row], random: Random) -> list[Row]:
    """Rows with elements changed, taken away or doubled, rows left out, and another order of rows."""
    found = []
    for row in rows:
        copy = {name: list(value) if isinstance(value, list) else value for name, value in row.items()}
        place = random.randrange(len(copy["event_id"])) if copy["event_id"] else None
        what = random.random()
        if what < 0.1:
            continue
        if what < 0.2 and place is not None:
            for name in LISTS:
                del copy[name][place]
        elif what < 0.3 and place is not None:
            copy["price"][place] = random.choice((None, 1e9))
        elif what < 0.35 and place is not None:
            copy["price"][place] = (copy["price"][place] or 0.0) * (1 + 1e-12) if copy["price"][place] is not None else None
        elif what < 0.45 and place is not None:
            copy["item_id"][place] = "another"
        elif what < 0.5:
            copy["padding_side"] = "middle"
        found.append(copy)
    random.shuffle(found)
    return found


def same(one: Any, other: Any) -> bool:
    if isinstance(one, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    return bool(one == other)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rows_differ_where_they_differ_one_by_one(truth: pa.Table, seed: int) -> None:
    random = Random(seed)
    offline = truth.to_pylist()
    rows = broken(offline, random)
    served = pa.Table.from_pylist(rows, STAGE_SCHEMA)
    compared = compared_stages(served, truth)
    by_key = {tuple(row[name] for name in KEYS): row for row in rows}
    expected = {}
    for row in offline:
        key = tuple(row[name] for name in KEYS)
        expected[key] = key not in by_key or not all(same(row[name], by_key[key][name]) for name in (*LISTS, *LABELS))
    places = compared.offline
    assert (places >= 0).all()
    found = {
        tuple(offline[place][name] for name in KEYS): bool(differs)
        for place, differs in zip(places.tolist(), compared.differs, strict=True)
    }
    assert found == expected
    first: dict[str, int] = {}
    for key, differs in expected.items():
        if differs:
            first[key[0]] = min(STAGES.index(key[2]), first.get(key[0], 9))
    assert broken_stage(compared, served, truth) == {trace: STAGES[place] for trace, place in first.items()}


@pytest.mark.parametrize("seed", [4, 5])
def test_the_repeat_rate_counts_actions_and_positions(truth: pa.Table, seed: int) -> None:
    rows = broken(truth.to_pylist(), Random(seed))
    served = pa.Table.from_pylist(rows, STAGE_SCHEMA)
    found = repeats_of(served, truth, compared_stages(served, truth))
    by_key = {tuple(row[name] for name in KEYS): row["event_id"] for row in rows}
    for stage in STAGES:
        pairs = [(by_key.get(tuple(row[name] for name in KEYS), []), row["event_id"]) for row in truth.to_pylist() if row["stage"] == stage]
        assert found[stage].common == sum(len(set(own) & set(other)) for own, other in pairs)
        assert found[stage].all == sum(max(len(own), len(other)) for own, other in pairs)
        for place, (first, end) in enumerate(BANDS):
            both = [list(zip(own[first:end], other[first:end], strict=False)) for own, other in pairs]
            assert found[stage].same[place] == sum(one == other for pair in both for one, other in pair)
            assert found[stage].positions[place] == sum(max(len(own[first:end]), len(other[first:end])) for own, other in pairs)


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_what_hypotheses_make_again_is_what_the_flow_makes(seed: int) -> None:
    shop = Histories(seed=seed, users=12, requests=10)
    truth = served_stages(shop)
    background = Background(
        shop.document, shop.definitions, shop.actions, shop.versions, shop.vectors, shop.asked.select(["trace_id", "market"])
    )
    changed = truth.set_column(truth.column_names.index("length"), "length", pa.array(np.ones(truth.num_rows), pa.int32()))
    rows = TraceRows(changed, truth, compared_stages(changed, truth))
    contexts = {row["trace_id"]: row for row in background.requests.to_pylist()} if background.requests else {}
    cases = CaseMaker(rows, background, set(rows.differing_traces()), contexts).cases()
    assert len(cases) == 10
    for trace, (case, is_reproduced) in cases.items():
        assert is_reproduced, trace
        assert reproduces(case, case.served)


def test_traces_together_decide_what_one_cannot() -> None:
    def one(cause: str, cost: float, *span: float) -> Alternative:
        return Alternative((cause,), cost, {cause: (span[0], span[1])} if span else {}, AS_DECLARED)

    lost = {f"a{number}": [one("events_lost", 5.3)] for number in range(200)}
    ambiguous = {"b": [one("missing_at_head", 2.0, 1, 2), one("events_lost", 5.3)]}
    behind = {f"c{number}": [one("missing_at_head", 2.0, number, 30 + number), one("events_lost", 5.3)] for number in range(20)}
    assert chosen({**lost, **ambiguous})["b"].causes == ("events_lost",)
    assert chosen({**behind, **lost})["c3"].causes == ("missing_at_head",)
    assert chosen({"x": []}) == {}
