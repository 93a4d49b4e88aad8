"""Folders of the warehouse for work whose result is no task's: estimates and differences. They go when the work ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from srp_assets.recall.tasks import new_batch_id
from srp_assets.warehouse.storage import Storage

SCRATCH_FOLDER = "scratch"

LONGEST = timedelta(days=1)
"""No such work takes longer: an older folder was left by a process that died (arbitrary)."""


@contextmanager
def scratch_folder(storage: Storage, *, now: datetime | None = None) -> Iterator[str]:
    """A new folder, relative to the warehouse, for the block; it is deleted afterwards, and so is what dead processes left."""
    moment = now or datetime.now(UTC)
    # Names begin with the time, so their order is that of time.
    oldest = new_batch_id(moment - LONGEST)[: -len("-abcd")]
    for name in storage.folders(SCRATCH_FOLDER):
        if name < oldest:
            storage.delete_tree(f"{SCRATCH_FOLDER}/{name}")
    folder = f"{SCRATCH_FOLDER}/{new_batch_id(moment)}"
    try:
        yield folder
    finally:
        storage.delete_tree(folder)
