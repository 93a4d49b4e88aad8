"""A lease in the registry database: lets two ingests, on one machine or two, wait for each other, and frees itself if its holder dies."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from types import TracebackType
from typing import Self
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError

from srp_assets.errors import Conflict
from srp_assets.warehouse.heartbeat import Heartbeat
from srp_assets.warehouse.registry import lease
from srp_assets.warehouse.worker import is_dead, this_process

LEASE_SECONDS = 60.0
"""How long a lease outlives the last sign of life of a holder on another machine; much longer than a registry transaction."""

POLL_SECONDS = 0.2


class Lease:
    """Holds the lease `name` within a `with` block; renews it in a thread meanwhile.

    Args:
        engine: of the registry.
        name: what is leased.
        seconds: how long it lasts without renewal.
        waiting: told once, with the holder's name, if the lease must be waited for.
    """

    def __init__(self, engine: Engine, name: str, *, seconds: float = LEASE_SECONDS, waiting: Callable[[str], None] | None = None) -> None:
        self._engine = engine
        self._name = name
        self._duration = timedelta(seconds=seconds)
        self._waiting = waiting
        self._heartbeat = Heartbeat(self._renew, seconds=seconds / 4, name=f"lease-{name}")
        self.holder = f"{this_process()}:{uuid4().hex}"

    def __enter__(self) -> Self:
        told = False
        pause = Event()
        while (other := self._taken_by()) is not None:
            if not told and self._waiting:
                self._waiting(other)
            told = True
            pause.wait(POLL_SECONDS)
        self._heartbeat.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._heartbeat.__exit__(kind, error, trace)
        with self._engine.begin() as connection:
            connection.execute(lease.delete().where(self._mine()))

    def confirm(self, connection: Connection) -> None:
        """Checks, in a transaction that publishes what the lease protected, that it is still held.

        Raises:
            Conflict: if it ran out (this process was suspended for long) and somebody else may have taken it.
        """
        if connection.execute(lease.update().where(self._mine()).values(expires_at=self._end())).rowcount != 1:
            raise Conflict(f"the lease {self._name!r} ran out while it was needed", remedy="try again")

    def _mine(self) -> sa.ColumnElement[bool]:
        return (lease.c.name == self._name) & (lease.c.holder == self.holder)

    def _end(self) -> datetime:
        return datetime.now(UTC) + self._duration

    def _taken_by(self) -> str | None:
        """The holder in the way, or None once the lease is ours."""
        try:
            with self._engine.begin() as connection:
                row = connection.execute(sa.select(lease).where(lease.c.name == self._name)).one_or_none()
                if row is None:
                    connection.execute(lease.insert().values(name=self._name, holder=self.holder, expires_at=self._end()))
                    return None
                if row.expires_at > datetime.now(UTC) and not is_dead(row.holder.rpartition(":")[0]):
                    return str(row.holder)
                seen = (lease.c.name == self._name) & (lease.c.holder == row.holder) & (lease.c.expires_at == row.expires_at)
                taken = connection.execute(lease.update().where(seen).values(holder=self.holder, expires_at=self._end()))
                return None if taken.rowcount == 1 else str(row.holder)
        except IntegrityError:
            return "another process"

    def _renew(self) -> bool:
        with self._engine.begin() as connection:
            connection.execute(lease.update().where(self._mine()).values(expires_at=self._end()))
        # One that ran out is not given up: `confirm` finds out when it matters.
        return True
