"""On the sample world, whose truth is known: weights let training find the true order of items better than rows that weigh alike."""

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr, ttest_rel

from srp_assets.samples.ranking.responses import Visit, examination, visit
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.training.propensities import Examination, examination_by_regression, examination_of_randomised
from srp_assets.training.weights import WeightRule, weight_rule

SEEDS = range(1, 21)
PRIOR_ROWS = 20.0
"""Strength of the penalty that draws items of few rows to the mean."""


def shown_of(world: RankingWorld) -> tuple[Visit, np.ndarray]:
    """Everything that happens, and which impressions are clicked."""
    happened = visit(world, 0, world.visits)
    clicked = np.zeros(len(happened.impressions.numbers), dtype=bool)
    clicked[happened.clicks.impression] = True
    return happened, clicked


def trained_on_items(items: np.ndarray, clicked: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """A logistic regression on the ids of items with a ridge around the mean, by Newton's method: the logit of each item."""
    mean = np.average(clicked, weights=weights)
    centre = np.log(mean / (1 - mean))
    rows = np.bincount(items, weights=weights, minlength=count)
    hits = np.bincount(items, weights=weights * clicked, minlength=count)
    logits, ridge = np.full(count, centre), PRIOR_ROWS * mean * (1 - mean)
    for _ in range(25):
        fitted = 1 / (1 + np.exp(-logits))
        step = (hits - rows * fitted - ridge * (logits - centre)) / (rows * fitted * (1 - fitted) + ridge)
        logits = logits + np.clip(step, -1, 1)
    return logits


def agreement(world: RankingWorld, logits: np.ndarray, shown: np.ndarray) -> float:
    """How well scores order the items that were shown: the rank correlation with their true quality."""
    seen = np.bincount(shown, minlength=len(logits)) > 0
    return float(spearmanr(logits[seen], world.items.quality[seen])[0])


def gains(rule_of: Callable[[Visit, np.ndarray], WeightRule]) -> tuple[np.ndarray, np.ndarray]:
    """For each seed the agreement of unweighted and of weighted training."""
    plain, weighted = [], []
    for seed in SEEDS:
        world = RankingWorld(30_000, seed=seed)
        happened, clicked = shown_of(world)
        shown = happened.impressions
        weights = rule_of(happened, clicked).weights(shown.propensity, shown.position, clicked)
        count = len(world.items.numbers)
        plain.append(agreement(world, trained_on_items(shown.item, clicked, np.ones(len(clicked)), count), shown.item))
        weighted.append(agreement(world, trained_on_items(shown.item, clicked, weights, count), shown.item))
    return np.array(plain), np.array(weighted)


def test_inverse_propensity_weights_find_the_true_order_of_items_better() -> None:
    def rule(happened: Visit, clicked: np.ndarray) -> WeightRule:
        shown = happened.impressions
        return weight_rule("given", 20.0, shown.propensity, shown.position, clicked, None)

    plain, weighted = gains(rule)
    assert ttest_rel(weighted, plain, alternative="greater").pvalue < 0.01
    assert (weighted - plain).mean() > 0.01


def test_weights_by_examination_find_the_true_order_of_items_better() -> None:
    def rule(happened: Visit, clicked: np.ndarray) -> WeightRule:
        shown = happened.impressions
        found = examination_by_regression(shown.position, clicked, np.zeros((len(clicked), 1)), rounds=20)
        return weight_rule("regression_em", 20.0, shown.propensity, shown.position, clicked, found)

    plain, weighted = gains(rule)
    assert ttest_rel(weighted, plain, alternative="greater").pvalue < 0.01


def test_estimates_find_how_likely_the_shops_places_are_looked_at() -> None:
    world = RankingWorld(200_000, seed=3)
    happened, clicked = shown_of(world)
    shown = happened.impressions
    truth = examination(np.arange(1, 11))
    by_chance = examination_of_randomised(shown.position, clicked, shown.explored)
    by_regression = examination_by_regression(shown.position, clicked, world.items.quality[shown.item][:, None])
    assert by_chance is not None
    assert by_regression is not None
    places = np.arange(1, 11)
    assert np.abs(errors(by_chance, truth)).max() < 4 * max(by_chance.standard_errors.values())
    assert np.abs(errors(by_regression, truth)).max() < 0.05
    assert np.abs(errors(by_regression, truth)).mean() < np.abs(errors(by_chance, truth)).mean()
    assert by_regression.of(places).tolist() == [by_regression.by_position[place] for place in places]


def errors(found: Examination, truth: np.ndarray) -> np.ndarray:
    """How far the estimates are off."""
    return np.array([found.by_position[place] for place in range(1, 11)]) - truth
