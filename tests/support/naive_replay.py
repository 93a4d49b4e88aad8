"""Estimators of replay as their definitions say them: loops over requests and their choices."""

from collections import defaultdict
from collections.abc import Sequence
from math import prod

Choice = dict[str, float]
"""position, reward, propensity, target, predicted, predicted_under_target; a page is a list of them by position."""


def weight(page: Sequence[Choice], place: int, interaction: str) -> float:
    ratios = [choice["target"] / choice["propensity"] for choice in page]
    return {"independent": ratios[place], "cascade": prod(ratios[: place + 1]), "page": prod(ratios)}[interaction]


def naive_ips(pages: Sequence[Sequence[Choice]], interaction: str) -> float:
    total = sum(weight(page, place, interaction) * choice["reward"] for page in pages for place, choice in enumerate(page))
    return total / len(pages)


def naive_snips(pages: Sequence[Sequence[Choice]], interaction: str) -> float:
    by_place = defaultdict(list)
    for page in pages:
        for place, choice in enumerate(page):
            by_place[choice["position"]].append((weight(page, place, interaction), choice["reward"]))
    total = 0.0
    for found in by_place.values():
        weights = sum(one for one, _ in found)
        if weights:
            total += len(found) * sum(one * reward for one, reward in found) / weights
    return total / len(pages)


def naive_dr(pages: Sequence[Sequence[Choice]], interaction: str, threshold: float) -> float:
    total = 0.0
    for page in pages:
        for place, choice in enumerate(page):
            own = weight(page, place, interaction)
            total += choice["predicted_under_target"]
            if own <= threshold:
                total += own * (choice["reward"] - choice["predicted"])
    return total / len(pages)
