"""Training on more rows than memory holds, from Parquet: memory at its highest and the time to the first batch; see `models.py`.

`own_streaming.py` trains, in a process of its own.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from support.own_streaming import IDS, NUMBERS
from support.report import Bar

if TYPE_CHECKING:
    from models import Bench

ROWS, QUICK_ROWS = 20_000_000, 400_000
FILE_ROWS, ROW_GROUP_ROWS = 1_000_000, 65_536
MOST_MEMORY_GB, LONGEST_FIRST_BATCH_SECONDS = 6.0, 10.0
THREADS = 2


def run(bench: "Bench") -> None:
    """One epoch of DeepFM over all rows."""
    rows = QUICK_ROWS if bench.quick else ROWS
    folder = bench.cells / f"stream-{rows}"

    def measured() -> dict[str, Any]:
        write(folder, rows)
        done = subprocess.run(
            [sys.executable, str(Path(__file__).parent / "own_streaming.py"), str(folder), str(THREADS)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return json.loads(done.stdout.splitlines()[-1])

    row = bench.cell("stream", "deepfm", measured)
    bench.bars.append(Bar("streamed training: peak memory, GB", row["gigabytes"], MOST_MEMORY_GB))
    bench.bars.append(Bar("streamed training: seconds to the first batch", row["first_batch_seconds"], LONGEST_FIRST_BATCH_SECONDS))


def write(folder: Path, rows: int) -> None:
    """Files of rows: ids by a power law, numbers some of which are missing, clicks that follow the item."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabularies = {name: pa.array([f"{name[0]}{number}" for number in range(size)]) for name, size in IDS.items()}
    worth = np.random.default_rng(0).normal(size=IDS["item_id"])
    for number in range(-(-rows // FILE_ROWS)):
        path = folder / f"{number:03}.parquet"
        if path.is_file():
            continue
        random, count = np.random.default_rng(number + 1), min(FILE_ROWS, rows - number * FILE_ROWS)
        codes = {name: (random.random(count) ** 2 * size).astype(np.int64) for name, size in IDS.items()}
        columns: dict[str, pa.Array] = {name: vocabularies[name].take(pa.array(codes[name])) for name in IDS}
        for place in range(NUMBERS):
            columns[f"number_{place}"] = pa.array(random.normal(size=count), mask=random.random(count) < 0.05)
        columns["clicked"] = pa.array(random.random(count) < 1 / (1 + np.exp(2 - worth[codes["item_id"]])))
        partial = path.with_suffix(".partial")
        pq.write_table(pa.table(columns), partial, row_group_size=ROW_GROUP_ROWS, compression="zstd")
        partial.replace(path)
