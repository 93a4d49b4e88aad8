"""What all benchmarks have in common: their arguments, their bars, and how results are told and kept."""

import argparse
import json
import os
import platform
import signal
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console


class Bar(NamedTuple):
    """A ratio and its goal."""

    name: str
    value: float
    goal: float
    op: Literal["<=", ">="] = "<="

    @property
    def holds(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal if self.op == "<=" else self.value >= self.goal


def parser_of(description: str | None, *, quick: str) -> argparse.ArgumentParser:
    """The arguments that every benchmark takes.

    Args:
        description: what it measures.
        quick: what a quick run leaves out.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def end_in_order_when_stopped() -> None:
    """Lets a benchmark that is stopped from outside still end the servers that it started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def tell(bars: Iterable[Bar], console: Console) -> None:
    """Says of each bar whether it holds."""
    for bar in bars:
        console.print(f"{'holds ' if bar.holds else 'MISSED'} {bar.name}: {bar.value:.2f} (goal {bar.op} {bar.goal:g})", highlight=False)


def keep(file: Path | None, rows: Sequence[dict[str, Any]], bars: Iterable[Bar]) -> None:
    """Writes the machine, the date, the bars and all rows as JSON, if a file is asked for."""
    if file is None:
        return
    machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "python": platform.python_version()}
    as_dicts = [{**bar._asdict(), "holds": bar.holds} for bar in bars]
    found = {"machine": machine, "date": datetime.now(UTC).date().isoformat(), "bars": as_dicts, "rows": list(rows)}
    file.write_text(json.dumps(found, indent=2))
