"""How a task is sampled so that its joins stay whole: by the bucket key of the recalled object. No framework.

Objects that the pattern joins to the recalled object by equal bucket keys, all the way, are sampled alike: a root (a post with all that
hangs on it) is in the sample or is not. Other objects (users) are looked into whole. So each recalled row of a sampled root finds all that
it joins, and the cases of the sample are exactly the task's cases of the sampled roots.
"""

from dataclasses import dataclass
from math import ceil, gcd
from random import Random

from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.compile import edges_of
from srp_assets.strategy.resolved import AllOf, ResolvedStrategy
from srp_assets.strategy.sampling import sample_rule
from srp_assets.warehouse.catalogue import Catalogue

SEED = 20_260_301
"""Of the sample that estimates take (arbitrary): asked again, the same roots are looked at."""


@dataclass(frozen=True)
class SampleDesign:
    """Which part of a task's rows is looked at.

    `share` is the probability that a root is in the sample. The tables are bucketed by a hash of the key too, so only some buckets need
    to be opened: `only_buckets` of each sampled entity, and of the keys in them `share_within`.
    """

    objects: frozenset[str]
    share: float
    share_within: float
    only_buckets: dict[str, frozenset[int]]
    seed: int = SEED


def design_sample(catalogue: Catalogue, strategy: ResolvedStrategy, share: float, *, seed: int = SEED) -> SampleDesign:
    """A sample of a share of the roots, from as few buckets as can hold it."""
    objects = objects_of_roots(catalogue, strategy)
    entities = {catalogue.objects[name].entity for name in objects}
    others = {catalogue.objects[name].entity for name in strategy.objects.keys() - objects}
    if entities & others:
        # The same table is also looked into whole, so no bucket of it can be left out.
        return SampleDesign(objects, share, share, {}, seed)
    classes = gcd(*(catalogue.entities[name].buckets for name in entities))
    opened = max(1, ceil(share * classes))
    chosen = frozenset(Random(seed).sample(range(classes), opened))
    only_buckets = {
        name: frozenset(bucket for bucket in range(catalogue.entities[name].buckets) if bucket % classes in chosen) for name in entities
    }
    return SampleDesign(objects, share, share * classes / opened, only_buckets, seed)


def objects_of_roots(catalogue: Catalogue, strategy: ResolvedStrategy) -> frozenset[str]:
    """The recalled object and those that join it by equal bucket keys, whatever alternative of a relation holds."""
    found, waiting = {strategy.recall}, [strategy.recall]
    while waiting:
        name = waiting.pop()
        for relation in edges_of(catalogue, strategy.objects, name):
            keys = (catalogue.entity_of(name).bucket_key, catalogue.entity_of(relation.right).bucket_key)
            if relation.right not in found and all(keys in pairs for pairs in relation.any_of):
                found.add(relation.right)
                waiting.append(relation.right)
    return frozenset(found)


def sampled_task(catalogue: Catalogue, task: TaskSpec, design: SampleDesign) -> TaskSpec:
    """The task limited to the sample."""
    objects = dict(task.strategy.objects)
    for name in design.objects:
        entity = catalogue.entity_of(name)
        rule = sample_rule(entity, entity.bucket_key, seed=design.seed, share=design.share_within)
        node = objects[name]
        objects[name] = rule if node is None else AllOf(all=(rule, node))
    return task.model_copy(update={"strategy": task.strategy.model_copy(update={"objects": objects})})
