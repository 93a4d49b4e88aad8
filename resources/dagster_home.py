"""Dagster's own folder in the home: its `dagster.yaml`, and its storage where that is not PostgreSQL.

`python -m resources.dagster_home` prepares it and prints its path, for `DAGSTER_HOME`.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from resources.home import home_folder
from srp_assets.settings import Settings

MARK = "# Written anew from the settings at each start; without this line the file is yours and stays as it is.\n"


def prepare_dagster_home(settings: Settings) -> Path:
    """Makes the folder with its `dagster.yaml` and returns it; a file that a user has made their own is kept.

    Raises:
        Unavailable: if the home cannot be written.
    """
    folder = home_folder(settings, "dagster")
    file = folder / "dagster.yaml"
    if not file.exists() or file.read_text(encoding="utf-8").startswith(MARK):
        partial = folder / "dagster.yaml.partial"
        partial.write_text(MARK + yaml.safe_dump(instance_options(settings), sort_keys=False), encoding="utf-8")
        partial.replace(file)
    return folder


def instance_options(settings: Settings) -> dict[str, Any]:
    """What `dagster.yaml` says."""
    options: dict[str, Any] = {
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
        # A run whose process was killed fails after its next check, and gives back its place in the pools.
        "run_monitoring": {"enabled": True, "poll_interval_seconds": 30, "free_slots_after_run_end_seconds": 300},
        # One Spark server serves all runs: more at once would only take turns.
        "concurrency": {"runs": {"max_concurrent_runs": 4}, "pools": {"granularity": "op", "default_limit": 2}},
        # Whoever launched a run waits for this: five seconds unless told otherwise, and a look is one small query.
        "run_queue": {"dequeue_interval_seconds": 1},
        # One slow sensor does not keep the others waiting.
        "sensors": {"use_threads": True, "num_workers": 4},
        # Runs stay (their partitions have a retention of their own); ticks that launched nothing are of no interest after a day.
        "retention": {
            tick: {"purge_after_days": {"skipped": 1, "success": 30, "failure": 30, "started": 30}}
            for tick in ("schedule", "sensor", "auto_materialize")
        },
    }
    storage: dict[str, Any] = {"class": "SqliteStorage", "config": {"base_dir": str(home_folder(settings, "dagster"))}}
    if settings.database_url is not None:
        # By reference: the address may hold a password.
        storage = {"class": "PostgresStorage", "config": {"postgres_url": {"env": "SRP_DATABASE_URL"}}}
    return options | {"storage": {"custom": {"module": "resources.dagster_storage", **storage}}}


if __name__ == "__main__":
    sys.stdout.write(f"{prepare_dagster_home(Settings())}\n")
