"""Each fault of the online side, alone and with another one, is found by its name; what no cause describes is said to be unexplained."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.samples.ranking.sequences.faults import FAULTS, sequence_fault
from srp_assets.samples.ranking.sequences.histories import Histories
from srp_assets.samples.ranking.sequences.serving import SequenceFault, served_stages, with_values
from srp_assets.sequences.differences.attributing import Background, compare
from srp_assets.sequences.differences.comparing import compared_stages
from srp_assets.sequences.differences.figures import day_figures, explained_traces
from srp_assets.sequences.differences.hypotheses.catalogue import CAUSES, LEAKS, UNEXPLAINED

Found = dict[str, set[str]]

DAY = "2024-03-20"

PAIRS = (
    ("double_counting", "truncated_history"), ("dropped_events", "unit_slip"), ("stale_partials", "attribute_changed"),
    ("tie_order", "hash_seed"), ("truncated_history", "session_boundary"), ("dropped_events", "wrong_user"),
    ("time_zone_slip", "float_width"), ("leaked_future", "padding_side"), ("filter_by_kind", "version_skew"),
)  # fmt: skip
"""Of different families, and some that look alike."""


def differing(served: pa.Table, offline: pa.Table) -> set[str]:
    compared = compared_stages(served, offline)
    own = served["trace_id"].take(pa.array(compared.served[compared.differs & (compared.served >= 0)])).to_pylist()
    other = offline["trace_id"].take(pa.array(compared.offline[compared.differs & (compared.offline >= 0)])).to_pylist()
    return {*own, *other}


def found_causes(served: pa.Table, offline: pa.Table, background: Background) -> Found:
    compared = compare(served, offline, background)
    return {own.trace_id: set(causes) - {UNEXPLAINED} for own, causes in explained_traces([compared])}


def served_with(shop: Histories, *names: str) -> pa.Table:
    return served_stages(shop, [sequence_fault(name) for name in names])


def precision_and_recall(expected: Found, found: Found) -> tuple[float, float]:
    right = sum(len(causes & found[trace]) for trace, causes in expected.items())
    return right / max(1, sum(map(len, found.values()))), right / max(1, sum(map(len, expected.values())))


def check_fault(shop: Histories, truth: pa.Table, background: Background, name: str) -> None:
    served = served_with(shop, name)
    traces = differing(served, truth)
    assert traces, "the fault shows nowhere"
    found = found_causes(served, truth, background)
    assert found.keys() == traces
    precision, recall = precision_and_recall(dict.fromkeys(traces, {sequence_fault(name).cause}), found)
    assert precision >= 0.95
    assert recall >= 0.95
    assert sum(not causes for causes in found.values()) < 0.01 * len(traces)


def effective(shop: Histories, truth: pa.Table, both: pa.Table, names: Sequence[str]) -> Found:
    """Which of two faults each trace has: it differs by the fault alone, and would be served otherwise without it."""
    expected: Found = {trace: set() for trace in differing(both, truth)}
    for name, other in (names, names[::-1]):
        alone, without = differing(served_with(shop, name), truth), differing(both, served_with(shop, other))
        for trace in alone & without & expected.keys():
            expected[trace].add(sequence_fault(name).cause)
    return expected


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_attributed_to_its_cause(shop: Histories, truth: pa.Table, background: Background, name: str) -> None:
    check_fault(shop, truth, background, name)


@pytest.mark.nightly
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_attributed_to_its_cause_in_another_and_larger_shop(name: str) -> None:
    shop = Histories(seed=20, requests=200)
    background = Background(
        shop.document, shop.definitions, shop.actions, shop.versions, shop.vectors, shop.asked.select(["trace_id", "market"])
    )
    check_fault(shop, served_stages(shop), background, name)


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_faults_at_once_are_told_apart(shop: Histories, truth: pa.Table, background: Background, names: tuple[str, str]) -> None:
    both = served_with(shop, *names)
    precision, recall = precision_and_recall(effective(shop, truth, both, names), found_causes(both, truth, background))
    assert precision >= 0.85
    assert recall >= 0.85


class PriceOfTheOneBefore(SequenceFault):
    """Every price is that of the action before it: nothing that a cause describes."""

    name: ClassVar[str] = "price_of_the_one_before"

    def shown(self, table: pa.Table) -> pa.Table:
        return with_values(table, "price", lambda values: pa.array(np.roll(values.to_pylist(), 1)))


def test_what_no_cause_describes_is_unexplained(shop: Histories, truth: pa.Table, background: Background) -> None:
    served = served_stages(shop, [PriceOfTheOneBefore()])
    compared = compare(served, truth, background)
    figures = day_figures(DAY, shop.document, [compared])
    assert figures.differing == len(differing(served, truth)) > 0.9 * figures.traces
    assert figures.explained == 0
    assert figures.share_explained == 0.0
    assert [cause.cause for cause in figures.causes] == [UNEXPLAINED]


def test_a_sound_side_differs_nowhere(shop: Histories, truth: pa.Table, background: Background) -> None:
    figures = day_figures(DAY, shop.document, [compare(served_with(shop), truth, background)])
    assert figures.differing == 0
    assert figures.causes == ()
    assert all(repeats.overlap == 1.0 for repeats in figures.repeats.values())


def test_a_leak_is_looked_at_however_few_traces_are_tried(shop: Histories, truth: pa.Table, background: Background) -> None:
    served = served_with(shop, "leaked_future", "unit_slip")
    found = {own.trace_id for own in compare(served, truth, background, 0).differences if own.tried}
    leaked = {
        row["trace_id"] for row in served.to_pylist() if any(time >= row["as_of"] for time in (*row["event_time"], *row["arrival_time"]))
    }
    assert found == leaked
    assert 0 < len(leaked) < shop.requests


def test_every_cause_has_a_fault_that_shows_it() -> None:
    shown = {fault.cause for fault in FAULTS.values()}
    assert CAUSES.keys() - shown == {"trace_missing_offline"}
    assert len(CAUSES) >= 25
    assert {"leaked_future", "late_event_included"} == LEAKS


def test_an_offline_side_that_the_log_does_not_give_explains_nothing(shop: Histories, truth: pa.Table, background: Background) -> None:
    """The same wrong offline side would fit some cause; nothing may be believed of it."""
    compared = compare(truth, served_with(shop, "unit_slip"), background)
    assert not any(own.reproduced for own in compared.differences)
    assert not any(own.alternatives for own in compared.differences)
