"""A disk that is really full: one clear line, an exit code that tells, and nothing half landed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from srp_assets.settings import PROJECT_ROOT

ROWS = 20_000

ON_A_SMALL_DISK = """
mount -t tmpfs -o size=1m none "$1"
"$2" -m srp_assets.cli ingest jsonl "$3" --product aurora --entity post --json
echo "exit $?"
"$2" -m srp_assets.cli ingest jsonl "$3" --product aurora --entity post
echo "exit $?"
find "$1" -name '*.parquet*'
"""
"""The disk exists for this shell alone: a file system in memory, mounted in a name space of its own."""


def may_mount() -> bool:
    unshare = shutil.which("unshare")
    probe = "mount -t tmpfs -o size=64k none /tmp"
    return unshare is not None and subprocess.run([unshare, "-Urm", "sh", "-c", probe], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="a small disk cannot be mounted here: unshare -Urm is missing or forbidden")
def test_a_full_disk_is_one_clear_line_and_nothing_lands(tmp_path: Path) -> None:
    source = tmp_path / "posts.jsonl"
    moment = "2024-01-05T10:00:00Z"
    with source.open("w", encoding="utf-8") as file:
        for post in range(ROWS):
            row = {"post_id": post, "user_id": 1, "title": os.urandom(60).hex(), "created_at": moment, "updated_at": moment}
            file.write(json.dumps(row) + "\n")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "-Urm", "sh", "-c", ON_A_SMALL_DISK, "sh", str(disk), sys.executable, str(source)]
    environment = {**os.environ, "SRP_HOME": str(disk / "home")}
    run = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    answer, first_exit, *rest = run.stdout.splitlines()
    assert json.loads(answer)["error"]["message"] == "cannot write: No space left on device"
    assert [first_exit, *rest] == ["exit 1", "exit 1"]
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("error: "))
    assert "No space left on device (free space, or correct the permissions or SRP_HOME)" in line
