"""What the exemptions of word lists silence: the cases that a task would have in addition if one of its lists had no exemptions.

For each list with exemptions a task gets *variants*, which are tasks like any other and run as one merged batch: in the variant of an
object, the list has no exemptions anywhere, and the object's row must be hit by one of them, which the variant looks for as a list of its
own. A case that removing the exemptions adds joins at least one such row, so the variants together find all of them and little else, and
their hits say which exemption was at work. A case that only removing the exemptions of two lists at once would add counts for neither.
"""

from dataclasses import dataclass

from srp_assets.recall.batch import TaskSpec
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule, rules_of
from srp_assets.wordlists.resolved import ResolvedList

EXEMPTIONS_OF = "exemptions of "
"""How the list is called in which a variant looks for exemptions: no list of a user has a name with blanks."""


@dataclass(frozen=True)
class Variant:
    """The variant `spec` of a task: it shows what the exemptions of `list_id` silence in the rows of one object."""

    task_id: str
    list_id: str
    spec: TaskSpec


def variants_of(task: TaskSpec) -> list[Variant]:
    """The variants of a task: one for each list with exemptions and each object that it is looked for in."""
    strategy = task.strategy
    found: list[Variant] = []
    for key, words in strategy.lists.items():
        if not words.exempt:
            continue
        for name, node in strategy.objects.items():
            features = _features_with(node, key)
            if features:
                number = len(found)
                spec = task.model_copy(
                    update={"task_id": f"{task.task_id}/{number}", "strategy": _unexempted(strategy, key, words, name, features)}
                )
                found.append(Variant(task.task_id, words.id, spec))
    return found


def exempt_lists(key: str, words: ResolvedList) -> dict[str, ResolvedList]:
    """The exemptions of a list as lists to look for, one for each of their groups."""
    return {
        f"{key}/exempt-{number}": ResolvedList(id=f"{EXEMPTIONS_OF}{words.id}", version=words.version, **group.model_dump())
        for number, group in enumerate(words.exempt)
    }


def _unexempted(strategy: ResolvedStrategy, key: str, words: ResolvedList, name: str, features: tuple[Feature, ...]) -> ResolvedStrategy:
    bare_key = f"{key}/bare"
    exempt = exempt_lists(key, words)
    must_be_exempt = AnyOf(any=tuple(Rule(feature=feature, match="matches", value=place) for feature in features for place in exempt))
    objects = {other: None if node is None else _renamed(node, key, bare_key) for other, node in strategy.objects.items()}
    logic = objects[name]
    objects[name] = must_be_exempt if logic is None else AllOf(all=(must_be_exempt, logic))
    lists = {other: list_ for other, list_ in strategy.lists.items() if other != key}
    lists |= {bare_key: words.model_copy(update={"exempt": ()})} | exempt
    return strategy.model_copy(update={"objects": objects, "lists": lists})


def _features_with(node: Node | None, key: str) -> tuple[Feature, ...]:
    """The features in which a logic looks for a list, each once."""
    return tuple(dict.fromkeys(rule.feature for rule in rules_of(node) if rule.match == "matches" and rule.value == key))


def _renamed(node: Node, key: str, other: str) -> Node:
    """The same logic that looks for another list."""
    if isinstance(node, AllOf):
        return AllOf(all=tuple(_renamed(child, key, other) for child in node.all))
    if isinstance(node, AnyOf):
        return AnyOf(any=tuple(_renamed(child, key, other) for child in node.any))
    if isinstance(node, Not):
        return Not(not_=_renamed(node.not_, key, other))
    return node.model_copy(update={"value": other}) if node.match == "matches" and node.value == key else node
