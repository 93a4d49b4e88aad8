"""What changed between two versions of a strategy: documents, rules and words. No framework."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from srp_assets.strategy.resolved import AllOf, Node, Not, ResolvedStrategy, Rule, rules_of


@dataclass(frozen=True)
class Change:
    """Something that only one side has, or that both have otherwise.

    `what` is `recall`, `products`, `object`, `rule`, `logic`, `word` or `list`; `where` the object or the list; `old` or `new` is None
    where that side does not have it.
    """

    what: str
    where: str
    old: str | None
    new: str | None


def changes(old: ResolvedStrategy, new: ResolvedStrategy) -> list[Change]:
    """All changes that can change a case, those of the strategy before those of its lists."""
    found = []
    if old.recall != new.recall:
        found.append(Change("recall", "strategy", old.recall, new.recall))
    if old.products != new.products:
        found.append(Change("products", "strategy", _products(old), _products(new)))
    for name in dict.fromkeys([*old.objects, *new.objects]):
        found += _object_changes(old, new, name)
    return found + _list_changes(old, new)


def rule_text(rule: Rule) -> str:
    """A rule as people write it, on one line; a word list by its id: its version and words are told apart."""
    feature = f"{rule.feature.name}[{rule.key}]" if rule.key is not None else rule.feature.name
    if rule.match == "matches":
        return f"{feature} matches {str(rule.value).rpartition('@')[0]}"
    value = ", ".join(map(str, rule.value)) if isinstance(rule.value, tuple) else str(rule.value)
    return f"{feature} {rule.match} {value}"


def _object_changes(old: ResolvedStrategy, new: ResolvedStrategy, name: str) -> list[Change]:
    if name not in old.objects or name not in new.objects:
        side = "joined" if (old.objects if name in old.objects else new.objects)[name] is None else "with rules"
        return [Change("object", name, side if name in old.objects else None, side if name in new.objects else None)]
    before, after = (Counter(rule_text(rule) for rule in rules_of(side.objects[name])) for side in (old, new))
    found = [Change("rule", name, rule, None) for rule in (before - after).elements()]
    found += [Change("rule", name, None, rule) for rule in (after - before).elements()]
    if not found and _shape(old.objects[name]) != _shape(new.objects[name]):
        found.append(Change("logic", name, "the same rules", "put together otherwise"))
    return found


def _shape(node: Node | None) -> str:
    """How rules are put together, whatever their order and the versions of their lists."""
    if node is None:
        return ""
    if isinstance(node, Rule):
        return rule_text(node)
    if isinstance(node, Not):
        return f"not ({_shape(node.not_)})"
    operator, children = ("all", node.all) if isinstance(node, AllOf) else ("any", node.any)
    return f"{operator} ({', '.join(sorted(map(_shape, children)))})"


def _list_changes(old: ResolvedStrategy, new: ResolvedStrategy) -> list[Change]:
    """Words that came or went in lists that both sides look for; other changes of a list are told as one."""
    before = {list_.id: list_ for list_ in old.lists.values()}
    after = {list_.id: list_ for list_ in new.lists.values()}
    found = []
    for id_ in sorted(before.keys() & after.keys()):
        if before[id_] == after[id_]:
            continue
        words = (set(before[id_].words), set(after[id_].words))
        of_words = [Change("word", id_, word, None) for word in before[id_].words if word not in words[1]]
        of_words += [Change("word", id_, None, word) for word in after[id_].words if word not in words[0]]
        found += of_words
        same = {"version": 0, "words": ()}
        if before[id_].model_copy(update=same) != after[id_].model_copy(update=same) or not of_words:
            found.append(Change("list", id_, f"version {before[id_].version}", f"version {after[id_].version}"))
    return found


def _products(strategy: ResolvedStrategy) -> str:
    products: Sequence[str] | str = strategy.products
    return products if isinstance(products, str) else ", ".join(products)
