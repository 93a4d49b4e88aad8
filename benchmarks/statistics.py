"""How long the statistics of a batch take: five million cases of a hundred tasks, from files as recall leaves them to kept counts.

Cases have a text, one to five hits of a hundred words each task, and the facts of a post. Half of the rows that a task has found, others
have found too. What exemptions silence is a merged scan of its own (`recall.py` measures those).

    python benchmarks/statistics.py [--quick] [--json FILE]
"""

import importlib.util
import sys
import sysconfig
from pathlib import Path

CASES, QUICK_CASES = 5_000_000, 200_000
SECONDS = 60.0


def main() -> None:
    """Prints the seconds of each step; with --json also writes the machine, the bars and the rows."""
    from rich.console import Console
    from rich.table import Table
    from support.case_counting import measured
    from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

    arguments = parser_of(__doc__, quick="a few cases, within a minute").parse_args()
    end_in_order_when_stopped()
    console = Console()
    rows, total = measured(QUICK_CASES if arguments.quick else CASES)
    table = Table("step", "seconds", "cases a second")
    for row in rows:
        table.add_row(row["step"], f"{row['seconds']:.1f}", f"{row['cases'] / row['seconds']:,.0f}")
    console.print(table)
    # A quick run is over before Spark is warm: its seconds say nothing about five million.
    bars = [] if arguments.quick else [Bar("statistics of five million cases, seconds", total, SECONDS)]
    tell(bars, console)
    keep(arguments.json, rows, bars)


def stand_aside() -> None:
    """Puts the standard library's module of this name in the place of this file.

    Python looks into the folder of the script first, so whoever imports `statistics` while any benchmark runs comes here.
    """
    file = Path(sysconfig.get_path("stdlib")) / "statistics.py"
    spec = importlib.util.spec_from_file_location("statistics", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"the standard library has no {file}")
    sys.modules["statistics"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["statistics"])


if __name__ == "__main__":
    main()
else:
    stand_aside()
