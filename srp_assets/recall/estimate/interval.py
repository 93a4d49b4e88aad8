"""From the cases in a sample to the number of cases in all: an estimate and an interval for it. No framework.

Roots are sampled independently, each with the probability p, and whole: all cases of a root are in the sample or none is. With y_i cases of
the i-th sampled root that has any, the total is estimated by sum(y_i) / p (Horvitz and Thompson, "A generalization of sampling without
replacement from a finite universe", JASA 47, 1952), whose variance under such Poisson sampling is estimated without bias by
(1 - p) / p^2 * sum(y_i^2) (Särndal, Swensson and Wretman, "Model assisted survey sampling", 1992, section 3.5): the variance between roots.

Few sampled roots have cases, so a normal interval would miss the truth far too often. With a small p their number is Poisson, and the
total a sum of Poisson counts with the weights y_i / p: the gamma interval of Fay and Feuer ("Confidence intervals for directly
standardized rates", Statistics in Medicine 16, 1997) is made for that. Where each root has one case it is the exact interval for a
Poisson count (Garwood, 1936), with no case seen its upper bound, and with many it is the normal one. Their upper bound allows for one more
root of the greatest weight; that is not known here, and is taken to exceed the greatest that was seen by half of what that exceeds the mean
by: with as few as six skewed roots in the sample, 93 to 98 % of simulated intervals then hold the truth (`test_interval.py`).

When it is bad: a few roots that hold a large part of all cases cannot be known from a sample that has none of them. The bound for no case
seen holds for the number of roots with cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimated total and the bounds between which it lies with the confidence of 95 %."""

    total: float
    low: float
    high: float


def total_interval(cases_of_roots: Sequence[int], share: float) -> Interval:
    """The total in all roots.

    Args:
        cases_of_roots: for each sampled root that has cases, how many.
        share: the probability p with which a root is sampled, above 0; 1 is everything, and the total is exact.
    """
    seen = sum(cases_of_roots)
    if share >= 1:
        return Interval(seen, seen, seen)
    from scipy.special import gammaincinv  # 0.1 s of import that only an estimate should cost

    total = seen / share
    variance = (1 - share) / share**2 * sum(cases**2 for cases in cases_of_roots)
    heaviest = 1.0
    if seen:
        most = max(cases_of_roots)
        heaviest = most + (most - seen / len(cases_of_roots)) / 2
    heaviest /= share
    above, variance_above = total + heaviest, variance + heaviest**2
    tail = (1 - CONFIDENCE) / 2
    low = variance / total * float(gammaincinv(total**2 / variance, tail)) if seen else 0.0
    high = variance_above / above * float(gammaincinv(above**2 / variance_above, 1 - tail))
    return Interval(total, max(low, seen), high)
