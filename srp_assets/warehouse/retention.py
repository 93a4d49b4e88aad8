"""Deletes builds that were replaced so long ago that all their readers are done, and what builds that broke off have left."""

from datetime import UTC, datetime, timedelta

from pyarrow import fs
from sqlalchemy import Engine

from srp_assets.warehouse.building import BUILDS_FOLDER
from srp_assets.warehouse.registry_builds import build_folders, forget_builds, retired_builds
from srp_assets.warehouse.storage import Storage

BROKEN_OFF_AFTER = timedelta(days=1)
"""A folder that no build names and that nobody touched for so long belongs to no running build."""


def delete_old_builds(engine: Engine, storage: Storage, before: datetime) -> tuple[int, int]:
    """Deletes builds replaced before a time, and folders that broken-off builds left before it; returns how many of each.

    Files go before their record: whatever interrupts this, the next call finishes it.
    """
    with engine.connect() as connection:
        retired = retired_builds(connection, before)
    for folder in {file.path.rsplit("/", 1)[0] for build in retired for file in build.files}:
        storage.delete_tree(folder)
    with engine.begin() as connection:
        forget_builds(connection, retired)
        named = build_folders(connection)
    abandoned = min(before, datetime.now(UTC) - BROKEN_OFF_AFTER)
    left = [folder for folder, touched in run_folders(storage, BUILDS_FOLDER).items() if folder not in named and touched < abandoned]
    for folder in left:
        storage.delete_tree(folder)
    return len(retired), len(left)


def run_folders(storage: Storage, below: str) -> dict[str, datetime]:
    """The folders of runs, `<below>/<entity>/<run>`, with the time of the newest change in them."""
    root = storage.path(below)
    touched: dict[str, datetime] = {}
    for entry in storage.filesystem.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        parts = entry.path[len(root) :].strip("/").split("/")
        if len(parts) < 2:
            continue
        folder = "/".join((below, *parts[:2]))
        # A folder in an object store has no time of its own: its files have.
        changed = datetime.fromtimestamp(entry.mtime_ns / 1e9, UTC) if entry.mtime_ns else datetime.min.replace(tzinfo=UTC)
        touched[folder] = max(changed, touched.get(folder, changed))
    return touched
