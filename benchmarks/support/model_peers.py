"""Deep models against the same models of other libraries: rows per second and AUC; see `models.py`."""

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from support.model_data import movielens, shop
from support.report import Bar

if TYPE_CHECKING:
    from models import Bench

MODELS = ("deepfm", "dcn", "din")
LIBRARIES = {"deepctr": ["deepctr-torch==0.3.0", "requests"], "fuxictr": ["fuxictr==2.3.10"]}
"""What each environment holds; DeepCTR-Torch imports requests without asking for it."""

OWN = {"srp": "float32", "srp-bfloat16": "bfloat16"}
"""The precision of the products of matrices in training; the other libraries have float32."""

SEEDS, QUICK_SEEDS = (1, 2, 3, 4, 5), (1,)
SHOP_EVENTS, QUICK_SHOP_EVENTS = 700_000, 60_000
BATCH_ROWS = {"movielens": 1024, "shop": 4096}
EPOCHS, QUICK_EPOCHS, PATIENCE = 15, 2, 2
THREADS = 1
"""Of each training, so that what else the machine does says little: several threads wait for the slowest one at every operation."""

FASTER, LEAST_DIFFERENCE = 2.0, -0.002
HERE = Path(__file__).parent


def run(bench: "Bench") -> None:
    """All cells, and the bars from their means."""
    data = {"movielens": bench.cells / "movielens", "shop": bench.cells / ("shop-quick" if bench.quick else "shop")}
    if not (data["movielens"] / "fields.json").is_file():
        movielens(data["movielens"])
    if not (data["shop"] / "fields.json").is_file():
        shop(data["shop"], QUICK_SHOP_EVENTS if bench.quick else SHOP_EVENTS)
    found: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    # Seed by seed, each library in turn: what slows the machine for a while slows all of them, and a stopped bench has whole seeds.
    for seed in QUICK_SEEDS if bench.quick else SEEDS:
        for name in ("movielens",) if bench.quick else data:
            for model in MODELS:
                for library in (*OWN, *LIBRARIES):
                    told = {"data": name, "model": model, "library": library, "seed": seed}
                    row = bench.cell("peers", f"{name}-{model}-{library}-{seed}", partial(train, bench, data[name], told))
                    found.setdefault((name, model), {}).setdefault(library, []).append(row)
    for (name, model), rows in found.items():
        compare(bench, f"{model} on {name}", rows)


def compare(bench: "Bench", what: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """The bars of a model: against each library the ratio of the median speeds, and the difference of the mean AUCs."""
    speed = {library: float(np.median([row["rows_per_second"] for row in rows])) for library, rows in found.items()}
    auc = {library: float(np.mean([row["auc"] for row in rows])) for library, rows in found.items()}
    for own in OWN:
        for library in LIBRARIES:
            bench.bars.append(Bar(f"{what}: rows per second of {own} against {library}", speed[own] / speed[library], FASTER, ">="))
            bench.bars.append(Bar(f"{what}: AUC of {own} minus that of {library}", auc[own] - auc[library], LEAST_DIFFERENCE, ">="))


def train(bench: "Bench", folder: Path, told: dict[str, Any]) -> dict[str, Any]:
    """Trains one model of one library, in a process of its own.

    Args:
        bench: what is measured.
        folder: of the rows.
        told: the data, model, library and seed.
    """
    data, model, library, seed = told.values()
    numbers = [seed, QUICK_EPOCHS if bench.quick else EPOCHS, PATIENCE, BATCH_ROWS[data], THREADS]
    arguments = [model, str(folder), *[str(number) for number in numbers]]
    if library in OWN:
        command = [sys.executable, str(HERE / "own_training.py"), *arguments, OWN[library]]
    else:
        command = [str(environment(bench, library)), str(HERE / "peer_training.py"), library, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{library} {model} on {data}: {done.stderr[-2000:]}")
    return {**told, **json.loads(done.stdout.splitlines()[-1])}


def environment(bench: "Bench", library: str) -> Path:
    """The Python of a virtual environment with a library, made if there is none yet."""
    folder = bench.cells / "environments" / library
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        # The same torch for all.
        packages = [*LIBRARIES[library], f"torch=={_torch_version()}"]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.write_text(f"{time.perf_counter() - begun:.0f} s\n", encoding="utf-8")
    return python


def _torch_version() -> str:
    from importlib.metadata import version

    return version("torch").split("+")[0]
