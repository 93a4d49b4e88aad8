"""Charts of statistics as static SVG: what the Dagster UI shows in metadata, and what a report holds.

Altair describes them and vl-convert draws them, without a browser and without fonts: text stays text, so words of any script are drawn by
whoever looks. A chart is embedded as an image, in which nothing can run whatever its texts are.
"""

import base64
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import altair as alt
import vl_convert

from srp_assets.insights.precision import PrecisionReport
from srp_assets.insights.statistics.model import Distribution, Line, SilencedList, TaskStatistics
from srp_assets.insights.statistics.over_time import StrategyRun

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

WIDTH = 460
ROW_HEIGHT = 18
LABEL_WIDTH = 260
"""Pixels that a label takes at most; longer ones are cut off."""

MOST_TICKS = 6
MOST_BARS = 20
"""Lines that a chart has at most: the tables beside it have more."""

BLUE, ORANGE, GREY = "#4c78a8", "#f58518", "#bab0ac"

UNDRAWABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not have. vl-convert 1.9 aborts the whole process when one is in a label, so none may get there."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Picture:
    """A drawn chart; `alternative` says in words what it shows."""

    title: str
    alternative: str
    svg: str

    @property
    def data_uri(self) -> str:
        """The picture as the address of an image."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode("ascii")

    @property
    def markdown(self) -> str:
        """The picture for metadata in the Dagster UI; its title is no user's text."""
        return f"![{self.title}]({self.data_uri})"


def task_pictures(found: TaskStatistics) -> list[Picture]:
    """The charts of one task: those of which there is something to see."""
    pictures = [
        _bars("Cases by word", found.words),
        _bars("Cases by list", found.lists),
        _bars("Cases by feature", found.features),
        _bars("Cases by product", found.products),
        _columns("Cases by publish period", [(line.name[0] if line.name else "unknown", line.cases) for line in found.periods]),
        *(_distribution(distribution) for distribution in found.metrics),
        *(_bars(f"Cases by {values.column}", values.lines) for values in found.values),
        _silenced(found.silenced),
        _shared(found),
    ]
    return [picture for picture in pictures if picture is not None]


def batch_picture(statistics: Sequence[TaskStatistics]) -> Picture | None:
    """The cases of the tasks of a batch, the largest first."""
    lines = [Line((found.strategy, found.task_id), found.cases, found.hits) for found in statistics]
    return _bars("Cases by task", sorted(lines, key=lambda line: (-line.cases, line.name)))


def runs_picture(runs: Sequence[StrategyRun]) -> Picture | None:
    """The cases of a strategy's tasks over time, new ones apart."""
    if not runs:
        return None
    rows = []
    for number, run in enumerate(runs[-MOST_BARS:]):
        new = run.new or 0
        rows += [
            {"run": run.task_id, "order": number, "kind": "new", "place": 0, "cases": new},
            {"run": run.task_id, "order": number, "kind": "known or unknown", "place": 1, "cases": run.cases - new},
        ]
    chart = _stacked(
        rows, alt.X("run:N", title=None, sort=alt.SortField("order")), alt.Y("cases:Q", title="cases"), ["new", "known or unknown"]
    )
    return _drawn("Cases over time", f"cases of {len(runs)} tasks, in the order in which they ended", chart)


