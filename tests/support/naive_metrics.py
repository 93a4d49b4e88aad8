"""The metrics as their definitions say them: plain loops over dicts, ties by trying every order of them."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations, product

Row = dict[str, float]
"""unit, request, score, label, weight, amount, given_away."""


def grouped(rows: Sequence[Row], key: str) -> list[list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return list(groups.values())


def naive_auc(rows: Sequence[Row]) -> float:
    wins = pairs = 0.0
    for one in rows:
        for other in rows:
            if one["label"] and not other["label"]:
                weight = one["weight"] * other["weight"]
                pairs += weight
                wins += weight * ((one["score"] > other["score"]) + 0.5 * (one["score"] == other["score"]))
    return wins / pairs if pairs else math.nan


def naive_gauc(rows: Sequence[Row]) -> float:
    total = weights = 0.0
    for group in grouped(rows, "unit"):
        found, weight = naive_auc(group), sum(row["weight"] for row in group)
        if not math.isnan(found):
            total, weights = total + weight * found, weights + weight
    return total / weights if weights else math.nan


def orders(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Every order of a request's rows that its scores allow."""
    tied = [grouped_rows for _, grouped_rows in sorted(by_score(rows).items(), reverse=True)]
    for chosen in product(*(list(permutations(group)) for group in tied)):
        yield [row for group in chosen for row in group]


def by_score(rows: Sequence[Row]) -> dict[float, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row["score"]].append(row)
    return groups


def expected(rows: Sequence[Row], of_order: Callable[[list[Row]], float]) -> float:
    found = [of_order(order) for order in orders(rows)]
    return sum(found) / len(found)


def gain(row: Row) -> float:
    return row["weight"] if row["label"] else 0.0


def discounted(rows: Sequence[Row], places: int) -> float:
    return sum(gain(row) / math.log2(1 + place) for place, row in enumerate(rows[:places], start=1))


def naive_ndcg(rows: Sequence[Row], places: int) -> float:
    found = []
    for request in grouped(rows, "request"):
        best = discounted(sorted(request, key=gain, reverse=True), places)
        if best:
            found.append(expected(request, lambda order: discounted(order, places)) / best)
    return sum(found) / len(found) if found else math.nan


def reciprocal_rank(order: Sequence[Row]) -> float:
    return next(1 / place for place, row in enumerate(order, start=1) if row["label"])


def naive_mrr(rows: Sequence[Row]) -> float:
    total = weights = 0.0
    for request in grouped(rows, "request"):
        labelled = [row["weight"] for row in request if row["label"]]
        if labelled:
            weight = sum(labelled) / len(labelled)
            total, weights = total + weight * expected(request, reciprocal_rank), weights + weight
    return total / weights if weights else math.nan


def shown_sum(rows: Sequence[Row], places: int, of_row: Callable[[Row], float]) -> float:
    requests = grouped(rows, "request")
    return sum(expected(request, lambda order: sum(of_row(row) for row in order[:places])) for request in requests)


def naive_recall(rows: Sequence[Row], places: int) -> float:
    total = sum(map(gain, rows))
    return shown_sum(rows, places, gain) / total if total else math.nan


def naive_gmv(rows: Sequence[Row], places: int) -> float:
    return shown_sum(rows, places, lambda row: row["weight"] * row["amount"]) / len(grouped(rows, "request"))


def naive_revenue(rows: Sequence[Row], places: int) -> float:
    return shown_sum(rows, places, lambda row: row["weight"] * (row["amount"] - row["given_away"])) / len(grouped(rows, "request"))


def naive_log_loss(rows: Sequence[Row], least: float) -> float:
    total = weights = 0.0
    for row in rows:
        probability = min(max(row["score"], least), 1 - least)
        total -= row["weight"] * math.log(probability if row["label"] else 1 - probability)
        weights += row["weight"]
    return total / weights if weights else math.nan


def naive_ece(rows: Sequence[Row], bins: int) -> float:
    residuals: dict[int, float] = defaultdict(float)
    for row in rows:
        before = sum(other["score"] < row["score"] for other in rows)
        residuals[before * bins // len(rows)] += row["weight"] * (row["score"] - row["label"])
    weights = sum(row["weight"] for row in rows)
    return sum(map(abs, residuals.values())) / weights if weights else math.nan
