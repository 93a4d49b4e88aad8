"""Records of built days of a training set, with the figures of made rows."""

from datetime import UTC, datetime
from typing import Any

from srp_assets.training.figures import Figures
from srp_assets.training.registry import SetBuild
from srp_assets.training.weights import WeightRule
from support.training_sets import SCHEMA, set_table


def build_of(day: str, number: int, rows: int) -> SetBuild:
    """The record of a day; `number` is its identity, that of the features' build, and the seed of its rows."""
    figures = Figures()
    figures.add(SCHEMA, set_table(day, rows, seed=number))
    kept: dict[str, Any] = figures.as_dict() | {
        "weights": WeightRule("given", 20.0, 3.0, None).as_dict(),
        "lists": {},
        "features_build": number,
        "logs_build": 2,
    }
    return SetBuild(number, "identity", day, f"reads-{number}", number, f"sets/{day}", rows, 10, kept, datetime.now(UTC), None)
