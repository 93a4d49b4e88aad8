"""What weights, propensities, sampling and splits mean, in plain Python over rows: slow, obvious, and the judge of what is fast.

1. A row that a policy chose with probability p stands for 1 / p rows, at most `limit`; without a probability for one.
2. Of places, an unclicked row counts as much as its place is looked at, at least 1 / `limit`; a clicked one counts 1.
3. Weights are divided by their mean, so that a day's rows weigh 1 each on average.
4. Examination by chance: the click rate of a place among what chance chose, by that of the first place.
5. Regression EM with the items themselves as features: for each impression that was not clicked, how likely it was looked at and relevant.
6. After negative down-sampling, odds are too high by 1 / share.
7. No day that is trained on lies within `gap_days` of the first judged day.
"""

from collections.abc import Sequence
from datetime import date

from srp_assets.training.propensities import LEAST_EXAMINATION


def naive_weights(
    weighting: str, limit: float, rows: Sequence[tuple[float | None, int, bool]], examination: dict[int, float]
) -> list[float]:
    """Rules 1 to 3, for rows of (propensity, position, clicked)."""
    found = []
    for propensity, position, clicked in rows:
        if weighting == "given":
            found.append(1.0 if propensity is None else min(limit, 1 / propensity))
        elif weighting == "none" or not examination or clicked:
            found.append(1.0)
        else:
            nearest = min(examination, key=lambda place: (abs(place - position), place))
            found.append(max(1 / limit, examination[nearest]))
    mean = sum(found) / len(found) if found else 1.0
    return [weight / mean for weight in found]


def naive_examination(rows: Sequence[tuple[int, bool, bool]]) -> dict[int, float]:
    """Rule 4, for rows of (position, clicked, explored); empty where it cannot be told."""
    rates = {}
    for place in sorted({position for position, _, explored in rows if explored}):
        clicks = [clicked for position, clicked, explored in rows if explored and position == place]
        rates[place] = sum(clicks) / len(clicks)
    if not rates or rates[min(rates)] == 0:
        return {}
    return {place: min(1.0, max(LEAST_EXAMINATION, rate / rates[min(rates)])) for place, rate in rates.items()}


def naive_em(rows: Sequence[tuple[int, bool, str]], rounds: int) -> dict[int, float]:
    """Rule 5, for rows of (position, clicked, item): relevance is a number of each item instead of a regression."""
    places, items = sorted({row[0] for row in rows}), sorted({row[2] for row in rows})
    examination, relevance = dict.fromkeys(places, 0.5), dict.fromkeys(items, 0.5)
    for _ in range(rounds):
        looked: dict[int, list[float]] = {place: [] for place in places}
        relevant: dict[str, list[float]] = {item: [] for item in items}
        for place, clicked, item in rows:
            both = examination[place] * relevance[item]
            looked[place].append(1.0 if clicked else examination[place] * (1 - relevance[item]) / (1 - both))
            relevant[item].append(1.0 if clicked else relevance[item] * (1 - examination[place]) / (1 - both))
        examination = {place: min(0.999, sum(found) / len(found)) for place, found in looked.items()}
        relevance = {item: min(0.999, sum(found) / len(found)) for item, found in relevant.items()}
    return {place: value / examination[places[0]] for place, value in examination.items()}


def naive_recalibration(probability: float, share: float) -> float:
    """Rule 6: by odds."""
    if probability == 1:
        return 1.0
    odds = probability / (1 - probability) * share
    return odds / (1 + odds)


def naive_split(days: Sequence[str], validation_days: int, gap_days: int) -> tuple[list[str], list[str]]:
    """Rule 7: the days that are trained on, and those that are judged by."""
    judged = sorted(set(days))[-validation_days:]
    first = date.fromisoformat(judged[0])
    return [day for day in sorted(set(days)) if (first - date.fromisoformat(day)).days > gap_days], judged
