"""The house's import rules: a file's name and place say what it may import.

An `ast` walk over every module, imports inside functions included: a deferred import is cheaper, not more allowed. Two rules are
about modules that are really loaded, and ask a fresh process.
"""

import ast
import compileall
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from srp_assets.settings import PROJECT_ROOT

DOMAINS = (
    "warehouse", "wordlists", "strategy", "recall", "insights", "logs", "features", "online", "embeddings", "sequences", "training",
    "models", "evaluation", "samples",
)  # fmt: skip
"""In the order in which data flows: each imports only from those before it."""

RECALL_WING = {"wordlists", "strategy", "recall", "insights"}
RANKING_WING = {"logs", "features", "online", "embeddings", "sequences", "training", "models", "evaluation"}
"""Both rise from the warehouse and meet in standing word-list hits alone, which a ranking file reads as a table, not as code."""

COMMON = {"srp_assets.errors", "srp_assets.progress", "srp_assets.settings"}
"""What every file may import from the package."""

DEFERRED_FRAMEWORKS = ("great_expectations", "mlflow", "torch", "lightgbm", "numba", "hyperscan")
LONGEST_IMPORT_SECONDS = 3.0

RESTRICTED: dict[str, tuple[str, ...]] = {
    "dagster": (
        "srp_assets/*/assets.py", "srp_assets/definitions.py", "srp_assets/partitions.py", "srp_assets/cli.py", "srp_assets/cli_*.py",
        "jobs/*", "resources/*", "expectations/*adapter*.py", "expectations/*checks*.py",
    ),
    "pyspark": ("srp_assets/*/plan.py", "srp_assets/*/plan_*.py", "resources/*", "expectations/*"),
    "great_expectations": ("expectations/*",),
    "mlflow": ("resources/*",),
    "torch": ("srp_assets/models/deep/*", "srp_assets/embeddings/*"),
    "lightgbm": ("srp_assets/models/gbdt.py",),
    "redis": ("srp_assets/*/store.py", "resources/*"),
}  # fmt: skip
"""Which files may import a framework, or any module whose name begins with it and an underscore (`dagster_pyspark`). Under `TYPE_CHECKING`
any file may name a type that it only hands on."""


def project_files() -> Iterator[Path]:
    for package in ("srp_assets", "jobs", "resources", "expectations"):
        yield from sorted((PROJECT_ROOT / package).rglob("*.py"))


def for_types_alone(tree: ast.AST) -> set[ast.AST]:
    """The imports that never run."""
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")]
    return {node for block in blocks for statement in block.body for node in ast.walk(statement)}


