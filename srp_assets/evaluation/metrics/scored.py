"""What is evaluated: impressions with a model's scores and what came of them, for one step of the funnel.

A *unit* is who can act by themselves, and is what the bootstrap draws: the user, or the request where no user is known.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.arrays import Codes, Flags, Floats, Keys, Places


@dataclass(frozen=True)
class ScoredRows:
    """Impressions of which the label is known, all arrays of shape (rows,) but `unit_key`.

    Args:
        place: the row of the table that it comes from.
        unit: number of the unit, from 0.
        unit_key: what identifies each unit everywhere, shape (units,): the same user has the same key in any other set of rows.
        request: number of the request, from 0.
        score: what the model gave; a probability where `probabilities`.
        label: whether the step was reached.
        weight: what the row counts for: 1, or its inverse propensity.
        amount: what was sold by it, in the currency of the log; 0 where nothing was.
        given_away: what the platform paid for that (coupons), likewise.
        probabilities: whether scores are probabilities of the label; scores of rankers are not.
        without_label: how many rows were left out because their label is not known.
    """

    place: Places
    unit: Codes
    unit_key: Keys
    request: Codes
    score: Floats
    label: Flags
    weight: Floats
    amount: Floats
    given_away: Floats
    probabilities: bool = True
    without_label: int = 0

    @property
    def rows(self) -> int:
        """How many impressions there are."""
        return len(self.score)

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self.unit_key)

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return int(self.request.max()) + 1 if self.rows else 0

    @cached_property
    def unit_of_request(self) -> Codes:
        """The unit that made each request, shape (requests,)."""
        units = np.zeros(self.requests, np.int32)
        units[self.request] = self.unit
        return units

    @cached_property
    def ascending(self) -> Places:
        """The rows in order of their scores; equal scores in any order."""
        return np.argsort(self.score)

    def part(self, kept: Flags) -> "ScoredRows":
        """Some of the rows, as if there were no others; `kept` has shape (rows,)."""
        unit, units = _numbered(self.unit[kept], self.units)
        request, _ = _numbered(self.request[kept], self.requests)
        return replace(
            self,
            unit=unit,
            unit_key=self.unit_key[units],
            request=request,
            **{name: getattr(self, name)[kept] for name in ("place", "score", "label", "weight", "amount", "given_away")},
            without_label=0,
        )

    def weighted(self, weight: Floats) -> "ScoredRows":
        """The same rows with other weights; `weight` is of each row of the table."""
        return replace(self, weight=_checked_weights(weight, len(weight))[self.place])

    @cached_property
    def digest(self) -> str:
        """What the rows are, whatever their scores: two models were judged on the same rows if it is the same."""
        seen = blake2b(digest_size=16)
        for column in (self.unit_key[self.unit], self.request, self.label, self.weight, self.amount, self.given_away):
            seen.update(np.ascontiguousarray(column).data)
        return seen.hexdigest()


def scored_rows(
    table: pa.Table,
    score: Floats,
    label: str,
    *,
    amount: str | None = None,
    given_away: str | None = None,
    weight: Floats | None = None,
    probabilities: bool = True,
) -> ScoredRows:
    """Rows of a training set with scores, as metrics take them.

    Args:
        table: rows with at least `user_id`, `trace_id` and the columns that are named here.
        score: the model's score of each row, float64, shape (rows,).
        label: name of the label's column; rows in which it is null are left out and counted.
        amount: column of what was sold; null is nothing.
        given_away: column of what coupons cost; null is nothing.
        weight: what each row counts for, shape (rows,); 1 without it.
        probabilities: whether scores are probabilities.

    Raises:
        InvalidInput: if a score is missing, no number or no probability, or a weight is negative.
    """
    checked_score = _checked_scores(score, table.num_rows, probabilities)
    checked_weight = _checked_weights(np.ones(table.num_rows) if weight is None else weight, table.num_rows)
    labels = table.column(label).combine_chunks()
    known = pc.is_valid(labels).to_numpy(zero_copy_only=False)
    request, _ = _codes(table.column("trace_id"))
    unit, unit_key = _units(table, request)
    whole = ScoredRows(
        place=np.arange(table.num_rows),
        unit=unit,
        unit_key=unit_key,
        request=request,
        score=checked_score,
        label=pc.fill_null(labels, False).cast(pa.bool_()).to_numpy(zero_copy_only=False).copy(),
        weight=checked_weight,
        amount=_amounts(table, amount),
        given_away=_amounts(table, given_away),
        probabilities=probabilities,
    )
    return whole if known.all() else replace(whole.part(known), without_label=int((~known).sum()))


def _checked_scores(score: Floats, rows: int, probabilities: bool) -> Floats:
    score = np.array(score, float)
    if score.shape != (rows,):
        raise InvalidInput(f"{score.size} scores for {rows} rows", remedy="give one score for each row")
    missing = int(np.isnan(score).sum())
    if missing:
        raise InvalidInput(f"{missing} of {rows} rows have no score", remedy="a model must score every row that it is judged by")
    if probabilities and rows and not (score.min() >= 0 and score.max() <= 1):
        raise InvalidInput(f"a score is no probability: {score.min():g} to {score.max():g}", remedy="say that scores are no probabilities")
    return score


def _checked_weights(weight: Floats, rows: int) -> Floats:
    weight = np.array(weight, float)
    if weight.shape != (rows,) or not (np.isfinite(weight) & (weight >= 0)).all():
        raise InvalidInput("weights must be one finite number for each row, none below 0", remedy="clip inverse propensities first")
    return weight


def _amounts(table: pa.Table, column: str | None) -> Floats:
    if column is None:
        return np.zeros(table.num_rows)
    return pc.fill_null(table.column(column), 0.0).to_numpy().astype(float)


def _units(table: pa.Table, request: Codes) -> tuple[Codes, Keys]:
    """Users, and after them the requests of nobody."""
    unit, unit_key = _codes(table.column("user_id"))
    of_nobody = unit < 0
    if not of_nobody.any():
        return unit, unit_key
    traces, trace_key = _codes(table.column("trace_id").filter(pa.array(of_nobody)))
    unit = unit.copy()
    unit[of_nobody] = traces + len(unit_key)
    return unit, np.concatenate([unit_key, trace_key])


def _codes(column: pa.ChunkedArray) -> tuple[Codes, Keys]:
    """Numbers for the values of a column, -1 for null, and the key of each number."""
    # pandas takes a while to import, and whoever loads definitions needs none of it.
    from pandas.util import hash_array

    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], pa.string()).dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    values = encoded.dictionary.cast(pa.string()).to_numpy(zero_copy_only=False)
    return codes, np.array(hash_array(values, categorize=False), np.uint64)


def _numbered(codes: Codes, count: int) -> tuple[Codes, Places]:
    """Codes without gaps, and the old code of each new one."""
    used = np.zeros(count, bool)
    used[codes] = True
    old = np.flatnonzero(used)
    new = np.zeros(count, np.int32)
    new[old] = np.arange(len(old), dtype=np.int32)
    return new[codes], old
