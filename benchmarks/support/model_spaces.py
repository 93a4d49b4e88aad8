"""What the space that ids are hashed to costs and brings: AUC and size of a model; see `models.py`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from support.model_data import LABEL, shop

from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training
from srp_assets.models.measures import auc, log_loss

if TYPE_CHECKING:
    from models import Bench

EVENTS, QUICK_EVENTS = 700_000, 60_000
SPACES, QUICK_SPACES = (30, 100, 300, 1_000, 3_000, 10_000, 100_000), (30, 1_000)
HASHED = ("user_id", "item_id", "query")
OTHERS = ("category", "item_market", "market", "device", "position", "price")


def run(bench: "Bench") -> None:
    """A row for each space, and one for a vocabulary, which has no collisions."""
    folder = bench.cells / ("shop-quick" if bench.quick else "shop")
    if not (folder / "fields.json").is_file():
        shop(folder, QUICK_EVENTS if bench.quick else EVENTS)
    for space in (*(QUICK_SPACES if bench.quick else SPACES), None):
        bench.cell("spaces", f"{space or 'vocabulary'}", lambda wanted=space: measured(folder, wanted, 1 if bench.quick else 3))


def measured(folder: Path, space: int | None, epochs: int) -> dict[str, Any]:
    """Trains DeepFM with ids hashed to a space."""
    hashed = [
        {"encode": "hash", "feature": name, "space": space} if space else {"encode": "vocabulary", "feature": name} for name in HASHED
    ]
    others = [{"encode": "vocabulary", "feature": name} for name in OTHERS]
    written = {
        "kind": "model",
        "name": "spaces",
        "version": "1.0.0",
        "owner": "Benchmarks",
        "description": "DeepFM with ids hashed to a space.",
        "labels": {LABEL: 1.0},
        "groups": {"hashed": hashed, "others": others},
        "dimension": 8,
        "architecture": {"kind": "deepfm", "hidden": [64, 32]},
        "training": {"epochs": epochs, "batch_rows": 4096, "fit_rows": 2**31},
    }
    document = model_of(written, where="spaces")
    files = {part: RowFiles([f"{folder}/{part}.parquet"]) for part in ("train", "valid")}
    trained = Training(document, files["train"], files["valid"]).run()
    test = pq.read_table(f"{folder}/test.parquet")
    scores = DeepRanker(document, trained.encoder, trained.model).score(test)[LABEL]
    labels = test[LABEL].to_numpy()
    return {
        "space": space or "vocabulary",
        "auc": auc(labels, scores),
        "log_loss": log_loss(labels, scores),
        "embedding_rows": trained.encoder.inputs.layout.rows,
        "megabytes": sum(value.numel() * value.element_size() for value in trained.model.state_dict().values()) / 2**20,
    }
