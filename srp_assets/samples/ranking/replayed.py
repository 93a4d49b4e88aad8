"""What replay must find in the sample world: another policy than the one that logged, and its true value.

The policy knows what items are better than the logging one does, and chooses with another sharpness, from the same pools. Its value is
known exactly: at every place of every request, the expected relevance of what it chooses times the probability that the place is looked at.
What is replayed is a sample of the requests, drawn by chance, so that an interval has to hold what it says: the value in the whole world.
"""

from dataclasses import dataclass

import numpy as np

from srp_assets.evaluation.replay.logged import LoggedChoices, logged_choices
from srp_assets.evaluation.replay.policies import softmax_policy
from srp_assets.samples.draws import Flags, Reals
from srp_assets.samples.ranking.responses import POOL, examination, pools, relevance, visit
from srp_assets.samples.ranking.world import RankingWorld, normal


@dataclass(frozen=True)
class Replayed:
    """What was logged of some requests, as replay takes it, and the truth.

    Args:
        choices: the impressions of the sampled requests, with the target's probabilities, clicks as rewards, and what a model expects that
            knows no tastes.
        value: the target's true clicks a request, over all requests.
        logged_value: the logging policy's expected clicks a request, over all requests, of what it showed.
    """

    choices: LoggedChoices
    value: float
    logged_value: float


def replayed(world: RankingWorld, share: float, sharpness: float = 1.2) -> Replayed:
    """Lets another policy choose.

    Args:
        world: the sample world.
        share: of the requests that are replayed.
        sharpness: how much the policy prefers the best; 0 is the uniform policy.
    """
    happened = visit(world, 0, world.visits)
    requests, shown = happened.requests, happened.impressions
    pool = pools(world, requests, shown.request, shown.numbers)
    items = world.items
    guessed = items.quality + 0.3 * normal(world.draws("item"), "another guess", items.numbers)
    matches = items.category[pool] == requests.query_category[shown.request][:, None]
    score = sharpness * (guessed[pool] + 0.7 * matches)
    choice = np.repeat(np.arange(len(pool), dtype=np.int32), POOL)
    target = softmax_policy(score.reshape(-1), choice, len(pool), temperature=1.0, exploration=0.0).reshape(pool.shape)
    looked_at = examination(shown.position)
    relevant = np.stack([relevance(world, requests, shown.request, pool[:, place]) for place in range(POOL)], axis=1)
    model = looked_at[:, None] / (1 + np.exp(2.0 - 0.9 * guessed[pool] - 0.6 * matches))
    chosen = pool == shown.item[:, None]
    clicked = np.zeros(len(shown.numbers))
    clicked[happened.clicks.impression] = 1.0
    sampled = world.draws("replay").chance("sampled", requests.numbers, share)
    kept = sampled[shown.request]
    choices = logged_choices(
        request=(np.cumsum(sampled) - 1)[shown.request][kept].astype(np.int32),
        request_key=requests.numbers[sampled].astype(np.uint64),
        position=shown.position[kept],
        reward=clicked[kept],
        propensity=shown.propensity[kept],
        # Of an item that is in the pool twice, both places count, as they do in the propensity.
        target=np.minimum((target * chosen).sum(axis=1), 1.0)[kept],
        predicted=_of_chosen(model, chosen)[kept],
        predicted_under_target=(target * model).sum(axis=1)[kept],
    )
    return Replayed(
        choices=choices,
        value=float((looked_at * (target * relevant).sum(axis=1)).sum() / len(requests.numbers)),
        logged_value=float((looked_at * shown.relevance).sum() / len(requests.numbers)),
    )


def _of_chosen(values: Reals, chosen: Flags) -> Reals:
    return values[np.arange(len(values)), chosen.argmax(axis=1)]
