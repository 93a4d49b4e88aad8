"""A model on a training set's rows that it was not trained on: every step of the funnel, unweighted and weighted, and every slice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput, nearest
from srp_assets.evaluation.arrays import Floats
from srp_assets.evaluation.metrics.measuring import Measured, MetricOptions, measure
from srp_assets.evaluation.metrics.scored import ScoredRows, scored_rows
from srp_assets.evaluation.metrics.slices import dimensions, measured_parts
from srp_assets.training.schema import CLICKED
from srp_assets.training.weights import raw_weights

FINAL = "final"
"""The state of rows to which no label can come any more; of others a missing label says nothing."""


@dataclass(frozen=True)
class EvaluationOptions:
    """What is evaluated, and how.

    Args:
        metrics: how metrics are taken.
        largest_weight: inverse propensities above it are cut to it.
        sales: the step whose amounts are sold.
        given_away: the step whose amounts the platform paid; None if there is none.
        prompt_labels: labels that are known of every row, although others of it may still come: those that come within the gap between
            training and judged days. Amounts of such rows are those so far.
    """

    metrics: MetricOptions = MetricOptions()
    largest_weight: float = 20.0
    sales: str = "order"
    given_away: str | None = "coupon"
    prompt_labels: frozenset[str] = frozenset({CLICKED})

    @classmethod
    def of_steps(cls, steps: Sequence[str]) -> Self:
        """Of a funnel: `order` is sold and `coupon` given away where there are such steps, otherwise the last step is sold."""
        sales = cls.sales if cls.sales in steps else next(reversed(steps), cls.sales)
        return cls(sales=sales, given_away=cls.given_away if cls.given_away in steps else None)

    @property
    def amounts(self) -> tuple[str, ...]:
        """The columns of the amounts: of what was sold, and of what was given away if that is declared."""
        return tuple(f"{step}_amount" for step in (self.sales, self.given_away) if step is not None)


@dataclass(frozen=True)
class StepEvaluation:
    """A model on one step of the funnel.

    Args:
        even: every row counts once.
        weighted: rows count by their inverse propensity, as if the policy had shown everything as often.
        slices: every row once, by `dimension/part`.
    """

    even: Measured
    weighted: Measured
    slices: Mapping[str, Measured]


def evaluate(
    table: pa.Table,
    scores: Mapping[str, Floats],
    options: EvaluationOptions,
    *,
    seen_users: Collection[str],
    seen_items: Collection[str],
    probabilities: bool = True,
) -> dict[str, StepEvaluation]:
    """Evaluates a model on every step that it scores.

    Args:
        table: rows of a training set (`training/schema.py`) with `user_id`, `trace_id`, `item_id`, `market`, `page`, `position`,
            `event_time`, `propensity`, `label_state`, the labels that are scored, and the amounts that `options` names.
        scores: by label, float64, shape (rows,).
        options: what is evaluated.
        seen_users: the users that the model was trained on.
        seen_items: the items likewise.
        probabilities: whether scores are probabilities.

    Raises:
        InvalidInput: if a column is missing, or scores cannot be judged.
    """
    for name in (*scores, *options.amounts):
        if name not in table.column_names:
            raise InvalidInput(f"rows have no column {name!r}", where="training set", remedy=nearest(name, table.column_names))
    divided = dimensions(table, seen_users, seen_items)
    propensity = pc.fill_null(table.column("propensity"), float("nan")).to_numpy()
    weight = raw_weights("given", options.largest_weight, propensity, propensity, propensity, None)
    found = {}
    for step, score in scores.items():
        rows = judged_rows(table, score, step, options, probabilities=probabilities)
        slices = {
            f"{name}/{part}": measured for name, of in divided.items() for part, measured in measured_parts(rows, of, options.metrics)
        }
        weighted = measure(rows.weighted(weight), options.metrics)
        found[step] = StepEvaluation(measure(rows, options.metrics), weighted, slices)
    return found


def judged_rows(table: pa.Table, score: Floats, step: str, options: EvaluationOptions, *, probabilities: bool) -> ScoredRows:
    """The rows of a training set by which a step is judged: those whose label cannot come any more, or has had its time."""
    if step not in options.prompt_labels:
        is_final = pc.fill_null(pc.equal(table.column("label_state"), FINAL), False)
        labels = pc.if_else(is_final, table.column(step), pa.scalar(None, pa.bool_()))
        table = table.set_column(table.column_names.index(step), step, labels)
    sold, *given_away = options.amounts
    return scored_rows(table, score, step, amount=sold, given_away=next(iter(given_away), None), probabilities=probabilities)
