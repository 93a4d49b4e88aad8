"""A version in MLflow: a run with its options, figures, vocabulary and files, and a version of the registered model of its declaration."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from resources.mlflow import MODEL_PATH, Tracking
from srp_assets.embeddings.places import EmbeddingPlaces
from srp_assets.embeddings.registry import Version
from srp_assets.embeddings.training.corpus import Vocabulary

EXPERIMENT = "embeddings"


def registered_name(name: str) -> str:
    """The registered model of a declaration."""
    return f"embeddings-{name}"


def log_version(tracking: Tracking, version: Version, places: EmbeddingPlaces, vocabulary: Vocabulary) -> Version:
    """Logs a version whose files are written; the version with the run that has it."""
    declared = places.declared
    tags = {"version": version.version, "week": version.week, "base": version.base or "", "declaration": declared.digest}
    with tracking.run(EXPERIMENT, version.version, tags) as run:
        run.log_params(declared.training.model_dump() | {"window_days": declared.window_days, "held_out_share": declared.held_out_share})
        run.log_metrics({name: float(value) for name, value in version.figures.items() if isinstance(value, int | float)})
        run.log_json(declared.model_dump(mode="json"), "declaration.json")
        run.log_json(version.figures | {"problems": list(version.problems)}, "figures.json")
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            table = pa.table({"item_id": vocabulary.ids, "count": pa.array(vocabulary.counts), "market": pa.array(vocabulary.markets)})
            pq.write_table(table, folder / "vocabulary.parquet")
            for path, _ in places.embeddings.files(version.folder):
                pq.write_table(places.embeddings.read(path), folder / path.rsplit("/", 1)[1])
            run.log_folder(folder, MODEL_PATH)
        tracking.register(registered_name(declared.name), run.run_id, tags)
    return replace(version, tracked_run=run.run_id)
