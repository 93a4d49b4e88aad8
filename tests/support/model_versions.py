"""A model registry in memory, whose moves can be made to die, for tests of promotion."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from srp_assets.evaluation.gate.promotion import Alias


class Killed(Exception):
    """The process died here."""


class VersionsInMemory:
    """Aliases and records of one model; dies before its n-th write if told so."""

    def __init__(self, model: str = "ranker") -> None:
        self._model = model
        self.aliases: dict[str, str] = {}
        self.records: dict[tuple[str, str], str] = {}
        self.dies_before: int | None = None
        self.writes = 0
        self.history: list[dict[str, str]] = []
        self._lock = RLock()

    @property
    def model(self) -> str:
        return self._model

    def version_of(self, alias: Alias) -> str | None:
        return self.aliases.get(alias)

    def move(self, alias: Alias, version: str) -> None:
        self._write()
        self.aliases[alias] = version
        self.history.append(dict(self.aliases))

    def remove(self, alias: Alias) -> None:
        self._write()
        del self.aliases[alias]
        self.history.append(dict(self.aliases))

    def keep(self, version: str, kind: str, record: str) -> None:
        self.records[version, kind] = record

    def kept(self, version: str, kind: str) -> str | None:
        return self.records.get((version, kind))

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._lock:
            yield

    def _write(self) -> None:
        if self.writes == self.dies_before:
            raise Killed
        self.writes += 1
