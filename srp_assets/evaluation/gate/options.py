"""What the gate asks of a model."""

from collections.abc import Mapping
from typing import Self

from pydantic import Field

from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Strict

FIRST_MODEL_FLOORS: Mapping[str, float] = {"auc": 0.55, "gauc": 0.52}
"""What a first model's intervals must lie above: better than chance, also within users. Arbitrary beyond that."""

TOLERANCES: Mapping[str, float] = {"gauc": 0.002, "log_loss": 0.002}
"""By how much other metrics may certainly be worse than the champion's."""


class GateOptions(Strict):
    """The demands.

    Args:
        metric: by which quality is judged.
        least_gain: the interval of its gain over the champion must lie above this.
        too_good: a gain above it is held for a person's approval.
        tolerances: by how much each of these metrics may be worse than the champion's, for certain.
        slice_tolerance: by how much the metric may be worse in a slice, or of another step of the funnel, for certain.
        least_labelled: rows with the label that an evaluation needs.
        floors: what the lower bounds of a first model's metrics must reach.
        calibration: bounds of predicted over observed, which the interval must touch.
        parity_days: how many days up to the end of training must have a passing parity record.
        oldest_days: records older than so many days count no more.
        replay_tolerance: by how much, as a share of the value, the policy may be worse than the one it replaces, for certain.
        least_effective_rows: choices that a replay must rest on.
        needs_experiment: whether a verdict of an online experiment is asked of a champion.
    """

    metric: str = "auc"
    least_gain: float = 0.0
    too_good: float = Field(0.02, gt=0)
    tolerances: Mapping[str, float] = TOLERANCES
    slice_tolerance: float = Field(0.01, ge=0)
    least_labelled: int = Field(100, ge=1)
    floors: Mapping[str, float] = FIRST_MODEL_FLOORS
    calibration: tuple[float, float] = (0.8, 1.25)
    parity_days: int = Field(3, ge=1)
    oldest_days: int = Field(7, ge=1)
    replay_tolerance: float = Field(0.02, ge=0)
    least_effective_rows: float = Field(1_000, ge=1)
    needs_experiment: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The demands of a home: each of them is a setting of its own."""
        return cls(**{name: getattr(settings, f"gate_{name}") for name in cls.model_fields})
