"""What set-up rests on: every package pinned, and a workspace that Dagster can load."""

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from resources.dagster_home import prepare_dagster_home
from srp_assets.settings import PROJECT_ROOT, Settings

OWN_EXTRAS = ("test", "lint", "bench", "ranking")


def pinned() -> dict[str, str]:
    lines = (PROJECT_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pins}


def installed_closure() -> set[str]:
    """Everything that the package with its extras needs here, as far as it is installed (the ranking extra need not be)."""
    needed: set[str] = set()
    waiting = [("srp", OWN_EXTRAS)]
    while waiting:
        name, extras = waiting.pop()
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        for requirement in map(Requirement, requirements):
            wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
            key = canonicalize_name(requirement.name)
            if wanted and key not in needed:
                needed.add(key)
                waiting.append((key, tuple(requirement.extras)))
    return needed


def test_constraints_are_plain_pins_without_an_index() -> None:
    lines = (PROJECT_ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"#.*|[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []


def test_every_package_that_set_up_installs_is_pinned() -> None:
    needed = installed_closure()
    assert {"dagster", "pyspark", "pandas", "grpcio", "ruff"} <= needed
    assert needed - set(pinned()) == set()


def test_dagster_loads_the_workspace(settings: Settings) -> None:
    environment = {**os.environ, "DAGSTER_HOME": str(prepare_dagster_home(settings))}
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "--workspace", "workspace.yaml"]
    run = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Validation successful for code location srp" in run.stdout + run.stderr
    # Whoever starts the UI for the first time reads what Dagster says.
    assert "BetaWarning" not in run.stdout + run.stderr
