"""Trains one of SRP's deep models on the rows that other libraries are given; run in a process of its own, as those are.

    python own_training.py MODEL FOLDER SEED EPOCHS PATIENCE BATCH_ROWS THREADS PRECISION

Reading Parquet and encoding texts is timed with the training. Prints one line of JSON.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training
from srp_assets.models.measures import auc

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "deepfm": {"kind": "deepfm", "hidden": [256, 128]},
    "dcn": {"kind": "dcn", "hidden": [256, 128], "cross_layers": 3},
    "din": {"kind": "din", "hidden": [256, 128], "attention_hidden": [64, 16], "attention_activation": "dice"},
}


def document_of(model: str, fields: list[str], label: str, history: int, training: dict[str, Any]) -> ModelDocument:
    """The model that other libraries are given as well."""
    columns = [{"feature": f"history_{name}", "like": name} for name in ("item_id", "category")]
    return model_of(
        {
            "kind": "model",
            "name": model,
            "version": "1.0.0",
            "owner": "Benchmarks",
            "description": "The same model as in other libraries.",
            "labels": {label: 1.0},
            "groups": {"all": [{"encode": "vocabulary", "feature": name} for name in fields]},
            "sequences": [{"name": "history", "length": history, "columns": columns}] if model == "din" else [],
            "dimension": 16,
            "architecture": ARCHITECTURES[model],
            "training": training,
        },
        where=model,
    )


def main() -> None:
    """Trains, and tells what came of it."""
    model, folder, *numbers, precision = sys.argv[1:]
    seed, epochs, patience, batch_rows, threads = (int(number) for number in numbers)
    torch.set_num_threads(threads)
    described = json.loads((Path(folder) / "fields.json").read_text(encoding="utf-8"))
    settings = {"epochs": epochs, "patience": patience, "batch_rows": batch_rows, "seed": seed, "learning_rate": 0.001, "monitor": "auc"}
    settings |= {"fit_rows": 2**31, "precision": precision}
    document = document_of(model, list(described["fields"]), described["label"], described["history"], settings)
    files = {part: RowFiles([f"{folder}/{part}.parquet"]) for part in ("train", "valid")}
    trained = Training(document, files["train"], files["valid"]).run()
    test = pq.read_table(f"{folder}/test.parquet")
    scores = DeepRanker(document, trained.encoder, trained.model).score(test)[described["label"]]
    valid = [look.auc[described["label"]] for look in trained.looks]
    found = {
        "auc": auc(test[described["label"]].to_numpy(), scores),
        "valid_auc": max(valid),
        "best_epoch": valid.index(max(valid)) + 1,
        "epochs": len(valid),
        "rows_per_second": trained.rows / trained.seconds,
        "rows_per_processor_second": trained.rows / trained.processor_seconds,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
