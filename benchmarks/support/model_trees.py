"""LightGBM on streamed training sets against plain LightGBM on a matrix, and scoring in Spark against `spark_udf`; for `models.py`.

Each training runs in a process of its own, for its memory. Plain LightGBM is given the matrix: reading it is not timed, reading the
training set is.
"""

import json
import os
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from support.report import Bar

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.training.reader import SetReader
from srp_assets.training.schema import ROW_GROUP_ROWS, TrainingSchema
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from models import Bench

FEATURES = 70
ROWS, QUICK_ROWS = 5_000_000, 200_000
DAYS = 10
ROUNDS, QUICK_ROUNDS = 100, 20
SCORED_ROWS, QUICK_SCORED_ROWS = 2_000_000, 100_000
LONGEST_RATIO = 1.1

NAMES = tuple(f"feature_{number}" for number in range(FEATURES))
SCHEMA = TrainingSchema((), dict.fromkeys(NAMES, "number"), dict.fromkeys(NAMES, "1"))


def document_of(rounds: int) -> ModelDocument:
    """The model that is trained, both ways."""
    written = {
        "kind": "model",
        "name": "trees",
        "version": "1.0.0",
        "owner": "Benchmarks",
        "description": "Trees over 70 numbers.",
        "labels": {"clicked": 1.0},
        "groups": {"all": list(NAMES)},
        "architecture": {"kind": "gbdt", "rounds": rounds, "feature_share": 1, "row_share": 1},
    }
    return resolve_inputs(ModelDocument.model_validate(written), SCHEMA.features)


def made_rows(rows: int, seed: int) -> dict[str, np.ndarray]:
    """Numbers as features are: counts, rates with few digits, prices with a long tail, some missing; a few decide about clicks."""
    random = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {}
    for number, name in enumerate(NAMES):
        if number % 3 == 0:
            values = random.poisson(1 + number / 5, rows).astype(float)
        elif number % 3 == 1:
            values = np.round(random.beta(2, 20, rows), 4)
        else:
            values = np.round(np.exp(random.normal(size=rows)), 2)
        if number % 7 == 0:
            values[random.random(rows) < 0.1] = np.nan
        columns[name] = values
    logit = 0.1 * columns["feature_3"] + 8 * columns["feature_4"] + 0.3 * np.log(columns["feature_5"]) - 4
    columns["clicked"] = random.random(rows) < 1 / (1 + np.exp(-logit))
    return columns


