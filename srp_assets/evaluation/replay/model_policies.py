"""Models as policies: what they would have chosen of the candidates that the log knows, and what it is worth.

A model prefers candidates by its log-odds, or by its scores where they are no probabilities (`policies.py`). What doubly robust estimators
expect of an item is the candidate model's probability, times a factor for each place that makes it right on average there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from srp_assets.evaluation.arrays import Floats, Places
from srp_assets.evaluation.comparing import VersionedRanker
from srp_assets.evaluation.metrics.log_loss import within_bounds
from srp_assets.evaluation.metrics.ratio import sums_by
from srp_assets.evaluation.replay.candidates import Candidates, served_batches
from srp_assets.evaluation.replay.logged import LoggedChoices, logged_choices
from srp_assets.evaluation.replay.policies import softmax_policy
from srp_assets.evaluation.replay.replaying import Replay, ReplayOptions, replay
from srp_assets.evaluation.replay.served_values import MAPS, served_columns
from srp_assets.features.declaration.columns import ValueType
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.schema import ROLE_COLUMNS
from srp_assets.training.found_sequences import KEYS
from srp_assets.warehouse.storage import Storage

Found = Callable[[pa.Table], Mapping[str, pa.Array]]
"""Columns of rows of the log that it does not hold itself, by `trace_id` and `item_id`: behaviour sequences."""


@dataclass(frozen=True)
class PolicyOptions:
    """How a model chooses.

    Args:
        temperature: of the softmax, in log-odds: the smaller, the more surely the best candidate is chosen.
        exploration: share of the choices that are left to chance.
    """

    temperature: float = 0.5
    exploration: float = 0.05


def replay_models(
    storage: Storage,
    files: Sequence[LandedFiles],
    candidates: Candidates,
    models: Sequence[VersionedRanker],
    types: Mapping[str, ValueType],
    policy: PolicyOptions,
    options: ReplayOptions,
    step: str,
    found: Found | None = None,
) -> Replay:
    """What the log says of a model's policy.

    Args:
        storage: of the logs.
        files: of the served log, as the candidates were read from them.
        candidates: of each place.
        models: the candidate model, and the champion if there is one.
        types: of everything that models may read and the log has.
        policy: how they choose.
        options: how values are estimated.
        step: the label by whose score they prefer.
        found: what the log does not have, if models read such.
    """
    scores = [_scores(storage, files, candidates.row, model, types, step, found) for model in models]
    expected = _expected(candidates, scores[0]) if models[0].gives_probabilities else None
    logs = [_choices(candidates, _target(candidates, model, own, policy), expected) for model, own in zip(models, scores, strict=True)]
    return replay(logs[0], options, *logs[1:])


def digest_of(candidates: Candidates) -> str:
    """Identity of what was logged, as a replay of it has it."""
    return _choices(candidates, np.zeros(len(candidates.place)), None).digest


def _scores(
    storage: Storage,
    files: Sequence[LandedFiles],
    rows: Places,
    model: VersionedRanker,
    types: Mapping[str, ValueType],
    step: str,
    found: Found | None,
) -> Floats:
    """The model's score of each slot's candidate, shape (slots,)."""
    read = {name: types[name] for name in model.ranker.columns if name in types}
    others = [name for name in model.ranker.columns if name not in types]
    columns = dict.fromkeys([*MAPS.values(), *[name for name in read if name in _own_columns(types)], *(KEYS if others else ())])
    numbers: list[Places] = []
    scores: list[Floats] = []
    for own, batch in served_batches(storage, files, list(columns), rows):
        numbers.append(own)
        table = served_columns(batch, read)
        more = found(batch) if others and found is not None else {}
        # Whatever is still missing the model names.
        for name in [name for name in others if name in more]:
            table = table.append_column(name, more[name])
        scores.append(model.ranker.score(table)[step])
    place = np.searchsorted(np.concatenate(numbers), rows)
    return np.concatenate(scores)[place]


def _own_columns(types: Mapping[str, ValueType]) -> set[str]:
    """What the served log has a column of its own for."""
    return set(types) & set(ROLE_COLUMNS["served_features"])


def _target(candidates: Candidates, model: VersionedRanker, score: Floats, policy: PolicyOptions) -> Floats:
    """The policy's probability of each slot, shape (slots,)."""
    if model.gives_probabilities:
        probability = within_bounds(score)
        score = np.log(probability) - np.log1p(-probability)
    return softmax_policy(score, candidates.place, candidates.places, temperature=policy.temperature, exploration=policy.exploration)


def _expected(candidates: Candidates, score: Floats) -> Floats:
    """The expected reward of each slot, shape (slots,)."""
    position = candidates.position
    reward, predicted = (np.bincount(position, values) for values in (candidates.reward, score[candidates.shown]))
    factor = np.divide(reward, predicted, out=np.zeros_like(reward), where=predicted > 0)
    expected: Floats = score * factor[position[candidates.place]]
    return expected


def _choices(candidates: Candidates, target: Floats, expected: Floats | None) -> LoggedChoices:
    shown = candidates.shown
    return logged_choices(
        request=candidates.request,
        request_key=candidates.request_key,
        position=candidates.position,
        reward=candidates.reward,
        propensity=np.minimum(candidates.chance[shown], 1.0),
        target=np.minimum(target[shown], 1.0),
        predicted=None if expected is None else expected[shown],
        predicted_under_target=None if expected is None else sums_by(candidates.place, target * expected, candidates.places),
    )
