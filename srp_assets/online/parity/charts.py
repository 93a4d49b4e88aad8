"""Charts of a parity record as static SVG, for metadata in the Dagster UI: they need no browser and load nothing.

Altair describes them and vl-convert draws them. All texts in them are names of features, which are plain ASCII by their declaration.
"""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from srp_assets.online.parity.drift import FeatureDrift
from srp_assets.online.parity.registry import FeatureParity, ParityRecord

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

WIDTH = 460
MOST_BARS = 20
"""Features in a chart: the record has all."""

BLUE, ORANGE = "#4c78a8", "#f58518"


def parity_charts(record: ParityRecord) -> dict[str, str]:
    """What a record shows, as Markdown by title: the features with the most differing values, and the means that lie farthest apart."""
    found = list(record.features.values())
    return {
        "differing values": _bars("share of rows that differ", [(own.feature, own.mismatch_rate, own.passed) for own in found]),
        "difference of means": _bars("difference of means in standard deviations", [_distance(own) for own in found]),
    }


def drift_chart(drifts: Sequence[FeatureDrift]) -> str:
    """The features that moved most, as Markdown."""
    return _bars("population stability index", [(drift.feature, drift.index, not drift.drifted) for drift in drifts])


def _distance(found: FeatureParity) -> tuple[str, float, bool]:
    if found.online_mean is None or found.offline_mean is None:
        return found.feature, 0.0, found.passed
    spread = math.sqrt(found.offline_variance or 0.0) or abs(found.offline_mean) or 1.0
    return found.feature, abs(found.online_mean - found.offline_mean) / spread, found.passed


def _bars(title: str, values: Iterable[tuple[str, float, bool]]) -> str:
    """A bar for each feature, the longest first; what failed or drifted has another colour."""
    shown = sorted(values, key=lambda value: (-value[1], value[0]))[:MOST_BARS]
    rows: list[Mapping[str, Any]] = [
        {"feature": name, "value": value, "verdict": "passed" if passed else "failed"} for name, value, passed in shown
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=title),
            y=alt.Y("feature:N", title=None, sort=None),
            color=alt.Color("verdict:N", scale=alt.Scale(domain=["passed", "failed"], range=[BLUE, ORANGE]), legend=None),
        )
        .properties(width=WIDTH)
        .configure(font="system-ui, sans-serif", background="transparent")
        .configure_view(stroke=None)
    )
    # What is drawn is this module's own: checking it against the schema would take longer than drawing it.
    svg = vl_convert.vegalite_to_svg(chart.to_dict(validate=False), vl_version=VEGA_LITE)
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"
