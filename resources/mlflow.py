"""Runs and models in MLflow: on SQLite in the home, or on a database or server by setting. The only file that imports mlflow.

It is handed folders, names and figures: what a model is, and what a run has to say, is for `srp_assets/models`. Everything goes through a
client of its own, never through MLflow's state of the process, so that two homes in one process do not meet.
"""

import json
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from resources.home import home_folder
from srp_assets.errors import NotFound, Unavailable
from srp_assets.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

MODEL_PATH = "model"
"""Where a run keeps its model."""

COLUMN_TYPES = {"number": "double", "text": "string", "time": "datetime"}
LIST_TYPES = {"texts": "string", "numbers": "double", "flags": "boolean"}
"""What a signature calls the types of features; lists of texts are arrays."""

BATCH = 100
"""Parameters or tags of one request to MLflow: its limit."""


def mlflow_module() -> Any:
    """MLflow, imported when it is needed: it takes three seconds, and says something about type hints of its own."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc
    # Every new SQLite file would tell of each of its migrations, and every model of its example.
    for name in ("mlflow.store.db.utils", "alembic", "alembic.runtime.migration", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


@dataclass(frozen=True)
class Tracking:
    """Where runs are tracked.

    Args:
        address: of the tracking server or its database.
        artifacts: where new experiments keep files; the server's own choice if None.
    """

    address: str
    artifacts: str | None

    @classmethod
    def of(cls, settings: Settings) -> "Tracking":
        """The tracking of a home."""
        if settings.mlflow_url is not None:
            return cls(settings.mlflow_url.get_secret_value(), settings.mlflow_artifacts)
        folder = home_folder(settings, "mlflow")
        return cls(f"sqlite:///{folder / 'mlflow.sqlite'}", settings.mlflow_artifacts or folder.joinpath("artifacts").as_uri())

    @cached_property
    def client(self) -> "MlflowClient":
        """The client of this address.

        Raises:
            Unavailable: if nothing answers there.
        """
        mlflow = mlflow_module()
        try:
            return mlflow.MlflowClient(tracking_uri=self.address, registry_uri=self.address)
        except Exception as error:
            summary = " ".join(str(error).split())
            raise Unavailable(
                f"MLflow cannot be used: {summary}", where="SRP_MLFLOW_URL", remedy="start the server, or correct it"
            ) from error

    @contextmanager
    def run(
        self, experiment: str, name: str, tags: Mapping[str, str], *, parent: str | None = None, again: bool = False
    ) -> Iterator["TrackedRun"]:
        """A run that ends with the block, failed if the block raises.

        Args:
            experiment: that it belongs to; made if there is none.
            name: of the run.
            tags: of the run.
            parent: the run that it is a part of.
            again: goes on with a run of the same name and tags, if there is one.
        """
        known = self.client.get_experiment_by_name(experiment)
        where = None if self.artifacts is None else f"{self.artifacts.rstrip('/')}/{quote(experiment)}"
        experiment_id = known.experiment_id if known else self.client.create_experiment(experiment, artifact_location=where)
        of_run = {**tags, **({"mlflow.parentRunId": parent} if parent else {})}
        alike = (
            [run for run in self.runs(experiment) if run.info.run_name == name and of_run.items() <= run.data.tags.items()] if again else []
        )
        run_id = alike[0].info.run_id if alike else self.client.create_run(experiment_id, run_name=name, tags=of_run).info.run_id
        if alike:
            self.client.set_terminated(run_id, status="RUNNING")
        run = TrackedRun(self, run_id)
        try:
            yield run
        except BaseException:
            self.client.set_terminated(run.run_id, status="FAILED")
            raise
        self.client.set_terminated(run.run_id, status="FINISHED")

    def runs(self, experiment: str, filter_string: str = "") -> list[Any]:
        """The runs of an experiment, newest first; none where there is no such experiment."""
        known = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([known.experiment_id], filter_string)) if known else []

    def artifact(self, run_id: str, path: str, folder: Path) -> Path:
        """Copies a file or folder of a run into a folder; where it is then.

        Raises:
            NotFound: if the run has no such thing.
        """
        client = self.client
        # Else MLflow asks the process's Spark session for an address, and one whose server has died keeps it waiting for minutes.
        mlflow_module().set_registry_uri(self.address)
        try:
            return Path(client.download_artifacts(run_id, path, str(folder)))
        except Exception as error:
            raise NotFound(f"run {run_id} has no {path}", where=self.address, remedy="train the model again") from error

    def model_folder(self, run_id: str, folder: Path) -> Path:
        """Copies a run's model; the folder that the model itself wrote."""
        (found,) = (self.artifact(run_id, MODEL_PATH, folder) / "data").iterdir()
        return found

    def pyfunc(self, run_id: str, folder: Path) -> Any:
        """A run's model as MLflow serves it, from a copy in a folder."""
        mlflow = mlflow_module()
        return mlflow.pyfunc.load_model(str(self.artifact(run_id, MODEL_PATH, folder)))

    def register(self, name: str, run_id: str, tags: Mapping[str, str]) -> str:
        """Makes a run's model the next version of a registered model; its number."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        source = f"{self.client.get_run(run_id).info.artifact_uri}/{MODEL_PATH}"
        return str(self.client.create_model_version(name, source, run_id, tags=dict(tags)).version)

    def versions(self, name: str) -> list[Any]:
        """The versions of a registered model, newest first."""
        return sorted(self.client.search_model_versions(f"name = '{name}'"), key=lambda version: -int(version.version))


@dataclass(frozen=True)
class TrackedRun:
    """A run that is under way."""

    tracking: Tracking
    run_id: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """What the run was told."""
        from mlflow.entities import Param

        written = [Param(name, str(value)) for name, value in params.items()]
        for start in range(0, len(written), BATCH):
            self.tracking.client.log_batch(self.run_id, params=written[start : start + BATCH])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """What the run found."""
        for name, value in metrics.items():
            self.tracking.client.log_metric(self.run_id, name, value, step=step)

    def log_json(self, content: Any, path: str) -> None:
        """A file with what JSON can say."""
        self.tracking.client.log_text(self.run_id, json.dumps(content, indent=1, ensure_ascii=False), path)

    def log_text(self, content: str, path: str) -> None:
        """A file of text, or a page."""
        self.tracking.client.log_text(self.run_id, content, path)

    def log_folder(self, folder: Path, path: str) -> None:
        """All files of a folder."""
        self.tracking.client.log_artifacts(self.run_id, str(folder), path)

    def log_model(
        self,
        folder: Path,
        *,
        loader_module: str,
        columns: Mapping[str, str],
        labels: Sequence[str],
        example: "pd.DataFrame",
        requirements: Sequence[str],
    ) -> None:
        """The model as a pyfunc with signature and input example.

        Args:
            folder: that the model wrote.
            loader_module: that reads it.
            columns: what it reads, with the types of the values (number, text, time, and lists: texts, numbers, flags).
            labels: that it scores, each a column of numbers.
            example: a few rows that it can score.
            requirements: packages that it needs, as pip writes them; nothing is guessed.
        """
        mlflow = mlflow_module()
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema
        from mlflow.types.schema import Array, DataType

        def spec(name: str, type_: str) -> ColSpec:
            found = Array(DataType[LIST_TYPES[type_]]) if type_ in LIST_TYPES else COLUMN_TYPES[type_]
            return ColSpec(found, name, required=False)

        signature = ModelSignature(
            inputs=Schema([spec(name, type_) for name, type_ in columns.items()]),
            outputs=Schema([ColSpec("double", label) for label in labels]),
        )
        with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
            # It warns of lists and times in the example that JSON writes otherwise.
            warnings.simplefilter("ignore")
            saved = Path(scratch) / MODEL_PATH
            mlflow.pyfunc.save_model(
                str(saved),
                loader_module=loader_module,
                data_path=str(folder),
                signature=signature,
                input_example=example,
                pip_requirements=list(requirements),
            )
            self.tracking.client.log_artifacts(self.run_id, str(saved), MODEL_PATH)
