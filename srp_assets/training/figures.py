"""What a training set's card tells, as sums that can be added up: over the files of a day, and over the days of a training range."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.training.schema import CLICKED, TrainingSchema
from srp_assets.training.weights import effective_rows

DELAY_BOUNDS: Mapping[str, float] = {"a minute": 60, "an hour": 3_600, "a day": 86_400, "3 days": 259_200, "a week": 604_800}
"""Within what time labels come, in seconds: the card counts each."""


@dataclass
class LabelFigures:
    """Of one label: rows that have it, the sum of their amounts, and how many came within each of `DELAY_BOUNDS`."""

    positives: int = 0
    amount: float = 0.0
    within: dict[str, int] = field(default_factory=dict)


@dataclass
class FeatureFigures:
    """Of one feature: rows that have a value, and of numbers their sums."""

    known: int = 0
    sum: float = 0.0
    square_sum: float = 0.0

    def mean(self) -> float | None:
        """The mean of known numbers."""
        return self.sum / self.known if self.known else None

    def deviation(self) -> float | None:
        """The standard deviation of known numbers."""
        mean = self.mean()
        return None if mean is None else max(0.0, self.square_sum / self.known - mean**2) ** 0.5


@dataclass
class Figures:
    """Of some rows of a set.

    Args:
        rows: in the set.
        without_features: impressions that are not in the set, since nobody served them features.
        first_time: of the first impression, in microseconds since 1970; None without rows.
        last_time: of the last one.
        explored: rows that chance chose.
        final: rows whose labels are final.
        with_propensity: rows with a logged probability.
        weight_sum: of all rows.
        weight_square_sum: of all rows.
        largest_weight: of any row.
        labels: by label.
        positions: rows and clicks by place.
        features: by feature.
    """

    rows: int = 0
    without_features: int = 0
    first_time: int | None = None
    last_time: int | None = None
    explored: int = 0
    final: int = 0
    with_propensity: int = 0
    weight_sum: float = 0.0
    weight_square_sum: float = 0.0
    largest_weight: float = 0.0
    labels: dict[str, LabelFigures] = field(default_factory=dict)
    positions: dict[str, list[int]] = field(default_factory=dict)
    features: dict[str, FeatureFigures] = field(default_factory=dict)

    @property
    def effective_rows(self) -> float:
        """So many rows of equal weight tell as much."""
        return effective_rows(self.weight_sum, self.weight_square_sum)

    def add(self, schema: TrainingSchema, rows: pa.Table) -> None:
        """Counts rows of a set."""
        if rows.num_rows == 0:
            return
        times = pc.min_max(pc.cast(rows["event_time"], pa.int64())).as_py()
        weights = rows["weight"].to_numpy()
        self.merge(
            Figures(
                rows=rows.num_rows,
                first_time=times["min"],
                last_time=times["max"],
                explored=_count(rows["explored"]),
                final=_count(pc.equal(rows["label_state"], "final")),
                with_propensity=rows.num_rows - rows["propensity"].null_count,
                weight_sum=float(weights.sum()),
                weight_square_sum=float((weights**2).sum()),
                largest_weight=float(weights.max()),
                labels={label: _label_figures(rows, label) for label in schema.labels},
                positions=_positions(rows),
                features={name: _feature_figures(rows[name], is_number=type_ == "number") for name, type_ in schema.features.items()},
            )
        )

    def merge(self, other: "Figures") -> None:
        """Adds what was counted elsewhere."""
        for name in ("rows", "without_features", "explored", "final", "with_propensity", "weight_sum", "weight_square_sum"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.largest_weight = max(self.largest_weight, other.largest_weight)
        self.first_time = min((time for time in (self.first_time, other.first_time) if time is not None), default=None)
        self.last_time = max((time for time in (self.last_time, other.last_time) if time is not None), default=None)
        for label, found in other.labels.items():
            own = self.labels.setdefault(label, LabelFigures())
            own.positives += found.positives
            own.amount += found.amount
            own.within = {bound: own.within.get(bound, 0) + found.within.get(bound, 0) for bound in DELAY_BOUNDS}
        for position, (rows, clicks) in other.positions.items():
            before = self.positions.setdefault(position, [0, 0])
            self.positions[position] = [before[0] + rows, before[1] + clicks]
        for name, feature in other.features.items():
            mine = self.features.setdefault(name, FeatureFigures())
            mine.known += feature.known
            mine.sum += feature.sum
            mine.square_sum += feature.square_sum

    def as_dict(self) -> dict[str, Any]:
        """The form in which manifests and the registry keep it."""
        return asdict(self)

    @classmethod
    def of_dict(cls, kept: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        labels = {name: LabelFigures(**found) for name, found in kept["labels"].items()}
        features = {name: FeatureFigures(**found) for name, found in kept["features"].items()}
        positions = {place: list(found) for place, found in kept["positions"].items()}
        return cls(**{**kept, "labels": labels, "features": features, "positions": positions})


def merged(parts: Iterable[Mapping[str, Any]]) -> Figures:
    """The figures of several parts together."""
    whole = Figures()
    for part in parts:
        whole.merge(Figures.of_dict(part))
    return whole


def _label_figures(rows: pa.Table, label: str) -> LabelFigures:
    name = "click" if label == CLICKED else label
    delays = rows[f"{name}_delay_seconds"]
    within = {bound: _count(pc.less_equal(delays, seconds)) for bound, seconds in DELAY_BOUNDS.items()}
    amount = 0.0 if label == CLICKED else pc.sum(rows[f"{label}_amount"]).as_py() or 0.0
    return LabelFigures(_count(rows[label]), float(amount), within)


def _positions(rows: pa.Table) -> dict[str, list[int]]:
    places, inverse = np.unique(rows["position"].to_numpy(), return_inverse=True)
    clicks = np.bincount(inverse, weights=rows[CLICKED].to_numpy().astype(float), minlength=len(places))
    shown = np.bincount(inverse, minlength=len(places))
    return {str(place): [int(count), int(hits)] for place, count, hits in zip(places.tolist(), shown, clicks, strict=True)}


def _feature_figures(column: pa.ChunkedArray, *, is_number: bool) -> FeatureFigures:
    known = len(column) - column.null_count
    if not is_number or not known:
        return FeatureFigures(known)
    total = pc.sum(column).as_py()
    return FeatureFigures(known, float(total), float(pc.sum(pc.multiply(column, column)).as_py()))


def _count(column: pa.ChunkedArray) -> int:
    return int(pc.sum(pc.cast(column, pa.int64())).as_py() or 0)
