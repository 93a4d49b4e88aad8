"""How long a recommendation takes: words for a list whose task looked at one million texts, after one round of marks.

The texts are generated with a planted topic, of whose words the list has a third. Beside the whole recommendation (texts of cases,
background, candidates, one scan of all rows for all of them, evaluation) the search for candidates alone is measured where all million
texts were retrieved.

    python benchmarks/recommend.py [--quick] [--json FILE]
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

TEXTS, QUICK_TEXTS = 1_000_000, 20_000
BACKGROUND_SHARE = 0.5
SIZE, CONTROLS = 200, 200
SECONDS = 120.0


def main() -> None:
    """Prints the seconds of each step; with --json also writes the machine, the bars and the rows."""
    arguments = parser_of(__doc__, quick="few texts, within a minute").parse_args()
    end_in_order_when_stopped()
    console = Console()
    texts = QUICK_TEXTS if arguments.quick else TEXTS
    rows = [*recommendation(texts), candidates(texts)]
    table = Table("step", "texts", "seconds", "found")
    for row in rows:
        table.add_row(row["step"], f"{row['texts']:,}", f"{row['seconds']:.1f}", row["found"])
    console.print(table)
    seconds = {row["step"]: row["seconds"] for row in rows}
    bars = [
        Bar("a recommendation over one million texts, seconds", seconds["recommend"], SECONDS),
        Bar("candidates of one million retrieved texts, seconds", seconds["candidates"], SECONDS),
    ]
    # The seconds of a quick run say nothing about one million texts.
    bars = [] if arguments.quick else bars
    tell(bars, console)
    keep(arguments.json, rows, bars)


def recommendation(texts: int) -> list[dict[str, Any]]:
    """The seconds of drawing a sheet with control rows, and of a recommendation from its marks."""
    from support.recall_platform import Platform
    from support.topic_platform import TopicPlatform

    from resources import spark_server
    from resources.spark import close_sessions
    from srp_assets.insights.recommend.recommending import recommend
    from srp_assets.samples.demo import CATALOGUE
    from srp_assets.settings import Settings

    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home", catalogue=CATALOGUE)
        opened = Platform.open(settings)
        try:
            world = TopicPlatform(opened, texts, Path(folder))
            task = world.run_task()
            began = time.monotonic()
            world.mark(task, size=SIZE, controls=CONTROLS)
            marked = time.monotonic()
            (found,) = recommend(world.workshop, task.task_id, list_id=None, most=50, threshold=0.5)
            ended = time.monotonic()
        finally:
            opened.engine.dispose()
            close_sessions()
            spark_server.stop(settings)
    words = world.missing & {one.term for one in found.proposal.of("add")}
    return [
        {"step": "draw and mark a sheet", "texts": texts, "seconds": marked - began, "found": f"{task.cases:,} cases"},
        {"step": "recommend", "texts": texts, "seconds": ended - marked, "found": f"{len(words)} of {len(world.missing)} missing words"},
    ]


def candidates(texts: int) -> dict[str, Any]:
    """The seconds of the search for candidates where so many texts were retrieved."""
    from srp_assets.insights.recommend.terms.candidates import TextGroup, find_candidates
    from srp_assets.samples.topics import topic_texts
    from srp_assets.wordlists.transforms import fold_of

    retrieved, others = topic_texts("lotus", texts, seed=2), topic_texts("lotus", int(texts * BACKGROUND_SHARE), seed=3)
    background = others.texts.filter(~others.is_right)
    began = time.monotonic()
    found = find_candidates([TextGroup(retrieved.texts, 1.0)], [TextGroup(background, 0.0)], fold_of((), False), most=300)
    return {"step": "candidates", "texts": texts, "seconds": time.monotonic() - began, "found": f"{len(found)} terms"}


if __name__ == "__main__":
    main()
