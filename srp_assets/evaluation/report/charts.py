"""Charts of a comparison as static SVG: they need no browser and load nothing.

Altair describes them and vl-convert draws them. Names of slices come from logs: characters that XML does not have would abort vl-convert.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import altair as alt
import vl_convert

from srp_assets.evaluation.gate.evidence import Interval, ReliabilityBin

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

WIDTH = 460
ROW_HEIGHT = 18
MOST_ROWS = 30
"""Slices in a chart: the table beside it has all."""

BLUE, ORANGE, GREY = "#4c78a8", "#f58518", "#bab0ac"

UNDRAWABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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


def calibration_picture(candidate: Sequence[ReliabilityBin], champion: Sequence[ReliabilityBin]) -> Picture | None:
    """Observed against predicted shares by bin of the scores; on the grey line both agree."""
    rows: list[dict[str, Any]] = [
        {"model": name, "predicted": found.predicted, "observed": found.observed}
        for name, bins in (("candidate", candidate), ("champion", champion))
        for found in bins
        if found.predicted is not None and found.observed is not None
    ]
    if not rows:
        return None
    most = max(max(row["predicted"], row["observed"]) for row in rows)
    line = alt.Chart(_data([{"at": 0.0}, {"at": most}])).mark_line(color=GREY, strokeDash=[4, 4]).encode(x="at:Q", y="at:Q")
    colours = alt.Color("model:N", scale=alt.Scale(domain=["candidate", "champion"], range=[BLUE, ORANGE]), legend=alt.Legend(title=None))
    points = (
        alt.Chart(_data(rows))
        .mark_line(point=True)
        .encode(x=alt.X("predicted:Q", title="predicted"), y=alt.Y("observed:Q", title="observed"), color=colours)
    )
    return _drawn("Calibration", f"observed against predicted shares in {len(rows)} bins", line + points, height=260)


def lift_picture(candidate: Sequence[ReliabilityBin], champion: Sequence[ReliabilityBin]) -> Picture | None:
    """How many times more often the label comes among the rows with the best scores than among all, by share of the rows."""
    models = (("candidate", candidate), ("champion", champion))
    rows = [{"model": name, "share": share, "lift": lift} for name, bins in models for share, lift in lifts(bins)]
    if not rows:
        return None
    colours = alt.Color("model:N", scale=alt.Scale(domain=["candidate", "champion"], range=[BLUE, ORANGE]), legend=alt.Legend(title=None))
    x = alt.X("share:Q", title="share of the rows, best scores first", axis=alt.Axis(format="%"))
    chart = alt.Chart(_data(rows)).mark_line(point=True).encode(x=x, y=alt.Y("lift:Q", title="lift"), color=colours)
    return _drawn("Lift", f"lift of the best rows at {len(rows)} shares", chart, height=260)


def lifts(bins: Sequence[ReliabilityBin]) -> list[tuple[float, float]]:
    """The lift at each share of the rows, the best scores first; empty where no row has the label."""
    known = [(found.rows, found.rows * found.observed) for found in reversed(bins) if found.observed is not None]
    rows, labelled = (sum(column) for column in zip(*known, strict=True)) if known else (0, 0.0)
    if not labelled:
        return []
    reached = zip(accumulate(count for count, _ in known), accumulate(found for _, found in known), strict=True)
    return [(count / rows, found / count * rows / labelled) for count, found in reached]


def slices_picture(metric: str, slices: Mapping[str, Mapping[str, Interval]], *, compared: bool) -> Picture | None:
    """A metric, or its difference from the champion's, by slice with its interval; what is certainly worse has another colour."""
    known = [(name, found[metric]) for name, found in slices.items() if metric in found]
    whole = [(name, found) for name, found in known if found.low is not None and found.high is not None][:MOST_ROWS]
    if not whole:
        return None
    rows = [
        {
            "order": number,
            "slice": UNDRAWABLE.sub("\ufffd", name),
            "value": found.value,
            "low": found.low,
            "high": found.high,
            "kind": "worse" if compared and found.high is not None and found.high < 0 else "as it should be",
        }
        for number, (name, found) in enumerate(whole)
    ]
    title = f"difference of {metric}" if compared else metric
    colours = alt.Color("kind:N", scale=alt.Scale(domain=["as it should be", "worse"], range=[BLUE, ORANGE]), legend=None)
    base = alt.Chart(_data(rows)).encode(y=alt.Y("slice:N", title=None, sort=alt.SortField("order")), color=colours)
    share = alt.X("low:Q", title=title, scale=alt.Scale(zero=compared))
    chart = base.mark_rule().encode(x=share, x2="high:Q") + base.mark_point(filled=True, size=50).encode(x="value:Q")
    return _drawn(f"{title} by slice", f"{title} with intervals in {len(rows)} slices", chart, height=ROW_HEIGHT * len(rows))


def importance_picture(importance: Mapping[str, float]) -> Picture | None:
    """What the candidate's order rests on: by how much AUC falls without each feature, the greatest first."""
    rows = [{"order": number, "feature": name, "lost": lost} for number, (name, lost) in enumerate(importance.items())][:MOST_ROWS]
    if not rows:
        return None
    x = alt.X("lost:Q", title="AUC that is lost where its values are shuffled")
    chart = alt.Chart(_data(rows)).mark_bar(color=BLUE).encode(x=x, y=alt.Y("feature:N", title=None, sort=alt.SortField("order")))
    return _drawn("Importance", f"what {len(rows)} features are worth", chart, height=ROW_HEIGHT * len(rows))


def _data(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    return alt.Data(values=list(rows))


def _drawn(title: str, alternative: str, chart: alt.Chart, *, height: int) -> Picture:
    styled = chart.properties(width=WIDTH, height=height).configure(font="system-ui, sans-serif", background="transparent")
    svg = vl_convert.vegalite_to_svg(styled.configure_view(stroke=None).to_dict(validate=False), vl_version=VEGA_LITE)
    return Picture(title, alternative, svg)
