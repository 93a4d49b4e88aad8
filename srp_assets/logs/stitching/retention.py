"""Deletes builds of days that were replaced so long ago that all their readers are done, and what builds that broke off have left."""

from datetime import UTC, datetime

from pyarrow import fs
from sqlalchemy import Engine

from srp_assets.logs.registry_builds import forget_builds, named_paths, retired_builds
from srp_assets.logs.stitching.building import BUILDS_FOLDER
from srp_assets.warehouse.retention import BROKEN_OFF_AFTER
from srp_assets.warehouse.storage import Storage


def delete_old_log_builds(engine: Engine, storage: Storage, before: datetime) -> tuple[int, int]:
    """Deletes builds replaced before a time, and folders that broken-off builds left before it; returns how many of each.

    Files go before their record: whatever interrupts this, the next call finishes it. A folder goes when no build names a file in it.
    """
    with engine.connect() as connection:
        retired = retired_builds(connection, before)
    for build in retired:
        for file in build.files:
            if storage.exists(file.path):
                storage.filesystem.delete_file(storage.path(file.path))
    with engine.begin() as connection:
        forget_builds(connection, [build.build_id for build in retired])
        named = {"/".join(path.split("/")[:2]) for path in named_paths(connection)}
    abandoned = min(before, datetime.now(UTC) - BROKEN_OFF_AFTER)
    left = [folder for folder, touched in _build_folders(storage).items() if folder not in named and touched < abandoned]
    for folder in left:
        storage.delete_tree(folder)
    return len(retired), len(left)


def _build_folders(storage: Storage) -> dict[str, datetime]:
    """The folders of builds with the time of the newest change in them."""
    root = storage.path(BUILDS_FOLDER)
    touched: dict[str, datetime] = {}
    for entry in storage.filesystem.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True)):
        folder = f"{BUILDS_FOLDER}/{entry.path[len(root) :].strip('/').split('/')[0]}"
        # A folder in an object store has no time of its own: its files have.
        changed = datetime.fromtimestamp(entry.mtime_ns / 1e9, UTC) if entry.mtime_ns else datetime.min.replace(tzinfo=UTC)
        touched[folder] = max(changed, touched.get(folder, changed))
    return touched
