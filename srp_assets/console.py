"""What the command line shows to people: tables, progress and errors. Everything that came from data is made harmless first."""

import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

Report = Callable[[str, int, int], None]
"""Called by long work: what it does, how much of it is done, of how much (0 where nobody knows)."""

HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal acts on, or that hide or reorder what stands beside them."""

TEXT_WIDTH = 100
"""Characters of a text that a table shows; `--json` and exports have all of it."""

PIPE_WIDTH = 240
"""Columns of a table that goes into a file or another program, which would not know what to do with folded cells."""

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def harmless(text: object) -> str:
    """A value on one line, with every character that could act on the terminal written as its escape."""
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    if unicodedata.category(character) not in HARMFUL:
        return character
    return " " if character in "\n\t\r" else character.encode("unicode_escape", "surrogatepass").decode()


def shortened(text: object, width: int = TEXT_WIDTH) -> str:
    """A harmless value cut off at `width` characters."""
    whole = harmless(text)
    return whole if len(whole) <= width else whole[: width - 1] + "…"


def number(value: int | None) -> str:
    """A count with its thousands apart; nothing where it is not known."""
    return "" if value is None else f"{value:,}"


def moment(value: datetime | None) -> str:
    """A time to the second, in UTC."""
    return "" if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Prints a table; the columns named in `right` are aligned like numbers."""
    grid = Table(
        title=Text(harmless(title)),
        title_justify="left",
        header_style="bold",
        show_header=any(columns),
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*[Text(harmless("" if cell is None else cell)) for cell in row])
    if not out.is_terminal:
        out.width = PIPE_WIDTH
    out.print(grid)


def say(text: str) -> None:
    """Prints a line."""
    out.print(Text(harmless(text)), soft_wrap=True)


def hint(text: str) -> None:
    """Prints a line that is not the result: what to do next, or what was noticed."""
    err.print(Text(harmless(text), style="dim"), soft_wrap=True)


def complain(text: str) -> None:
    """Prints an error as one line on standard error."""
    err.print(Text.assemble(("error: ", "bold red"), harmless(text)), soft_wrap=True)


@contextmanager
def progress(title: str, *, shown: bool = True) -> Iterator[Report]:
    """A progress bar on standard error while the work inside runs; where there is no terminal, a line whenever a step begins."""
    if not shown:
        yield lambda step, done, total: None
        return
    if not err.is_terminal:
        yield _line_reporter(title)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        bar = bars.add_task(title, total=None, count="")

        def report(step: str, done: int, total: int) -> None:
            known = total if total > 0 else None
            count = f"{done:,} / {total:,}" if total > 0 else (f"{done:,}" if done else "")
            bars.update(bar, description=f"{title}: {harmless(step)}", completed=done, total=known, count=count)

        yield report


def _line_reporter(title: str) -> Report:
    seen: set[str] = set()

    def report(step: str, done: int, total: int) -> None:
        if step not in seen:
            seen.add(step)
            sys.stderr.write(f"{title}: {harmless(step)}\n")

    return report
