"""A picture of a version for the Dagster UI: its items along the two directions in which they differ most, coloured by market."""

import base64

import altair as alt
import numpy as np
import pyarrow as pa
import vl_convert
from sklearn.decomposition import PCA

from srp_assets.embeddings.vectors import ItemVectors

VEGA_LITE = alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]

WIDTH, HEIGHT = 460, 360
MOST_POINTS = 1_500
"""More hide one another, and make the metadata heavy."""


def projection(found: ItemVectors) -> np.ndarray:
    """The directions along their two principal components; shape (items, 2)."""
    if len(found.ids) < 2:
        return np.zeros((len(found.ids), 2))
    return PCA(n_components=2, svd_solver="full").fit_transform(np.nan_to_num(found.directions.astype(np.float64)))


def picture(found: ItemVectors, markets: pa.Array) -> str:
    """The picture, as Markdown.

    Args:
        found: the vectors, the most frequent items first.
        markets: of the items, in the order of the ids.
    """
    shown = min(len(found.ids), MOST_POINTS)
    flat = projection(ItemVectors(found.version, found.ids.slice(0, shown), found.vectors[:shown]))
    # Names of markets reach the drawing as numbers of their order: whatever characters they have, vl-convert never sees them.
    codes = markets.slice(0, shown).dictionary_encode().indices.fill_null(-1).to_pylist()
    rows = [{"x": round(float(x), 4), "y": round(float(y), 4), "market": code} for (x, y), code in zip(flat, codes, strict=True)]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_circle(size=18, opacity=0.6)
        .encode(
            x=alt.X("x:Q", title="first component"),
            y=alt.Y("y:Q", title="second component"),
            color=alt.Color("market:N", scale=alt.Scale(scheme="tableau10"), legend=None),
        )
        .properties(width=WIDTH, height=HEIGHT)
        .configure(font="system-ui, sans-serif", background="transparent")
        .configure_view(stroke=None)
    )
    # What is drawn is this module's own: checking it against the schema would take longer than drawing it.
    svg = vl_convert.vegalite_to_svg(chart.to_dict(validate=False), vl_version=VEGA_LITE)
    return f"![items by market](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"
