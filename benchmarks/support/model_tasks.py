"""Orders, which are few: click and order learned together over all impressions, against separate models; see `models.py`.

- `esmm`: P(click) P(order after a click), both learned over all impressions, on the same embeddings.
- `impressions`: one model of orders over all impressions.
- `clicks`: a model of clicks over impressions times one of orders over clicked rows alone, as they are shown to users who click.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from support.model_updates import BASE_DAYS, DAYS, EVENTS, FIELDS, LABEL, QUICK_EVENTS, write
from support.report import Bar

from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training
from srp_assets.models.measures import auc, log_loss

if TYPE_CHECKING:
    from models import Bench

ORDER = "order"
SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1,)


def run(bench: "Bench") -> None:
    """A row for each way and seed, and the differences of the means as bars."""
    folder = bench.cells / ("days-quick" if bench.quick else "days")
    if not (folder / f"{DAYS - 1:02}.parquet").is_file():
        write(folder, QUICK_EVENTS if bench.quick else EVENTS)
    aucs: dict[str, list[float]] = {}
    for seed in QUICK_SEEDS if bench.quick else SEEDS:
        for way in ("esmm", "impressions", "clicks"):
            row = bench.cell("tasks", f"{way}-{seed}", lambda how=way, one=seed: measured(folder, how, one))
            aucs.setdefault(way, []).append(row["order_auc"])
    for way in ("impressions", "clicks"):
        difference = float(np.mean(aucs["esmm"]) - np.mean(aucs[way]))
        bench.bars.append(Bar(f"orders: AUC of esmm minus that of separate models ({way})", difference, 0.0, ">="))


def measured(folder: Path, way: str, seed: int) -> dict[str, Any]:
    """Trains on the base days and looks at orders of the days after."""
    files = RowFiles([f"{folder}/{day:02}.parquet" for day in range(BASE_DAYS)])
    test = pq.ParquetDataset([f"{folder}/{day:02}.parquet" for day in range(BASE_DAYS, DAYS)]).read()
    if way == "esmm":
        found = trained({LABEL: 1.0, ORDER: 1.0}, "esmm", files, seed).score(test)[ORDER]
    elif way == "impressions":
        found = trained({ORDER: 1.0}, "custom", files, seed).score(test)[ORDER]
    else:
        clicked = folder / "clicked.parquet"
        rows = pq.ParquetDataset(list(files.paths)).read()
        pq.write_table(rows.filter(pc.field(LABEL)), clicked)
        after = trained({ORDER: 1.0}, "custom", RowFiles([str(clicked)]), seed).score(test)[ORDER]
        found = trained({LABEL: 1.0}, "custom", files, seed).score(test)[LABEL] * after
    orders = test[ORDER].to_numpy()
    return {
        "way": way,
        "seed": seed,
        "order_auc": auc(orders, found),
        "order_log_loss": log_loss(orders, found),
        "orders": int(orders.sum()),
    }


def trained(labels: dict[str, float], kind: str, files: RowFiles, seed: int) -> DeepRanker:
    """A perceptron on embeddings, or the two of ESMM."""
    hidden = {"hidden": [64, 32]}
    architecture = {"kind": "esmm", **hidden} if kind == "esmm" else {"kind": "custom", "parts": [{"layer": "mlp", **hidden}]}
    written = {
        "kind": "model",
        "name": "orders",
        "version": "1.0.0",
        "owner": "Benchmarks",
        "description": "A model of orders.",
        "labels": labels,
        "groups": {"ids": [{"encode": "hash", "feature": name, "space": 50_000} for name in FIELDS]},
        "dimension": 8,
        "architecture": architecture,
        "training": {"epochs": 2, "batch_rows": 1024, "learning_rate": 0.001, "seed": seed},
    }
    document = model_of(written, where="orders")
    found = Training(document, files).run()
    return DeepRanker(document, found.encoder, found.model)
