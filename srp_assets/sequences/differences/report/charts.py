"""Charts of differences as static SVG: they need no browser and load nothing. Altair describes them and vl-convert draws them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert

from srp_assets.sequences.differences.model import DayFigures
from srp_assets.sequences.stages import STAGES

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

WIDTH, HEIGHT = 460, 220


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
        """The picture for metadata in the Dagster UI."""
        return f"![{self.title}]({self.data_uri})"


def pictures_of(days: Sequence[DayFigures]) -> list[Picture]:
    """The rate of each cause over days, the overlap of each stage over days, and the newest day's overlap by band of positions.

    Args:
        days: in order, the newest last; at least one.
    """
    rates = [{"day": day.day, "cause": own.cause, "rate": own.rate} for day in days for own in day.causes]
    overlaps = [{"day": day.day, "stage": stage, "overlap": own.overlap} for day in days for stage, own in day.repeats.items()]
    bands = [
        {"stage": stage, "positions": band, "order": order, "same": same}
        for stage, own in days[-1].repeats.items()
        for order, (band, same) in enumerate(own.by_band.items())
    ]
    found = []
    if rates:
        found.append(_lines("Causes over days", rates, "rate", "cause", None))
    if overlaps:
        found.append(_lines("Repeat rate over days", overlaps, "overlap", "stage", list(STAGES)))
    if bands:
        chart = (
            alt.Chart(alt.Data(values=bands))
            .mark_bar()
            .encode(
                x=alt.X("positions:N", sort=alt.SortField("order"), title="positions, from the newest"),
                xOffset=alt.XOffset("stage:N", sort=list(STAGES)),
                y=alt.Y("same:Q", title="share with the same action", axis=alt.Axis(format="%")),
                color=alt.Color("stage:N", sort=list(STAGES), legend=alt.Legend(title=None)),
            )
        )
        found.append(_drawn("Repeat rate by position", f"shares of same actions in {len(bands)} bands", chart))
    return found


def _lines(title: str, rows: Sequence[Mapping[str, Any]], value: str, colour: str, order: list[str] | None) -> Picture:
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(point=True)
        .encode(
            x=alt.X("day:T", title=None),
            y=alt.Y(f"{value}:Q", title="share", axis=alt.Axis(format="%"), scale=alt.Scale(zero=value == "rate")),
            color=alt.Color(f"{colour}:N", sort=order, legend=alt.Legend(title=None)),
        )
    )
    return _drawn(title, f"{value} of {len({row[colour] for row in rows})} lines on {len({row['day'] for row in rows})} days", chart)


def _drawn(title: str, alternative: str, chart: Any) -> Picture:
    styled = chart.properties(width=WIDTH, height=HEIGHT).configure(font="system-ui, sans-serif", background="transparent")
    svg = vl_convert.vegalite_to_svg(styled.configure_view(stroke=None).to_dict(validate=False), vl_version=VEGA_LITE)
    return Picture(title, alternative, svg)
