"""What one value becomes, in plain Python: slow, and obviously what is meant. The encoder's tests compare with it."""

import math

from srp_assets.models.config.inputs import Bucketed, Crossed, Hashed, Listed, Number, Vocabulary
from srp_assets.models.deep.encoding.hashing import seed_of
from srp_assets.models.deep.encoding.state import EncoderState

BITS = 2**64


def hash_of(text: str, seed: int) -> int:
    """FNV-1a over UTF-8, begun with `seed`, and the finalizer of MurmurHash3."""
    found = seed
    for byte in text.encode():
        found = ((found ^ byte) * 0x100000001B3) % BITS
    found = ((found ^ (found >> 33)) * 0xFF51AFD7ED558CCD) % BITS
    found = ((found ^ (found >> 33)) * 0xC4CEB9FE1A85EC53) % BITS
    return found ^ (found >> 33)


def hashed_row(text: str | None, found: Hashed | Listed, space: int) -> int:
    """The row of an id, counted from the input's first."""
    return 0 if text is None else hash_of(text, seed_of(found.name)) % space + 1


def crossed_row(texts: list[str | None], found: Crossed) -> int:
    """The row of several texts that count as one; that of missing values where one of them is missing."""
    hashes = [hash_of(text, seed_of(found.name)) for text in texts if text is not None]
    if len(hashes) < len(texts):
        return 0
    together = hashes[0]
    for other in hashes[1:]:
        together ^= (other + 0x9E3779B97F4A7C15 + (together << 6) + (together >> 2)) % BITS
    return together % found.space + 1


def vocabulary_row(text: str | None, found: Vocabulary, state: EncoderState) -> int:
    """The row of a text: 0 for a missing one, 1 for one that training did not see often enough."""
    if text is None:
        return 0
    values = state.values[found.name]
    return values.index(text) + 2 if text in values else 1


def bucket_row(number: float | None, found: Bucketed, state: EncoderState) -> int:
    """The row of a number: that of its interval, whose lower edge belongs to it."""
    if number is None or not math.isfinite(number):
        return 0
    return 1 + sum(number >= edge for edge in state.edges[found.name])


def scaled(number: float | None, found: Number, state: EncoderState) -> float:
    """A number as the network gets it."""
    if number is None or not math.isfinite(number):
        number = found.default
    if number is None:
        return 0.0
    if found.normalization == "none":
        return number
    mean, deviation = state.scales[found.name]
    turned = math.copysign(math.log1p(abs(number)), number) if found.normalization == "log" else number
    return min(max((turned - mean) / deviation, -found.limit), found.limit)
