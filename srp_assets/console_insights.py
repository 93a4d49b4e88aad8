"""What the command line shows people of statistics: tables of one task, and of a strategy over time."""

from collections.abc import Iterable, Sequence

from srp_assets.console import hint, number, say, shortened, table
from srp_assets.insights.statistics.model import Line, TaskStatistics
from srp_assets.insights.statistics.over_time import StrategyStatistics

MOST_LINES = 15
"""Lines of a table: `--json` has all."""

NAME_WIDTH = 50


def print_statistics(found: TaskStatistics, *, note: str | None) -> None:
    """Prints the statistics of one task."""
    if note:
        hint(note)
    withdrawn = f", {number(found.withdrawn)} withdrawn" if found.withdrawn else ""
    say(f"{found.task_id}: {found.strategy} (version {found.version}), {number(found.cases)} cases, {number(found.hits)} hits{withdrawn}")
    _lines("words", ("list", "word"), found.words)
    _lines("lists", ("list",), found.lists)
    _lines("features", ("object", "feature"), found.features)
    _lines("products", ("product",), found.products)
    _lines("publish periods", ("period",), found.periods)
    for values in found.values:
        missing = [Line((), values.missing, 0)] if values.missing else []
        _lines(values.column, (values.column,), [*values.lines, *missing], hits=False)
    for metric in found.metrics:
        used = [(bucket.label, number(cases)) for bucket, cases in metric.buckets if cases]
        _table(
            metric.column,
            (metric.unit or metric.column, "cases"),
            [*used, *([("no value", number(metric.missing))] if metric.missing else [])],
        )
    _table(
        "words that hit the same cases", ("one", "other", "cases"), [(p.first[-1], p.second[-1], number(p.cases)) for p in found.word_pairs]
    )
    _table(
        "lists that hit the same cases", ("one", "other", "cases"), [(p.first[0], p.second[0], number(p.cases)) for p in found.list_pairs]
    )
    shared = [(other.task_id, other.strategy, number(other.cases), number(other.shared)) for other in found.shared]
    _table("cases that other tasks of the batch have too", ("task", "strategy", "its cases", "cases"), shared)
    silenced = [(one.list_id, number(one.hit), number(one.cases), _percent(one.share), _top(one.exemptions)) for one in found.silenced]
    _table("what exemptions silence", ("list", "hit", "cases", "share", "exemptions"), silenced)
    if found.silenced_unknown:
        hint(f"what exemptions silence is not known: {found.silenced_unknown}")


def print_strategy(found: StrategyStatistics) -> None:
    """Prints a strategy over time."""
    told = "1 task" if len(found.runs) == 1 else f"{number(len(found.runs))} tasks"
    say(f"{found.strategy}: {told}; {number(found.distinct)} different cases in those whose cases are kept")
    rows = [
        (run.task_id, run.version, run.finished_at or "", ", ".join(run.products), number(run.cases), number(run.new), number(run.hits))
        for run in found.runs
    ]
    table("tasks", ("task", "version", "ended", "products", "cases", "new", "hits"), rows, right=("cases", "new", "hits"))
    words = [(word.list_id, word.word, " ".join(number(cases) for cases in word.cases[-MOST_LINES:])) for word in found.words]
    _table("words, cases by task", ("list", "word", "cases"), words)
    _table("cases that other strategies find too", ("strategy", "cases"), [(other.strategy, number(other.cases)) for other in found.shared])
    if found.uncounted:
        hint(f"not counted yet: {', '.join(found.uncounted)}")


def _lines(title: str, names: Sequence[str], lines: Sequence[Line], *, hits: bool = True) -> None:
    rows = [
        (
            *(line.name[place] if place < len(line.name) else "no value" for place in range(len(names))),
            number(line.cases),
            number(line.hits),
        )
        for line in lines
    ]
    columns = (*names, "cases", "hits")
    _table(title, columns if hits else columns[:-1], rows if hits else [row[:-1] for row in rows])


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints the first lines of a table; nothing where there are none."""
    cut = [tuple(shortened(cell, NAME_WIDTH) for cell in row) for row in rows]
    if cut:
        table(title, columns, cut[:MOST_LINES], right=("cases", "hits", "hit", "its cases", "share"))
        if len(cut) > MOST_LINES:
            say(f"and {len(cut) - MOST_LINES:,} more; --json has all")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _top(exemptions: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{word} ({number(cases)})" for word, cases in exemptions[:3])
