"""Forecasts of seconds, what changed between versions, and folders for scratch: small pure things."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from srp_assets.recall.difference.changes import Change, changes
from srp_assets.recall.estimate.forecast import FIXED_SECONDS, ROWS_PER_SECOND, forecast_seconds
from srp_assets.recall.registry_estimates import Measured
from srp_assets.recall.scratch import SCRATCH_FOLDER, scratch_folder
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, ResolvedStrategy, Rule
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ResolvedList

TEXT = Feature(name="text", kind="text", type="string", parts=("text",))
LIKES = Rule(feature=Feature(name="like_count", kind="metric", type="int64", parts=("like_count",)), match=">=", value=10)
NAMED = Rule(feature=TEXT, match="contains", value="gift")


def test_before_any_batch_was_measured_the_stated_default_holds() -> None:
    assert forecast_seconds(10 * ROWS_PER_SECOND, []) == FIXED_SECONDS + 10


@pytest.mark.parametrize("rows", [0, 1_000, 50_000_000])
def test_a_home_that_is_half_as_fast_takes_twice_as_long(rows: int) -> None:
    measured = [Measured(size, 2 * (FIXED_SECONDS + size / ROWS_PER_SECOND)) for size in (10_000, 200_000, 30_000_000)]
    odd = Measured(1_000, 900.0)
    alone = forecast_seconds(rows, [])
    assert forecast_seconds(rows, measured) == pytest.approx(2 * alone, abs=0.1)
    assert forecast_seconds(rows, [*measured, measured[0], odd]) == pytest.approx(2 * alone, abs=0.1)


def strategy(post: Node | None = None, *, words: tuple[str, ...] = ("gift",), version: int = 1, recall: str = "post") -> ResolvedStrategy:
    """A strategy on posts and their comments, which match a list."""
    matches = Rule(feature=TEXT, match="matches", value=f"bait@{version}")
    bait = ResolvedList(id="bait", version=version, words=words)
    return ResolvedStrategy(
        id="s", version=version, products="*", recall=recall, objects={"post": post, "comment": matches}, lists={f"bait@{version}": bait}
    )


def test_rules_and_words_that_came_or_went_are_named() -> None:
    old, new = strategy(LIKES, words=("gift", "prize")), strategy(NAMED, words=("prize", "bonus"), version=2)
    assert changes(old, new) == [
        Change("rule", "post", "like_count >= 10", None),
        Change("rule", "post", None, "text contains gift"),
        Change("word", "bait", "gift", None),
        Change("word", "bait", None, "bonus"),
    ]


def test_the_same_rules_put_together_otherwise_are_a_change_and_in_another_order_none() -> None:
    both, either = AllOf(all=(LIKES, NAMED)), AnyOf(any=(LIKES, NAMED))
    assert [change.what for change in changes(strategy(both), strategy(either))] == ["logic"]
    assert changes(strategy(both), strategy(AllOf(all=(NAMED, LIKES)))) == []


def test_another_recalled_object_and_other_objects_are_changes() -> None:
    new = strategy(LIKES, recall="comment").model_copy(update={"objects": {"comment": None}, "lists": {}})
    assert [(change.what, change.where, change.old, change.new) for change in changes(strategy(LIKES), new)] == [
        ("recall", "strategy", "post", "comment"),
        ("object", "post", "with rules", None),
        ("rule", "comment", "text matches bait", None),
    ]


def test_a_list_that_changed_otherwise_than_in_its_words_is_a_change() -> None:
    old, new = strategy(), strategy(version=2)
    exact = {"bait@2": new.lists["bait@2"].model_copy(update={"case_sensitive": True})}
    assert changes(old, new.model_copy(update={"lists": exact})) == [Change("list", "bait", "version 1", "version 2")]


def test_scratch_goes_with_its_work_and_what_a_dead_process_left_goes_a_day_later(tmp_path: Path) -> None:
    storage, now = Storage(str(tmp_path)), datetime(2026, 3, 2, 12, tzinfo=UTC)
    for name in ("20260301-115959-aaaa", "20260302-110000-bbbb"):
        (tmp_path / SCRATCH_FOLDER / name).mkdir(parents=True)
    with scratch_folder(storage, now=now) as folder:
        (tmp_path / folder).mkdir()
        assert storage.folders(SCRATCH_FOLDER) == ["20260302-110000-bbbb", folder.rpartition("/")[2]]
    assert storage.folders(SCRATCH_FOLDER) == ["20260302-110000-bbbb"]


def test_scratch_goes_with_work_that_fails(tmp_path: Path) -> None:
    storage, now = Storage(str(tmp_path)), datetime(2026, 3, 2, 12, tzinfo=UTC)

    def fail() -> None:
        with scratch_folder(storage, now=now) as folder:
            (tmp_path / folder).mkdir(parents=True)
            raise RuntimeError("in the work")

    with pytest.raises(RuntimeError, match="in the work"):
        fail()
    assert storage.folders(SCRATCH_FOLDER) == []
