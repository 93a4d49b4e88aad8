"""A model that is updated day by day, one that is trained anew each day, and one that learns in one pass; see `models.py`."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.incremental import compare_updates
from srp_assets.models.deep.training.online import OnlineLearner
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training
from srp_assets.models.measures import auc
from srp_assets.samples.ranking.responses import visit
from srp_assets.samples.ranking.world import CATEGORIES, DEVICES, FIRST_DAY, MARKETS, NOBODY, RankingWorld

if TYPE_CHECKING:
    from models import Bench

EVENTS, QUICK_EVENTS = 1_500_000, 60_000
DAYS, BASE_DAYS = 14, 7
LABEL = "clicked"
FIELDS = ("user_id", "item_id", "category", "market", "device", "wanted_category")


def run(bench: "Bench") -> None:
    """A row for each day after the base, and one for the pass in the order of events."""
    folder = bench.cells / ("days-quick" if bench.quick else "days")
    if not (folder / f"{DAYS - 1:02}.parquet").is_file():
        write(folder, QUICK_EVENTS if bench.quick else EVENTS)
    days = {FIRST_DAY + timedelta(days=day): RowFiles([f"{folder}/{day:02}.parquet"]) for day in range(DAYS)}
    last = FIRST_DAY + timedelta(days=BASE_DAYS + 1)
    shown = {day: files for day, files in days.items() if not bench.quick or day <= last}
    rows: list[dict[str, Any]] = []

    def compared() -> list[dict[str, Any]]:
        if not rows:
            rows.extend(one.as_row(LABEL) for one in compare_updates(document("deepfm"), shown, BASE_DAYS))
        return rows

    for place in range(len(shown) - BASE_DAYS):
        bench.cell("updates", f"day {BASE_DAYS + place}", lambda at=place: compared()[at])
    bench.cell("updates", "one pass", lambda: one_pass(list(days.values())))


def one_pass(days: list[RowFiles]) -> dict[str, Any]:
    """A factorization machine of the base days that learns the others event by event, judged before it learns."""
    base = Training(document("fm"), together(days[:BASE_DAYS])).run()
    ranker = DeepRanker(document("fm"), base.encoder, base.model)
    learned = OnlineLearner(ranker).learn(together(days[BASE_DAYS:-1]))
    last = pq.read_table(days[-1].paths[0])
    labels = last[LABEL].to_numpy()
    return {
        "day": "last",
        "updated_auc": auc(labels, learned.ranker.score(last)[LABEL]),
        "stale_auc": auc(labels, ranker.score(last)[LABEL]),
        "windows": len(learned.windows),
        "kept_windows": sum(window.good for window in learned.windows),
    }


def together(days: list[RowFiles]) -> RowFiles:
    """The rows of several days."""
    return RowFiles([path for one in days for path in one.paths])


def document(kind: str) -> Any:
    """The models that are updated; ids are hashed, so that new ones have rows."""
    ids = [{"encode": "hash", "feature": name, "space": 50_000} for name in FIELDS]
    written = {
        "kind": "model",
        "name": "updated",
        "version": "1.0.0",
        "owner": "Benchmarks",
        "description": "A model of clicks that lives on.",
        "labels": {LABEL: 1.0},
        "groups": {"ids": ids},
        "bias": {"inputs": [{"encode": "hash", "feature": "position", "space": 100}]},
        "dimension": 8,
        "architecture": {"kind": "deepfm", "hidden": [64, 32]} if kind == "deepfm" else {"kind": kind},
        "training": {"epochs": 1, "batch_rows": 1024, "learning_rate": 0.002},
        "online": {} if kind == "fm" else None,
    }
    return model_of(written, where="updated")


def write(folder: Path, events: int) -> None:
    """The impressions of the sample world's shop, a file for each day."""
    folder.mkdir(parents=True, exist_ok=True)
    world = RankingWorld(events, seed=6, days=DAYS)
    happened = visit(world, 0, world.visits)
    requests, shown, items = happened.requests, happened.impressions, world.items
    clicked = np.zeros(len(shown.numbers), dtype=bool)
    clicked[happened.clicks.impression] = True
    ordered = np.zeros(len(clicked), dtype=bool)
    ordered[happened.orders.impression] = True
    of_request = pa.array(shown.request)

    def texts(names: Any, codes: np.ndarray) -> pa.Array:
        return pa.array(names).take(pa.array(np.where(codes < 0, 0, codes), mask=codes < 0))

    users = pa.array([None if user == NOBODY else f"u{user}" for user in requests.user.tolist()], pa.string())
    table = pa.table(
        {
            "user_id": users.take(of_request),
            "item_id": pa.array([f"i{number}" for number in items.numbers]).take(pa.array(shown.item)),
            "category": texts(CATEGORIES, items.category[shown.item]),
            "market": texts(MARKETS, requests.market).take(of_request),
            "device": texts(DEVICES, requests.device).take(of_request),
            "wanted_category": texts(CATEGORIES, requests.query_category).take(of_request),
            "position": pa.array(shown.position, pa.int64()),
            "event_time": pa.array(shown.time, pa.timestamp("us", tz="UTC")),
            "event_id": pc.cast(pa.array(shown.numbers), pa.string()),
            LABEL: pa.array(clicked),
            "order": pa.array(ordered),
        }
    )
    day = (shown.time - world.start) // 86_400_000_000
    for number in range(DAYS):
        pq.write_table(table.filter(pa.array(day == number)), folder / f"{number:02}.parquet", row_group_size=65_536)