def write_set(storage: Storage, rows: int) -> SetReader:
    """Writes a training set of some days, or finds it written."""
    files: dict[str, tuple[str, ...]] = {}
    for day in range(DAYS):
        name, path = f"2024-03-{day + 1:02d}", f"rows={rows}/day-{day}.parquet"
        files[name] = (path,)
        if storage.exists(path):
            continue
        columns = made_rows(rows // DAYS, seed=day)
        own = {"event_id": [f"{day}-{row}" for row in range(rows // DAYS)], "weight": np.ones(rows // DAYS), **columns}
        arrays = [
            pa.array(own[field.name], field.type, from_pandas=True) if field.name in own else pa.nulls(rows // DAYS, field.type)
            for field in SCHEMA.arrow
        ]
        storage.write(path, pa.table(arrays, schema=SCHEMA.arrow), row_group_rows=ROW_GROUP_ROWS)
    return SetReader(storage, SCHEMA, files)


def train_streamed(storage: Storage, rows: int, rounds: int) -> dict[str, Any]:
    """From a written training set to a model."""
    from srp_assets.models.gbdt import train_gbdt

    reader = write_set(storage, rows)
    begin = time.perf_counter()
    train_gbdt(document_of(rounds), reader, None)
    return {"seconds": time.perf_counter() - begin}


def train_plain(storage: Storage, rows: int, rounds: int) -> dict[str, Any]:
    """From a matrix in memory to a model, with the same parameters."""
    import lightgbm as lgb

    from srp_assets.models.gbdt import parameters_of

    reader = write_set(storage, rows)
    matrix, labels = np.empty((rows // DAYS * DAYS, FEATURES)), []
    start = 0
    for table in reader.tables([*NAMES, "clicked"]):
        for place, name in enumerate(NAMES):
            matrix[start : start + table.num_rows, place] = table[name].to_numpy()
        labels.append(table["clicked"].to_numpy())
        start += table.num_rows
    parameters, label = parameters_of(document_of(rounds)), np.concatenate(labels).astype(float)
    begin = time.perf_counter()
    lgb.train(parameters, lgb.Dataset(matrix, label, weight=np.ones(len(label)), params=parameters), rounds)
    return {"seconds": time.perf_counter() - begin}


VARIANTS = {"streamed": train_streamed, "plain": train_plain}
SCORING = ("arrow", "spark_udf")


def run(bench: "Bench") -> None:
    """Both ways of training, and both ways of scoring."""
    folder = bench.cells / "trees"
    folder.mkdir(exist_ok=True)
    seconds = {what: bench.cell("trees", what, partial(_training, folder, what, quick=bench.quick))["seconds"] for what in VARIANTS}
    ratio = seconds["streamed"] / seconds["plain"]
    if not bench.quick:
        bench.bars.append(Bar("LightGBM on a streamed training set against a matrix in memory", ratio, LONGEST_RATIO))
    pace = {what: bench.cell("trees", f"scoring by {what}", partial(_scoring, folder, what, quick=bench.quick)) for what in SCORING}
    if len({f"{found['checksum']:.6e}" for found in pace.values()}) > 1:
        raise SystemExit(f"the two ways of scoring differ: {pace}")
    if not bench.quick:
        gain = pace["arrow"]["rows_per_core_second"] / pace["spark_udf"]["rows_per_core_second"]
        bench.bars.append(Bar("scoring in Spark by Arrow against mlflow.pyfunc.spark_udf, rows per second", gain, 1.0, ">="))


def _training(folder: Path, variant: str, *, quick: bool) -> dict[str, Any]:
    """One way of training, in a process of its own that tells its seconds and its largest memory."""
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if quick else (ROWS, ROUNDS)
    write_set(Storage(str(folder)), rows)
    command = [sys.executable, "-m", "support.model_trees", variant, str(folder), str(rows), str(rounds)]
    # The folder of the benchmarks is on the path of whoever runs one, and not of its children.
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT / "benchmarks")}
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT, env=environment)
    return {"rows": rows, "features": FEATURES, "rounds": rounds, **json.loads(found.stdout)}


def _scoring(folder: Path, what: str, *, quick: bool) -> dict[str, Any]:
    """A saved model over rows in Spark: by Arrow, or by MLflow's own function of a column."""
    import mlflow.pyfunc
    from pyspark.sql import functions as F

    from resources import spark_server
    from resources.mlflow import Tracking
    from resources.spark import close_sessions, open_session
    from srp_assets.models.gbdt import train_gbdt
    from srp_assets.models.plan_scoring import scored
    from srp_assets.models.serving import LOADER_MODULE, pandas_of, save_ranker

    rows = QUICK_SCORED_ROWS if quick else SCORED_ROWS
    reader = write_set(Storage(str(folder)), rows)
    with TemporaryDirectory(prefix="srp-bench-models-") as scratch:
        settings = Settings(home=Path(scratch) / "home")
        ranker, at = train_gbdt(document_of(QUICK_ROUNDS), reader, None), Path(scratch) / "ranker"
        save_ranker(ranker, at, SCHEMA.features)
        tracking = Tracking.of(settings)
        with tracking.run("benchmark", "trees", {}) as run:
            example = pandas_of(reader.read(reader.row_groups[0], NAMES).slice(0, 2))
            columns = dict(SCHEMA.features)
            run.log_model(at, loader_module=LOADER_MODULE, columns=columns, labels=["clicked"], example=example, requirements=["lightgbm"])
        saved = tracking.artifact(run.run_id, "model", Path(scratch) / "copy")
        spark = open_session(settings)
        try:
            frame = spark.read.parquet(*[reader.storage.address(path) for of_day in reader.files.values() for path in of_day])
            if what == "arrow":
                scores = scored(frame, str(at), NAMES, ["clicked"], ["event_id"])
            else:
                by_column = mlflow.pyfunc.spark_udf(spark, str(saved), result_type="double", env_manager="local")
                scores = frame.select(by_column(*[F.col(name) for name in NAMES]).alias("clicked"))
            checksum = scores.agg(F.sum("clicked"))
            checksum.collect()
            begin = time.perf_counter()
            found = checksum.collect()[0][0]
            seconds = time.perf_counter() - begin
        finally:
            close_sessions()
            spark_server.stop(settings)
    return {"rows": rows, "seconds": seconds, "rows_per_core_second": rows / seconds / (os.cpu_count() or 1), "checksum": found}


if __name__ == "__main__":
    _, variant, folder, rows, rounds = sys.argv
    found = VARIANTS[variant](Storage(folder), int(rows), int(rounds))
    found["largest_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))