def precision_picture(found: PrecisionReport) -> Picture | None:
    """The precision of words, lists and rules with its intervals, the least precise first."""
    known = [(row, row.estimate, row.low, row.high) for row in found.rows if row.estimate is not None and row.level != "strategy_version"]
    shown = sorted(known, key=lambda item: (item[1], item[0].name))[:MOST_BARS]
    if not shown:
        return None
    labels = _labels([(row.name, row.level.replace("_", " ")) for row, *_ in shown])
    rows = [
        {
            "order": number,
            "name": label,
            "estimate": estimate,
            "low": low,
            "high": high,
            "kind": "flagged" if row.flagged else "as it should be",
        }
        for number, (label, (row, estimate, low, high)) in enumerate(zip(labels, shown, strict=True))
    ]
    colours = alt.Color("kind:N", scale=alt.Scale(domain=["as it should be", "flagged"], range=[BLUE, ORANGE]), legend=None)
    base = alt.Chart(_data(rows)).encode(y=_names(rows), color=colours)
    share = alt.X("low:Q", title="precision", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    chart = base.mark_rule().encode(x=share, x2="high:Q") + base.mark_point(filled=True, size=50).encode(x="estimate:Q")
    alternative = f"precision of {len(shown)} words, lists and rules with intervals of 95 %"
    return _drawn("Precision", alternative, chart.properties(height=ROW_HEIGHT * len(shown)))


def _bars(title: str, lines: Sequence[Line]) -> Picture | None:
    """Horizontal bars, one for each line, in the given order."""
    shown = lines[:MOST_BARS]
    if not shown:
        return None
    labels = _labels([line.name for line in shown])
    rows = [{"order": number, "name": label, "cases": line.cases} for number, (label, line) in enumerate(zip(labels, shown, strict=True))]
    base = alt.Chart(_data(rows)).encode(y=_names(rows), x=alt.X("cases:Q", title="cases", axis=_whole_axis(rows)))
    chart = base.mark_bar(color=BLUE) + base.mark_text(align="left", dx=3).encode(text=alt.Text("cases:Q", format=","))
    more = f"; {len(lines) - len(shown)} more are not shown" if len(lines) > len(shown) else ""
    return _drawn(title, f"{title}: {len(shown)} bars{more}", chart.properties(height=ROW_HEIGHT * len(shown)))


def _columns(title: str, counted: Sequence[tuple[str, int]], x_title: str | None = None) -> Picture | None:
    """Vertical bars in the given order."""
    if not counted:
        return None
    rows = [{"order": number, "name": name, "cases": cases} for number, (name, cases) in enumerate(counted)]
    x = alt.X(
        "name:N",
        title=None if x_title is None else _drawable(x_title),
        sort=alt.SortField("order"),
        axis=alt.Axis(labelLimit=120, labelOverlap=True, labelAngle=-40),
    )
    chart = alt.Chart(_data(rows)).mark_bar(color=BLUE).encode(x=x, y=alt.Y("cases:Q", title="cases", axis=_whole_axis(rows)))
    return _drawn(title, f"{title}: {len(rows)} columns", chart.properties(height=180))


def _distribution(found: Distribution) -> Picture | None:
    counted = [(bucket.label, cases) for bucket, cases in found.buckets]
    used = [number for number, (_, cases) in enumerate(counted) if cases]
    if not used:
        return None
    shown = counted[used[0] : used[-1] + 1] + ([("no value", found.missing)] if found.missing else [])
    return _columns(f"Cases by {found.column}", shown, found.unit)


def _silenced(lists: Sequence[SilencedList]) -> Picture | None:
    some = [silenced for silenced in lists if silenced.share is not None][:MOST_BARS]
    if not some:
        return None
    rows = []
    for number, (label, silenced) in enumerate(zip(_labels([(silenced.list_id,) for silenced in some]), some, strict=True)):
        rows += [
            {"order": number, "name": label, "kind": "hit", "place": 0, "cases": silenced.hit},
            {"order": number, "name": label, "kind": "silenced", "place": 1, "cases": silenced.cases},
        ]
    chart = _stacked(rows, alt.X("cases:Q", title="cases", axis=_whole_axis(rows)), _names(rows), ["hit", "silenced"])
    return _drawn(
        "What exemptions silence", f"hit and silenced cases of {len(some)} lists", chart.properties(height=ROW_HEIGHT * len(some))
    )


def _shared(found: TaskStatistics) -> Picture | None:
    lines = [Line((other.strategy, other.task_id), other.shared, 0) for other in found.shared]
    return _bars("Cases that other tasks of the batch have too", lines)


def _stacked(rows: Rows, x: alt.X, y: alt.Y, kinds: Sequence[str]) -> alt.Chart:
    colours = alt.Scale(domain=list(kinds), range=[BLUE, ORANGE])
    legend = alt.Legend(title=None, orient="top")
    return (
        alt.Chart(_data(rows))
        .mark_bar()
        .encode(x=x, y=y, color=alt.Color("kind:N", scale=colours, legend=legend), order=alt.Order("place:Q"))
    )


def _names(rows: Rows) -> alt.Y:
    # What a label takes depends on fonts that are known only where it is looked at: the room for it is made by its characters.
    widest = max(_width(row["name"]) for row in rows)
    return alt.Y("name:N", title=None, sort=alt.SortField("order"), axis=alt.Axis(labelLimit=0, minExtent=min(LABEL_WIDTH, widest)))


def _width(text: str) -> int:
    """About how many pixels a label takes in any font; ideographs are twice as wide as letters."""
    return sum(11 if unicodedata.east_asian_width(character) in "WF" else 6 for character in text)


def _whole_axis(rows: Rows) -> alt.Axis:
    return alt.Axis(format=",d", tickCount=min(MOST_TICKS, max(1, *(row["cases"] for row in rows))))


def _data(rows: Rows) -> alt.Data:
    return alt.Data(values=[{name: _drawable(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows])


def _drawable(text: str) -> str:
    return UNDRAWABLE.sub("\ufffd", text)


def _labels(names: Sequence[Sequence[str]]) -> list[str]:
    """Names on one line each, long ones cut off; those that come out the same are numbered, else their bars would lie on one another."""
    seen: Counter[str] = Counter()
    labels = []
    for label in map(_label, names):
        seen[label] += 1
        labels.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return labels


def _label(name: Sequence[str]) -> str:
    whole = " · ".join(part if part.strip() else repr(part) for part in reversed(name)) or "no value"
    flat = " ".join(whole.split())
    if _width(flat) <= LABEL_WIDTH:
        return flat
    ends = accumulate(map(_width, flat))
    return "".join(character for character, end in zip(flat, ends, strict=True) if end <= LABEL_WIDTH - _width("…")) + "…"


def _drawn(title: str, alternative: str, chart: alt.Chart) -> Picture:
    styled = chart.properties(width=WIDTH).configure(font="system-ui, sans-serif", background="transparent").configure_view(stroke=None)
    # What is drawn is this module's own: checking it against the schema would take longer than drawing it.
    svg = vl_convert.vegalite_to_svg(styled.to_dict(validate=False), vl_version=VEGA_LITE)
    return Picture(title, alternative, svg)
