"""A trial of words: the task as it is, and beside it the same task with other words in place of a list's. No framework.

Both are tasks of one plan, so that the merged scan's own kernel says which rows would come anew by which word; all else that the object's
logic asks for still holds. A third task keeps a random share of all rows that could come if the list hit everything: background text, and
rows to be marked that no word finds. Only rules that ask for a hit are replaced; a list under `not` is left as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.compile import BatchPlan, plan_of
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule
from srp_assets.strategy.sampling import sample_rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.resolved import ResolvedList

CURRENT, SAMPLED = "current", "sampled"
"""The names of the task as it is and of the random share; those of trials are numbers."""

CURRENT_BIT = 0
"""The place of the task as it is among the tasks of the plan."""


@dataclass(frozen=True)
class ListUse:
    """A list as a strategy asks for its hits in texts of one object; `key` names it among the strategy's lists."""

    key: str
    words: ResolvedList
    object: str
    features: tuple[Feature, ...]


def uses_of(strategy: ResolvedStrategy) -> list[ListUse]:
    """The lists whose hits a strategy asks for, by object, the recalled object first."""
    found: dict[tuple[str, str], list[Feature]] = {}
    for name in sorted(strategy.objects, key=lambda name: name != strategy.recall):
        for rule in _asked(strategy.objects[name]):
            features = found.setdefault((str(rule.value), name), [])
            if rule.feature not in features:
                features.append(rule.feature)
    return [ListUse(key, strategy.lists[key], name, tuple(features)) for (key, name), features in found.items()]


def trial_plan(
    catalogue: Catalogue, task: TaskSpec, object_name: str, words: Mapping[str, Sequence[str]], *, share: float = 0.0, seed: int = 0
) -> BatchPlan:
    """The plan with the task as it is, a trial for each list, and the random share.

    Args:
        catalogue: the catalogue.
        task: the task.
        object_name: the object whose logic is tried.
        words: for each list, by its key among the strategy's, the words to try; they are plain, without operators.
        share: of the rows that are sampled; 0 samples none.
        seed: of the sample.
    """
    tasks = [task.model_copy(update={"task_id": CURRENT})]
    for number, (key, tried) in enumerate(words.items()):
        trial = task.strategy.lists[key].model_copy(update={"type": "simple", "threshold": None, "words": tuple(tried)})
        tasks.append(_with_logic(task, object_name, str(number), _by_key(key, trial_key(key)), {trial_key(key): trial}))
    if share > 0:
        entity = catalogue.entity_of(object_name)
        sampled = sample_rule(entity, entity.key[-1], seed=seed, share=share)
        tasks.append(_with_logic(task, object_name, SAMPLED, lambda rule: sampled, {}))
    return plan_of(catalogue, tasks)


def trial_key(key: str) -> str:
    """The key of the words that are tried in place of a list's; no id of a list has such a character."""
    return f"trial of {key}"


def _by_key(key: str, other: str) -> Callable[[Rule], Rule]:
    return lambda rule: rule.model_copy(update={"value": other}) if rule.value == key else rule


def _with_logic(
    task: TaskSpec, object_name: str, name: str, replace: Callable[[Rule], Rule], lists: Mapping[str, ResolvedList]
) -> TaskSpec:
    node = task.strategy.objects[object_name]
    if node is None:
        raise ValueError(f"{object_name} has no rules")
    objects = task.strategy.objects | {object_name: _replaced(node, replace)}
    strategy = task.strategy.model_copy(update={"objects": objects, "lists": task.strategy.lists | dict(lists)})
    return task.model_copy(update={"task_id": name, "strategy": strategy})


def _replaced(node: Node, replace: Callable[[Rule], Rule]) -> Node:
    """A logic with the rules replaced that ask for a hit."""
    if isinstance(node, AllOf):
        return AllOf(all=tuple(_replaced(child, replace) for child in node.all))
    if isinstance(node, AnyOf):
        return AnyOf(any=tuple(_replaced(child, replace) for child in node.any))
    return replace(node) if isinstance(node, Rule) and node.match == "matches" else node


def _asked(node: Node | None) -> list[Rule]:
    """The rules that ask for a hit, those under `not` left out."""
    if node is None or isinstance(node, Not):
        return []
    if isinstance(node, Rule):
        return [node] if node.match == "matches" else []
    return [rule for child in (node.all if isinstance(node, AllOf) else node.any) for rule in _asked(child)]
