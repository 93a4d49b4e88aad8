"""What people read of features: the table that follows from the declarations, so that it cannot differ from what is computed."""

from dataclasses import dataclass
from typing import Any

from srp_assets.features.declaration.definitions import Definitions, Feature
from srp_assets.features.declaration.functions import FUNCTIONS
from srp_assets.features.declaration.model import Aggregated, DecayedSum, Derived, EventFilter, Rate, Shift, Top


@dataclass(frozen=True)
class DocumentedFeature:
    """One line of the table; `definition` says in one phrase what is computed."""

    name: str
    about: str
    definition: str
    window: str
    type: str
    default: Any
    unit: str
    description: str
    owner: str
    inputs: tuple[str, ...]
    version: str


def documentation(definitions: Definitions) -> list[DocumentedFeature]:
    """All features, in the order in which they are computed."""
    return [_documented(definitions, feature) for feature in definitions.features.values()]


def _documented(definitions: Definitions, feature: Feature) -> DocumentedFeature:
    declared = feature.declared
    return DocumentedFeature(
        name=feature.name,
        about=" x ".join(definitions.entities[declared.entity]) if isinstance(declared, Aggregated) else "",
        definition=_of_events(declared) if isinstance(declared, Aggregated) else _of_inputs(declared),
        window=_window(feature),
        type=feature.value_type,
        default=declared.default,
        unit=declared.unit,
        description=declared.description,
        owner=feature.owner,
        inputs=feature.inputs,
        version=feature.version,
    )


def _of_events(declared: Aggregated) -> str:
    """`rate of click by impression`, `top 5 of category in click or order, half-life 14 days`."""
    words = [declared.aggregation.replace("_", " ")]  # type: ignore[attr-defined]
    if isinstance(declared, Top):
        words.append(str(declared.size))
    column = getattr(declared, "column", None)
    words.append(f"of {column} in {_events(declared.event)}" if column else f"of {_events(declared.event)}")
    if isinstance(declared, Rate):
        words.append(f"by {_events(declared.of)}")
        if declared.smoothing:
            words.append(f"smoothed by {declared.smoothing.strength:g} at {declared.smoothing.prior:g}")
    if isinstance(declared, Shift):
        words.append(f"against {declared.compared_days} days")
    half_life = declared.half_life_days if isinstance(declared, DecayedSum | Top) else None
    return " ".join(words) + (f", half-life {half_life} days" if half_life else "")


def _events(filter_: EventFilter) -> str:
    tests = [
        f"{test.column} {test.test.replace('_', ' ')}{'' if test.value is None else f' {_short(test.value)}'}" for test in filter_.where
    ]
    return " or ".join(filter_.kinds) + (f" where {' and '.join(tests)}" if tests else "")


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _of_inputs(declared: Derived) -> str:
    return f"{declared.function}: {FUNCTIONS[declared.function].meaning}"


def _window(feature: Feature) -> str:
    if not isinstance(feature.window, int):
        return feature.window or ""
    return f"{feature.window} day{'s' if feature.window > 1 else ''}"
