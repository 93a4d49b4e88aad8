"""What encoding learned from the training rows: vocabularies, edges of buckets, means and deviations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.models.config.inputs import DEFAULT_SPACE, Bucketed, Encoded, Number, Vocabulary
from srp_assets.models.deep.encoding.columns import as_numbers, as_texts

FORMAT = 1
"""Of the file; another meaning of what it holds raises it."""


@dataclass(frozen=True)
class EncoderState:
    """Fitted once, from a sample of the training rows, and kept with the model.

    Args:
        values: by input, the values of its vocabulary in the order of their rows.
        edges: by input, where the next bucket begins.
        scales: by input, mean and standard deviation after its transformation.
        list_space: rows of lists that state no space.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    list_space: int = DEFAULT_SPACE

    def as_text(self) -> str:
        """As JSON."""
        content = {"format": FORMAT, "values": self.values, "edges": self.edges, "scales": self.scales, "list_space": self.list_space}
        return json.dumps(content, ensure_ascii=False)


def state_of(text: str, *, where: str) -> EncoderState:
    """The state that `as_text` wrote.

    Raises:
        InvalidInput: if it is of a form that this version does not know.
    """
    found = json.loads(text)
    if found.get("format") != FORMAT:
        raise InvalidInput(f"the encoder's state has format {found.get('format')}", where=where, remedy="train the model again")
    return EncoderState(
        values={name: tuple(values) for name, values in found["values"].items()},
        edges={name: tuple(edges) for name, edges in found["edges"].items()},
        scales={name: (mean, deviation) for name, (mean, deviation) in found["scales"].items()},
        list_space=found["list_space"],
    )


def fit_state(inputs: Sequence[Encoded], sample: pa.Table) -> EncoderState:
    """Learns what the inputs need from a sample of the training rows.

    Args:
        inputs: with their encodings.
        sample: rows with the columns of `fitted_columns`.
    """
    values, edges, scales = {}, {}, {}
    for found in inputs:
        if isinstance(found, Vocabulary):
            values[found.name] = _vocabulary(as_texts(sample.column(found.feature)), found.least_rows)
        elif isinstance(found, Bucketed):
            edges[found.name] = found.edges or _quantiles(as_numbers(sample.column(found.feature)), found.quantiles or 2)
        elif isinstance(found, Number):
            scales[found.name] = _scale(transformed(as_numbers(sample.column(found.feature)), found), found)
    return EncoderState(values, edges, scales)


def fitted_columns(inputs: Sequence[Encoded]) -> tuple[str, ...]:
    """The features that fitting looks at."""
    return tuple(dict.fromkeys(found.feature for found in inputs if isinstance(found, (Vocabulary, Bucketed, Number))))


def transformed(numbers: np.ndarray, found: Number) -> np.ndarray:
    """A column before its mean is taken off; what is missing stays nan."""
    return np.sign(numbers) * np.log1p(np.abs(numbers)) if found.normalization == "log" else numbers


def _vocabulary(texts: pa.Array, least_rows: int) -> tuple[str, ...]:
    """The values that enough rows have: those of most rows first, the smaller text first where as many have it."""
    counts = pc.value_counts(texts.drop_null())
    pairs = zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)
    return tuple(value for value, _ in sorted((pair for pair in pairs if pair[1] >= least_rows), key=lambda pair: (-pair[1], pair[0])))


def _quantiles(numbers: np.ndarray, quantiles: int) -> tuple[float, ...]:
    """The edges between as many intervals that hold as many rows each; fewer where values repeat."""
    known = numbers[np.isfinite(numbers)]
    if len(known) == 0:
        return ()
    return tuple(float(edge) for edge in np.unique(np.quantile(known, np.arange(1, quantiles) / quantiles)))


def _scale(numbers: np.ndarray, found: Number) -> tuple[float, float]:
    """Mean and standard deviation of what is known; a column that never varies is only centred."""
    known = numbers[np.isfinite(numbers)]
    if found.normalization == "none" or len(known) == 0:
        return 0.0, 1.0
    deviation = float(known.std())
    return float(known.mean()), deviation if deviation > 0 else 1.0
