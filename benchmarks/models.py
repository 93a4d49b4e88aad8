"""Ranking models: training and scoring, against other libraries on the same rows.

    python benchmarks/models.py [--quick] [--only SECTION] [--cells FOLDER] [--json FILE]

- `peers`: DeepFM, DCN-v2 and DIN, with products in float32 and in bfloat16, against DeepCTR-Torch and FuxiCTR, each in an environment of
  its own, on MovieLens-100k (as the wheel of recbole carries it) and on rows of the sample world; five seeds.
- `stream`: 20 million rows from Parquet: memory at its highest, and the time to the first batch.
- `embeddings`: a step of the optimizer for looked-up rows against torch's, by the size of the table.
- `spaces`: AUC and size by the space that ids are hashed to.
- `tasks`: click and order learned together against separate models of orders.
- `updates`: a model updated day by day against one trained anew each day, and learning in one pass.
- `trees`: LightGBM on 5 million rows of a streamed training set against plain LightGBM on a matrix; scoring in Spark against `spark_udf`.

A cell (a model of a library on some data with some seed) is kept in a folder when it is done, and is not run again: a bench of hours
may be stopped, and goes on.
"""

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

SECTIONS = {
    "peers": "support.model_peers",
    "stream": "support.model_stream",
    "embeddings": "support.model_embeddings",
    "spaces": "support.model_spaces",
    "tasks": "support.model_tasks",
    "updates": "support.model_updates",
    "trees": "support.model_trees",
}
"""The module of each section: it has a function `run` that takes a bench. Sections are imported when they run, for what they import."""

Row = dict[str, Any]


@dataclass
class Bench:
    """What the sections share.

    Args:
        cells: the folder of what is done.
        quick: whether only small cells are run.
    """

    cells: Path
    quick: bool
    rows: list[Row] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)

    def cell(self, section: str, name: str, run: Callable[[], Row]) -> Row:
        """A row of results: from its file where it was found before, else found now and kept.

        Args:
            section: that it belongs to.
            name: of the cell, in the section.
            run: finds it.
        """
        size = "quick" if self.quick else "full"
        file = self.cells / f"{section}-{name}-{size}.json"
        if file.is_file():
            row = json.loads(file.read_text(encoding="utf-8"))
        else:
            begun = time.perf_counter()
            row = {"section": section, "cell": name, **run()}
            row["cell_seconds"] = time.perf_counter() - begun
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(row), encoding="utf-8")
            partial.replace(file)
        self.rows.append(row)
        return row


def show(rows: list[Row], console: Console) -> None:
    """A table for each section."""
    for section in dict.fromkeys(row["section"] for row in rows):
        of_section = [row for row in rows if row["section"] == section]
        columns = list(dict.fromkeys(name for row in of_section for name in row if name not in ("section", "cell_seconds")))
        table = Table(*columns, title=section)
        for row in of_section:
            table.add_row(*[f"{row[name]:.4g}" if isinstance(row.get(name), float) else str(row.get(name, "")) for name in columns])
        console.print(table)


def main() -> None:
    """Runs the sections that are asked for."""
    parser = parser_of(__doc__, quick="small data, one seed and no bars that need large data")
    parser.add_argument("--only", choices=list(SECTIONS), help="one section alone")
    parser.add_argument("--cells", type=Path, default=Path.home() / ".cache" / "srp-bench-models", help="folder of cells and environments")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console(width=180)
    arguments.cells.mkdir(parents=True, exist_ok=True)
    bench = Bench(arguments.cells, arguments.quick)
    for section in [arguments.only] if arguments.only else SECTIONS:
        importlib.import_module(SECTIONS[section]).run(bench)
    show(bench.rows, console)
    tell(bench.bars, console)
    keep(arguments.json, bench.rows, bench.bars)


if __name__ == "__main__":
    main()
