"""Daily updates and learning in one pass: what they learn, what makes them fall back, and to what."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.incremental import compare_updates, update
from srp_assets.models.deep.training.online import OnlineLearner, in_event_order
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training

ROWS = 3000
DAYS = 6


def document_of(kind: str = "fm", **online: Any) -> ModelDocument:
    written: dict[str, Any] = {
        "kind": "model",
        "name": "drifting",
        "version": "1.0.0",
        "owner": "tests",
        "description": "clicks that follow items whose worth changes",
        "labels": {"clicked": 1.0},
        "groups": {"all": [{"encode": "hash", "feature": "item_id", "space": 500}, {"encode": "hash", "feature": "user_id", "space": 500}]},
        "dimension": 4,
        "architecture": {"kind": kind},
        "training": {"batch_rows": 128, "epochs": 3, "learning_rate": 0.05},
    }
    if online or kind in ("lr", "fm"):
        written["online"] = {"batch_rows": 64, "window_rows": 500, "learning_rate": 0.05, **online}
    return model_of(written, where="test")


def day_of(day: int, *, drift: float = 0.0) -> pa.Table:
    """Clicks that depend on the item alone; its worth moves with the day by `drift`."""
    random = np.random.default_rng(day + 10)
    items = random.integers(0, 40, ROWS)
    worth = np.random.default_rng(0).normal(size=40) * 1.5 + drift * day * np.random.default_rng(1).normal(size=40)
    clicked = random.random(ROWS) < 1 / (1 + np.exp(-worth[items]))
    times = day * 86_400_000_000 + random.permutation(ROWS) // 2
    return pa.table(
        {
            "item_id": [f"i{item}" for item in items],
            "user_id": [f"u{user}" for user in random.integers(0, 200, ROWS)],
            "event_time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "event_id": [f"e{number:05}" for number in random.permutation(ROWS)],
            "clicked": clicked,
        }
    )


def files_of(folder: Path, day: int, **how: Any) -> RowFiles:
    path = folder / f"{day}.parquet"
    pq.write_table(day_of(day, **how), path, row_group_size=1000)
    return RowFiles([str(path)])


def trained(document: ModelDocument, files: RowFiles) -> DeepRanker:
    found = Training(document, files).run()
    return DeepRanker(document, found.encoder, found.model)


def auc_on(ranker: DeepRanker, table: pa.Table) -> float:
    from srp_assets.models.measures import auc

    return auc(table["clicked"].to_numpy(), ranker.score(table)["clicked"])


def test_an_update_goes_on_from_the_model_and_leaves_it_alone(tmp_path: Path) -> None:
    base = trained(document_of(), files_of(tmp_path, 0))
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    later = update(base, files_of(tmp_path, 1))
    assert all(torch.equal(before[name], value) for name, value in base.model.state_dict().items())
    assert later.document == base.document
    assert auc_on(later, day_of(2)) > auc_on(base, day_of(2)) - 0.01
    assert not np.array_equal(later.score(day_of(2))["clicked"], base.score(day_of(2))["clicked"])


def test_where_the_world_moves_updates_stay_near_full_training_and_the_base_does_not(tmp_path: Path) -> None:
    days = {date(2024, 1, 1 + day): files_of(tmp_path, day, drift=0.5) for day in range(DAYS)}
    found = compare_updates(document_of(), days, 2, window_days=3)
    assert [one.day for one in found] == sorted(days)[2:]
    rows = [one.as_row("clicked") for one in found]
    # On the first day after the base all three know the same days.
    assert rows[0]["updated_auc"] == rows[0]["stale_auc"] == rows[0]["full_auc"]
    last = rows[-1]
    assert last["updated_auc"] > last["full_auc"] - 0.02
    assert last["updated_auc"] > last["stale_auc"] + 0.05
    assert found[-1].update_seconds < found[-1].full_seconds
    with pytest.raises(InvalidInput, match="cannot be split"):
        compare_updates(document_of(), days, DAYS)


@pytest.mark.parametrize("kind", ["lr", "fm"])
def test_one_pass_learns_in_the_order_of_events(kind: str, tmp_path: Path) -> None:
    document = document_of(kind)
    base = trained(document, files_of(tmp_path, 0, drift=1.0))
    later = RowFiles([path for day in (1, 2, 3) for path in files_of(tmp_path, day, drift=1.0).paths])
    found = OnlineLearner(base).learn(later)
    assert all(window.good for window in found.windows)
    assert sum(window.rows for window in found.windows) == 3 * ROWS
    assert not found.gave_up
    assert auc_on(found.ranker, day_of(3, drift=1.0)) > auc_on(base, day_of(3, drift=1.0)) + 0.05
    # Where the world moves, standing still costs.
    assert sum(window.loss for window in found.windows) < sum(window.still_loss for window in found.windows)


def test_rows_are_sorted_by_time_and_then_by_id(tmp_path: Path) -> None:
    files = files_of(tmp_path, 0)
    training = Training(document_of(), files)
    rows = in_event_order(files, training)
    table = day_of(0)
    order = sorted(range(ROWS), key=lambda place: (table["event_time"][place].as_py(), table["event_id"][place].as_py()))
    assert np.array_equal(rows.labels[:, 0], table["clicked"].to_numpy()[order])


def test_a_learner_that_diverges_falls_back_and_gives_up(tmp_path: Path) -> None:
    base = trained(document_of(learning_rate=500.0, retries=2), files_of(tmp_path, 0))
    found = OnlineLearner(base).learn(files_of(tmp_path, 1))
    assert [window.good for window in found.windows] == [False] * 3
    assert [window.learning_rate for window in found.windows] == [500, 250, 125]
    assert all(window.loss > window.still_loss for window in found.windows)
    assert found.gave_up
    assert np.array_equal(found.ranker.score(day_of(4))["clicked"], base.score(day_of(4))["clicked"])


def test_a_learner_that_fell_back_far_enough_goes_on(tmp_path: Path) -> None:
    base = trained(document_of(learning_rate=64.0, retries=20, tolerance=0.05), files_of(tmp_path, 0, drift=1.0))
    later = RowFiles([path for day in (1, 2, 3, 4) for path in files_of(tmp_path, day, drift=1.0).paths])
    found = OnlineLearner(base).learn(later)
    goods = [window.good for window in found.windows]
    assert not goods[0]
    assert goods[-1]
    assert not found.gave_up
    rates = [window.learning_rate for window in found.windows]
    assert all(after == (before if good else before / 2) for before, after, good in zip(rates, rates[1:], goods, strict=False))
    assert auc_on(found.ranker, day_of(4, drift=1.0)) > auc_on(base, day_of(4, drift=1.0)) + 0.05


def test_weights_that_are_no_numbers_are_never_kept(tmp_path: Path) -> None:
    base = trained(document_of(learning_rate=1e38), files_of(tmp_path, 0))
    found = OnlineLearner(base).learn(files_of(tmp_path, 1))
    assert found.gave_up
    assert not any(window.good for window in found.windows)
    assert np.array_equal(found.ranker.score(day_of(2))["clicked"], base.score(day_of(2))["clicked"])


def test_a_model_that_does_not_say_how_does_not_learn_online(tmp_path: Path) -> None:
    document = document_of().model_copy(update={"online": None})
    ranker = trained(document, files_of(tmp_path, 0))
    with pytest.raises(InvalidInput, match="no section `online`"):
        OnlineLearner(ranker)
    with pytest.raises(InvalidInput, match="deepfm does not learn online"):
        document_of("deepfm", batch_rows=3)
