"""Which numbers a feature can have, as its declaration implies: what lies beyond them was computed wrongly."""

from srp_assets.features.declaration.definitions import Feature
from srp_assets.features.declaration.model import Count, DecayedSum, Derived, Distinct, Entropy, Rate, Shift

Range = tuple[float | None, float | None]

ANYTHING: Range = (None, None)
SHARE: Range = (0.0, 1.0)
AMOUNT: Range = (0.0, None)

OF_FUNCTIONS: dict[str, Range] = {
    "sine": (-1.0, 1.0),
    "cosine": (-1.0, 1.0),
    "is_equal": SHARE,
    "is_among": SHARE,
    "contains": SHARE,
    "size": AMOUNT,
    "length": AMOUNT,
}


def range_of(feature: Feature) -> Range:
    """The least and the greatest value of a number, None where nothing bounds it; the default counts as possible."""
    if feature.value_type != "number":
        return ANYTHING
    declared = feature.declared
    least, most = ANYTHING
    if isinstance(declared, Derived):
        least, most = OF_FUNCTIONS.get(declared.function, ANYTHING)
    elif isinstance(declared, Shift):
        least, most = SHARE
    elif isinstance(declared, Count | Distinct | Entropy | Rate) or (isinstance(declared, DecayedSum) and declared.column is None):
        # A rate may be above 1: one click may lead to two orders.
        least, most = AMOUNT
    default = declared.default
    if isinstance(default, float):
        least, most = None if least is None else min(least, default), None if most is None else max(most, default)
    return least, most
