"""The versions of one registered model in MLflow: their aliases, and records that are kept on them.

A record is a file of the run that made the version; a tag of the version names it by its digest. So a record is replaced by one write of a
tag, older ones stay as files, and a file that somebody changed is found out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine, text

from resources.mlflow import TrackedRun, Tracking
from srp_assets.errors import InvalidInput, NotFound

FOLDER = "records"
"""Where a run keeps the records of its versions."""

TAG = "srp.record."
"""What the tags of records begin with; the kind follows."""


@dataclass(frozen=True)
class RegisteredVersions:
    """The versions of one registered model.

    Args:
        tracking: where the model is registered.
        registry: the registry database, which everybody shares who may promote.
        model: name of the registered model.
    """

    tracking: Tracking
    registry: Engine
    model: str

    def version_of(self, alias: str) -> str | None:
        """The version that has an alias now; None if none has it, or there is no such model."""
        found = self.tracking.client.search_registered_models(f"name = '{self.model}'")
        if not found:
            return None
        version = self.tracking.client.get_registered_model(self.model).aliases.get(alias)
        return None if version is None else str(version)

    def move(self, alias: str, version: str) -> None:
        """Gives an alias to a version, which takes it from any other one."""
        self.tracking.client.set_registered_model_alias(self.model, alias, version)

    def remove(self, alias: str) -> None:
        """Takes an alias away."""
        self.tracking.client.delete_registered_model_alias(self.model, alias)

    def keep(self, version: str, kind: str, record: str) -> None:
        """Keeps a record (JSON) on a version; another one of its kind is replaced.

        Raises:
            NotFound: if there is no such version.
        """
        digest = _digest(record)
        TrackedRun(self.tracking, self._known(version).run_id).log_text(record, _path(version, kind, digest))
        self.tracking.client.set_model_version_tag(self.model, version, TAG + kind, digest)

    def kept(self, version: str, kind: str) -> str | None:
        """The record of a kind that is kept on a version; None if there is none.

        Raises:
            NotFound: if there is no such version, or its file is lost.
            InvalidInput: if its file was changed.
        """
        known = self._known(version)
        digest = known.tags.get(TAG + kind)
        if digest is None:
            return None
        with TemporaryDirectory() as scratch:
            record = self.tracking.artifact(known.run_id, _path(version, kind, digest), Path(scratch)).read_text(encoding="utf-8")
        if _digest(record) != digest:
            where = f"{self.model} version {version}"
            raise InvalidInput(f"its record of {kind} was changed after it was kept", where=where, remedy="record it again")
        return record

    def tag(self, version: str, name: str, value: str) -> None:
        """Says something of a version that people see at a glance."""
        self.tracking.client.set_model_version_tag(self.model, version, name, value)

    def attach(self, version: str, name: str, content: str) -> str:
        """Keeps a page or a picture with a version; another one of its name is replaced. Its address.

        Raises:
            NotFound: if there is no such version.
        """
        run_id, path = self._known(version).run_id, f"{FOLDER}/{version}/{name}"
        TrackedRun(self.tracking, run_id).log_text(content, path)
        return f"{self.tracking.client.get_run(run_id).info.artifact_uri}/{path}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else who shares the registry database is within such a block of this model.

        On SQLite it is the database's write lock, so nothing within may write to the registry.
        """
        with self.registry.begin() as connection:
            if self.registry.dialect.name == "postgresql":
                lock = int.from_bytes(sha256(f"model {self.model}".encode()).digest()[:8], "big", signed=True)
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
            yield

    def _known(self, version: str) -> Any:
        found = [known for known in self.tracking.versions(self.model) if str(known.version) == version]
        if not found or not found[0].run_id:
            raise NotFound(f"there is no version {version} that a run has made", where=self.model, remedy="register a trained model first")
        return found[0]


def _path(version: str, kind: str, digest: str) -> str:
    return f"{FOLDER}/{version}/{kind}-{digest}.json"


def _digest(record: str) -> str:
    return sha256(record.encode()).hexdigest()
