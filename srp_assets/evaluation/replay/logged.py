"""What replay works on: what a logging policy chose, what came of it, and how likely another policy, the *target*, is to choose the same.

A row is one choice: the item of one place of a request. Its *ratio* is the target's probability of the item over the logging policy's,
given the request and the place. All estimators ask that the logging policy gave every item that the target may choose some probability
(*overlap*); nothing in a log can prove that, so diagnostics accompany every value.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.evaluation.arrays import Codes, Floats, Keys, Places


@dataclass(frozen=True)
class LoggedChoices:
    """Choices, ordered by request and place; arrays of shape (rows,) but `request_key`.

    Args:
        request: number of the request, from 0, ascending.
        request_key: what identifies each request everywhere, shape (requests,).
        position: place on the page, from 1.
        reward: what came of it: clicks, orders, amounts.
        propensity: the logging policy's probability of the item.
        target: the target's.
        predicted: a model's expected reward of the item that was chosen; 0 without a model.
        predicted_under_target: its expectation over the items that the target would choose; 0 without a model.
    """

    request: Codes
    request_key: Keys
    position: Places
    reward: Floats
    propensity: Floats
    target: Floats
    predicted: Floats
    predicted_under_target: Floats

    @property
    def rows(self) -> int:
        """How many choices there are."""
        return len(self.request)

    @property
    def requests(self) -> int:
        """How many requests there are."""
        return len(self.request_key)

    @cached_property
    def ratio(self) -> Floats:
        """Target over logging policy, shape (rows,)."""
        return self.target / self.propensity

    @cached_property
    def digest(self) -> str:
        """What was logged, whatever the target would choose."""
        seen = blake2b(digest_size=16)
        for column in (self.request_key[self.request], self.position, self.reward, self.propensity):
            seen.update(np.ascontiguousarray(column).data)
        return seen.hexdigest()

    @cached_property
    def begins(self) -> Places:
        """Where each request begins, and the number of rows; shape (requests + 1,)."""
        return np.searchsorted(self.request, np.arange(self.requests + 1)).astype(np.int64)


def logged_choices(
    *,
    request: Codes,
    request_key: Keys,
    position: Places,
    reward: Floats,
    propensity: Floats,
    target: Floats,
    predicted: Floats | None = None,
    predicted_under_target: Floats | None = None,
) -> LoggedChoices:
    """Checks choices and puts them in order; the arguments are those of `LoggedChoices`.

    Raises:
        InvalidInput: if an array has another length, a probability is none, a logged choice was impossible, or one prediction has no other.
    """
    rows = len(request)
    if (predicted is None) != (predicted_under_target is None):
        raise InvalidInput("predictions of what was chosen and of what the target chooses belong together", remedy="give both or none")
    columns = {
        "position": position,
        "reward": reward,
        "propensity": propensity,
        "target": target,
        "predicted": np.zeros(rows) if predicted is None else predicted,
        "predicted_under_target": np.zeros(rows) if predicted_under_target is None else predicted_under_target,
    }
    for name, column in columns.items():
        if column.shape != (rows,) or not np.isfinite(column).all():
            raise InvalidInput(f"{name} is not one finite number for each of {rows} choices", remedy="leave out rows without it")
    for name, column, least in (("propensity", propensity, 0.0), ("target", target, -1.0)):
        if not ((column > least) & (column >= 0) & (column <= 1)).all():
            raise InvalidInput(
                f"a {name} is no probability of a choice", remedy="propensities lie above 0 and up to 1, targets from 0 to 1"
            )
    if rows and not (np.bincount(request, minlength=len(request_key)) > 0).all():
        raise InvalidInput("a request has no choice", remedy="number requests from 0 without gaps")
    order = np.lexsort((position, request))
    return LoggedChoices(
        request=np.asarray(request, np.int32)[order],
        request_key=np.asarray(request_key, np.uint64),
        position=np.asarray(position, np.int64)[order],
        **{name: np.asarray(column, float)[order] for name, column in columns.items() if name != "position"},
    )
