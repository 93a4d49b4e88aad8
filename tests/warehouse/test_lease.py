"""The lease by which ingests take turns, on one machine or several."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from srp_assets.errors import Conflict
from srp_assets.warehouse import registry
from srp_assets.warehouse.lease import Lease


def taken_lease(engine, holder, expires_in):
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    with engine.begin() as connection:
        connection.execute(registry.lease.insert().values(name="ingest", holder=holder, expires_at=expires_at))


def test_a_lease_is_waited_for_and_whoever_waits_is_told(engine):
    taken_lease(engine, "another-host:1:0.0:x", expires_in=3600)
    told = []

    def give_up(holder):
        told.append(holder)
        with engine.begin() as connection:
            connection.execute(registry.lease.delete())

    with Lease(engine, "ingest", waiting=give_up):
        assert told == ["another-host:1:0.0:x"]
    with engine.connect() as connection:
        assert connection.execute(sa.select(registry.lease)).all() == []


def test_a_lease_that_ran_out_is_taken(engine):
    taken_lease(engine, "another-host:1:0.0:x", expires_in=-1)
    with Lease(engine, "ingest", waiting=pytest.fail) as lease, engine.begin() as connection:
        lease.confirm(connection)


def test_a_lease_that_was_lost_is_noticed(engine):
    with Lease(engine, "ingest") as lease, engine.begin() as connection:
        connection.execute(registry.lease.update().values(holder="somebody else"))
        with pytest.raises(Conflict, match="ran out"):
            lease.confirm(connection)


def test_a_lease_is_renewed_while_it_is_held(engine):
    with Lease(engine, "ingest", seconds=0.2):
        with engine.connect() as connection:
            first = connection.execute(sa.select(registry.lease.c.expires_at)).scalar_one()
        later = first
        deadline = datetime.now(UTC) + timedelta(seconds=30)
        while later == first and datetime.now(UTC) < deadline:
            with engine.connect() as connection:
                later = connection.execute(sa.select(registry.lease.c.expires_at)).scalar_one()
        assert later > first