def imports(tree: ast.AST, *, inside: str) -> Iterator[tuple[ast.stmt, str]]:
    """Statement and full name of everything imported at any depth, relative imports resolved within the package `inside`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = inside.split(".")
                base = ".".join([*above[: len(above) - node.level + 1], *filter(None, [node.module])])
            for alias in node.names:
                yield node, f"{base}.{alias.name}"


def is_part_of(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def domain_of(name: str) -> str | None:
    """The domain of a module name or of a path written as one."""
    parts = name.split(".")
    return parts[1] if parts[0] == "srp_assets" and len(parts) > 1 and parts[1] in DOMAINS else None


def why_refused(path: str, name: str, *, runs: bool) -> str | None:
    """Why the file at `path` (relative to the project) may not import `name`; None if it may. `runs` is false for types alone."""
    for framework, places in RESTRICTED.items():
        top = name.split(".")[0]
        loaded = (top == framework or top.startswith(f"{framework}_")) and runs
        if loaded and not any(fnmatch(path, place) for place in places):
            return f"{framework} is for {', '.join(places)}"
    floor = path.split("/")[0]
    own = domain_of(path.removesuffix(".py").replace("/", "."))
    other = domain_of(name)
    if floor in ("resources", "expectations"):
        if name.split(".")[0] in ("jobs", "srp_assets") and not any(is_part_of(name, allowed) for allowed in COMMON):
            return f"{floor}/ is the ground floor: of srp_assets it imports settings and errors alone"
        if floor == "expectations" and is_part_of(name, "resources"):
            return "expectations/ is handed what it needs"
        return None
    if own is not None:
        if other is not None and DOMAINS.index(other) > DOMAINS.index(own):
            return f"{own} comes before {other}"
        if other is not None and {own, other} & RECALL_WING and {own, other} & RANKING_WING:
            return f"{own} and {other} are of different wings"
        # The assets of a domain rest on partitions; nothing else in a domain knows of what stands above it.
        above = {"jobs"} | {f"srp_assets.{top}" for top in ("definitions", "cli", "console")}
        if any(is_part_of(name, module) or name.startswith(f"{module}_") for module in above):
            return "a domain imports nothing of what stands above it"
        if is_part_of(name, "srp_assets.partitions") and not fnmatch(path, "srp_assets/*/assets.py"):
            return "partitions are for assets"
    if floor == "jobs" and re.match(r"srp_assets\.(definitions|cli|console)", name):
        return "jobs/ stands below definitions and the command"
    if path == "srp_assets/definitions.py" and re.match(r"srp_assets\.(cli|console)", name):
        return "definitions stands below the command"
    if path in {f"{module.replace('.', '/')}.py" for module in COMMON} and re.match(r"srp_assets|jobs|resources|expectations", name):
        return None if is_part_of(name, "srp_assets.errors") else "errors, progress and settings rest on nothing"
    return None


def violations(path: str, source: str) -> list[str]:
    inside = path.rsplit("/", 1)[0].replace("/", ".")
    tree = ast.parse(source)
    never_run = for_types_alone(tree)
    found = []
    for node, name in imports(tree, inside=inside):
        reason = why_refused(path, name, runs=node not in never_run)
        if reason:
            found.append(f"{path}:{node.lineno} imports {name}: {reason}")
    return found


def test_every_file_imports_only_what_its_place_allows() -> None:
    files = list(project_files())
    assert len(files) > 20
    found = [line for file in files for line in violations(str(file.relative_to(PROJECT_ROOT)), file.read_text(encoding="utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("srp_assets/warehouse/landing.py", "import dagster as dg"),
        ("srp_assets/warehouse/landing.py", "def f():\n    from dagster import asset"),
        ("srp_assets/warehouse/landing.py", "import dagster_pyspark"),
        ("srp_assets/recall/scan/kernel.py", "from pyspark.sql import functions"),
        ("srp_assets/recall/assets.py", "import pyspark"),
        ("jobs/recall.py", "import pyspark"),
        ("srp_assets/warehouse/assets.py", "import great_expectations"),
        ("srp_assets/models/gbdt.py", "import mlflow"),
        ("srp_assets/models/trainer.py", "import lightgbm"),
        ("srp_assets/recall/scan/kernel.py", "import torch.nn"),
        ("srp_assets/recall/tasks.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import pyspark"),
        ("srp_assets/warehouse/landing.py", "if TYPE_CHECKING:\n    from srp_assets.recall import tasks"),
        ("srp_assets/warehouse/landing.py", "from srp_assets.recall import tasks"),
        ("srp_assets/warehouse/landing.py", "from srp_assets import recall"),
        ("srp_assets/warehouse/landing.py", "from ..wordlists import scanner"),
        ("srp_assets/wordlists/scanner.py", "import srp_assets.strategy.model"),
        ("srp_assets/features/windows.py", "from srp_assets.recall.tasks import Task"),
        ("srp_assets/recall/tasks.py", "from jobs.recall import sensor"),
        ("srp_assets/recall/tasks.py", "from srp_assets.cli_common import progress"),
        ("srp_assets/recall/tasks.py", "from srp_assets.partitions import BATCHES"),
        ("resources/spark.py", "from srp_assets.warehouse.storage import Storage"),
        ("expectations/rows.py", "import dagster"),
        ("expectations/rows.py", "from srp_assets.warehouse import catalogue"),
        ("expectations/rows.py", "from resources.spark import open_session"),
        ("jobs/recall.py", "from srp_assets.definitions import defs"),
        ("srp_assets/definitions.py", "from srp_assets import cli"),
        ("srp_assets/settings.py", "from srp_assets.warehouse.periods import Unit"),
    ],
)
def test_a_planted_violation_is_found(path: str, source: str) -> None:
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("srp_assets/warehouse/assets.py", "import dagster as dg\nfrom srp_assets.partitions import PERIODS"),
        ("srp_assets/warehouse/plan_tables.py", "from pyspark.sql import DataFrame"),
        ("srp_assets/recall/tasks.py", "from sqlalchemy import Connection, Engine\nfrom srp_assets.errors import SrpError"),
        ("srp_assets/warehouse/building.py", "if TYPE_CHECKING:\n    from pyspark.sql import SparkSession"),
        ("srp_assets/samples/world.py", "from srp_assets.recall import cases\nfrom srp_assets.evaluation import gate"),
        ("srp_assets/recall/tasks.py", "from resources.registry_types import UtcDateTime"),
        ("resources/spark.py", "import pyspark, dagster\nfrom srp_assets.settings import Settings"),
        ("srp_assets/cli.py", "from jobs.recall import sensor\nfrom srp_assets.definitions import defs"),
        ("srp_assets/settings.py", "from srp_assets.errors import InvalidInput"),
    ],
)
def test_what_is_allowed_is_not_refused(path: str, source: str) -> None:
    assert violations(path, source) == []


def test_every_folder_of_the_package_is_a_known_domain() -> None:
    folders = {folder.name for folder in (PROJECT_ROOT / "srp_assets").iterdir() if folder.is_dir() and not folder.name.startswith("_")}
    assert folders <= set(DOMAINS)


def test_definitions_load_quickly_and_without_heavy_frameworks() -> None:
    # As it is after the first start, also where the environment forbids that Python keeps what it compiled.
    assert all(compileall.compile_dir(PROJECT_ROOT / folder, quiet=2) for folder in ("srp_assets", "jobs", "resources", "expectations"))
    seconds, loaded = min(load_definitions() for _ in range(3))
    assert not loaded & set(DEFERRED_FRAMEWORKS)
    assert seconds < LONGEST_IMPORT_SECONDS, slowest_imports()


def load_definitions() -> tuple[float, frozenset[str]]:
    """The processor's seconds that loading takes (what else the machine does must not decide), and the packages that are loaded then."""
    code = """
import sys, time
before = time.process_time()
import srp_assets.definitions
print(time.process_time() - before, *sorted({name.split(".")[0] for name in sys.modules}))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    seconds, *loaded = run.stdout.split()
    return float(seconds), frozenset(loaded)


def slowest_imports() -> str:
    """The lines of a `-X importtime` report with the most time of their own."""
    command = [sys.executable, "-X", "importtime", "-c", "import srp_assets.definitions"]
    report = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stderr
    lines = [line for line in report.splitlines() if re.match(r"import time:\s+\d", line)]
    return "\n".join(sorted(lines, key=lambda line: -int(line.split()[2]))[:20])
