"""What training means, in plain Python and float64: slow, and the judge of the kernel.

For a centre item l, the loss of a positive context c with its negatives N is
-log s(v_l . u_c) - sum over n in N of log s(-v_l . u_n), s the logistic function (Mikolov et al. 2013). Positives are the items of the
window and the booked item of the session; negatives are drawn by popularity from all items and from the market of l, and items that the
session rejected are negatives too (Grbovic and Cheng, "Real-time personalization using embeddings for search ranking at Airbnb", KDD
2018). Where a centre has more contexts than weigh in full, each of its positives moves it by so much less that they weigh as many together:
a set of n items has n (n - 1) pairs, and the few large ones would be most of what is learned. Unlike in the publication, the booked item
has negatives of its own, as every positive has: without them its products would grow without end.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from srp_assets.embeddings.training.corpus import Codes, Corpus
from srp_assets.embeddings.training.sampling import Limits, Sampler

Reals = npt.NDArray[np.float64]
MASK = 2**64 - 1


class Chance:
    """The kernel's random numbers."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def bits(self) -> int:
        """The next 64 bits (SplitMix64)."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return mixed ^ (mixed >> 31)

    def below(self, bound: int) -> int:
        """A whole number from 0 to before `bound`."""
        return (self.bits() >> 32) * bound >> 32

    def drawn(self, limits: Limits, aliases: Codes, start: int, places: int) -> int:
        """A place of an alias table."""
        bits = self.bits()
        place = start + ((bits >> 32) * places >> 32)
        return place if bits & 0xFFFFFFFF < int(limits[place]) else int(aliases[place])


def loss_of(centre: Reals, targets: Reals, labels: Reals) -> float:
    """The loss of a centre and some targets: shapes (dimensions,), (targets, dimensions), (targets,)."""
    signs = 2 * labels - 1
    return float(np.logaddexp(0, -signs * (targets @ centre)).sum())


def gradients_of(centre: Reals, targets: Reals, labels: Reals) -> tuple[Reals, Reals]:
    """The gradients of `loss_of` by the centre and by the targets, in their shapes."""
    errors = 1 / (1 + np.exp(-(targets @ centre))) - labels
    return errors @ targets, errors[:, None] * centre


def step(vectors: Reals, contexts: Reals, item: int, targets: Sequence[int], labels: Sequence[float], rate: float) -> None:
    """One step down the gradient. A target that was drawn twice moves twice, one after the other, as in the kernel."""
    centre, delta = vectors[item].copy(), np.zeros(vectors.shape[1])
    for target, label in zip(targets, labels, strict=True):
        by_centre, by_target = gradients_of(centre, contexts[[target]], np.array([label]))
        delta -= rate * by_centre
        contexts[target] -= rate * by_target[0]
    vectors[item] = centre + delta


def train_sessions(
    corpus: Corpus,
    sampler: Sampler,
    markets: npt.NDArray[np.int32],
    vectors: Reals,
    contexts: Reals,
    options: tuple[int, bool, int, int, int, bool, int],
    rates: tuple[float, float, float],
    chance: Chance,
) -> None:
    """Trains on the sessions once, in their order; arguments as those of the kernel."""
    window, shrinks, negatives, market_negatives, rejections, with_booked, full_contexts = options
    for session in range(corpus.sessions):
        rate = max(rates[0] - rates[1] * int(corpus.offsets[session]), rates[2])
        whole = corpus.items[corpus.offsets[session] : corpus.offsets[session + 1]].tolist()
        kept = [item for item in whole if sampler.kept[item] >= 1 or (chance.bits() >> 11) * 2.0**-53 < sampler.kept[item]]
        rejected = corpus.rejected[corpus.rejected_offsets[session] : corpus.rejected_offsets[session + 1]].tolist()
        for place, item in enumerate(kept):
            reach = window - chance.below(window) if shrinks else window
            positives = kept[max(0, place - reach) : place] + kept[place + 1 : place + reach + 1]
            own_rate = rate * full_contexts / len(positives) if 0 < full_contexts < len(positives) else rate
            booked = int(corpus.booked[session])
            if with_booked and booked not in (-1, item):
                positives.append(booked)
            market = int(markets[item])
            start, end = (int(border) for border in sampler.market_starts[market : market + 2])
            for positive in positives:
                found = [chance.drawn(sampler.limits, sampler.aliases, 0, len(sampler.limits)) for _ in range(negatives)]
                for _ in range(market_negatives):
                    if (chance.bits() >> 11) * 2.0**-53 >= sampler.own_shares[market]:
                        found.append(chance.drawn(sampler.limits, sampler.aliases, 0, len(sampler.limits)))
                    else:
                        in_market = chance.drawn(sampler.market_limits, sampler.market_aliases, start, end - start)
                        found.append(int(sampler.market_items[in_market]))
                targets = [positive, *(target for target in found if target != positive)]
                step(vectors, contexts, item, targets, [1.0, *[0.0] * (len(targets) - 1)], own_rate)
            if rejected and rejections:
                refused = [rejected[chance.below(len(rejected))] for _ in range(rejections)]
                step(vectors, contexts, item, refused, [0.0] * rejections, rate)
