"""Trains DeepFM on the files of a folder for one epoch; run in a process of its own, for its memory.

    python own_streaming.py FOLDER THREADS

Prints one line of JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Training

IDS = {"user_id": 1_000_000, "item_id": 200_000, "query": 20_000, "category": 200, "market": 8, "device": 3, "page": 5, "location": 50}
NUMBERS = 20
"""How many different ids there are of each kind, and how many numbers a row has."""


def document() -> ModelDocument:
    """The model that is trained."""
    ids = [{"encode": "hash", "feature": name, "space": min(10 * size, 1_000_000)} for name, size in IDS.items()]
    numbers = [{"encode": "number", "feature": f"number_{place}"} for place in range(NUMBERS)]
    written = {
        "kind": "model",
        "name": "streamed",
        "version": "1.0.0",
        "owner": "Benchmarks",
        "description": "DeepFM over ids and numbers.",
        "labels": {"clicked": 1.0},
        "groups": {"ids": ids, "numbers": numbers},
        "architecture": {"kind": "deepfm"},
        "training": {"epochs": 1, "batch_rows": 4096},
    }
    return model_of(written, where="streamed")


def main() -> None:
    """Trains on the files of a folder, and tells what it took."""
    folder, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    begun = time.perf_counter()
    files = RowFiles([str(path) for path in sorted(Path(folder).glob("*.parquet"))])
    training = Training(document(), files)
    first: list[float] = []
    step = training.step

    def timed(*arguments: Any) -> torch.Tensor:
        first.append(time.perf_counter() - begun) if not first else None
        return step(*arguments)

    training.step = timed  # type: ignore[method-assign]
    trained = training.run()
    found = {
        "rows": trained.rows,
        "rows_per_second": trained.rows / trained.seconds,
        "first_batch_seconds": first[0],
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
