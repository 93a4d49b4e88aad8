"""Compiles the tasks of a batch into one plan: which tasks go together, and what each table's single scan must find out.

Tasks with the same objects, the same ruled objects and the same recalled object form a *group*: they share their joins. A (group, object
with rules) is a *place*: the scan of the object's entity writes the rows that fit some of the group's tasks there, with a bitmap of these
tasks.
Everything here follows from the plan alone, so a worker that reads the plan compiles the same as the driver did. No framework.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from srp_assets.recall.batch import TaskSpec, reads_period
from srp_assets.strategy.resolved import AllOf, Feature, Frozen, Node, Not, Rule, rules_of
from srp_assets.warehouse.catalogue import Catalogue, Entity, Relation
from srp_assets.wordlists.resolved import ResolvedList

WORD_BITS = 64
"""Tasks in one word of a bitmap: Spark's widest integer."""


@dataclass(frozen=True)
class Probe:
    """One word list looked for in one text feature: what a hit refers to."""

    feature: Feature
    list_key: str


@dataclass(frozen=True)
class Group:
    """Tasks that share their joins. `tasks` are positions in the batch; the position within `tasks` is the task's bit."""

    index: int
    tasks: tuple[int, ...]
    objects: tuple[str, ...]
    ruled: frozenset[str]
    recall: str

    @property
    def words(self) -> int:
        """64-bit words of the group's bitmaps."""
        return -(-len(self.tasks) // WORD_BITS)


@dataclass(frozen=True)
class Place:
    """Where the scan puts the rows of one object with rules for one group; `logic` stands in the order of the group's tasks."""

    index: int
    group: Group
    object: str
    logic: tuple[Node, ...]


class BatchPlan(Frozen):
    """The batch in one self-contained document: what the workers read. Word lists are kept once for all tasks."""

    catalogue: Catalogue
    tasks: tuple[TaskSpec, ...]
    lists: dict[str, ResolvedList]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The tasks by what they join."""
        members: dict[tuple[tuple[str, ...], frozenset[str], str], list[int]] = {}
        for position, task in enumerate(self.tasks):
            ruled = frozenset(name for name in task.strategy.objects if self.logic(task, name) is not None)
            members.setdefault((tuple(task.strategy.objects), ruled, task.strategy.recall), []).append(position)
        return tuple(
            Group(index, tuple(tasks), objects, ruled, recall) for index, ((objects, ruled, recall), tasks) in enumerate(members.items())
        )

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """All places of all groups."""
        pairs = [(group, name) for group in self.groups for name in group.objects if name in group.ruled]
        return tuple(
            Place(index, group, name, tuple(self._require_logic(self.tasks[task], name) for task in group.tasks))
            for index, (group, name) in enumerate(pairs)
        )

    def bits_in_order(self, group: Group) -> list[int]:
        """The bits of a group's tasks, ordered by task id: the order of cases."""
        return sorted(range(len(group.tasks)), key=lambda bit: self.tasks[group.tasks[bit]].task_id)

    def logic(self, task: TaskSpec, object_name: str) -> Node | None:
        """The logic of one object of a task, its range of publish times included; None where it only joins."""
        node = task.strategy.objects[object_name]
        limits: list[Node] = []
        if object_name == task.strategy.recall:
            publish_time = self.catalogue.entity_of(object_name).publish_time
            feature = Feature(name=publish_time, kind="time", type="timestamp", parts=(publish_time,))
            if task.published_from is not None:
                limits.append(Rule(feature=feature, match=">=", value=_time_text(task.published_from)))
            if task.published_to is not None:
                limits.append(Rule(feature=feature, match="<", value=_time_text(task.published_to)))
        if node is not None:
            limits.append(node)
        if not limits:
            return None
        return limits[0] if len(limits) == 1 else AllOf(all=tuple(limits))

    def _require_logic(self, task: TaskSpec, object_name: str) -> Node:
        node = self.logic(task, object_name)
        if node is None:
            raise ValueError(f"task {task.task_id} has no rule on {object_name}")
        return node

    def places_of(self, entity_name: str) -> tuple[Place, ...]:
        """The places that the scan of one entity fills."""
        return tuple(place for place in self.places if self.catalogue.objects[place.object].entity == entity_name)

    def place(self, group: Group, object_name: str) -> Place:
        """The place of a group's object with rules."""
        return next(place for place in self.places if place.group.index == group.index and place.object == object_name)

    def probes(self, entity_name: str) -> tuple[Probe, ...]:
        """The distinct (feature, word list) pairs of an entity's scan, in the order of first use."""
        rules = (rule for place in self.places_of(entity_name) for node in place.logic for rule in rules_of(node))
        return tuple(dict.fromkeys(probe_of(rule) for rule in rules if rule.match == "matches"))

    def active(self, place: Place, product: str, period: str, visible: bool) -> tuple[int, ...]:
        """The bits of a place's tasks that look at a (product, period, visible) partition."""
        if not visible and self.catalogue.objects[place.object].visibility == "visible":
            return ()
        return tuple(
            bit
            for bit, position in enumerate(place.group.tasks)
            if product in self.tasks[position].products and reads_period(self.catalogue, self.tasks[position], place.object, period)
        )


def plan_of(catalogue: Catalogue, tasks: Sequence[TaskSpec]) -> BatchPlan:
    """The plan of a batch."""
    lists = {key: list_ for task in tasks for key, list_ in task.strategy.lists.items()}
    bare = tuple(task.model_copy(update={"strategy": task.strategy.model_copy(update={"lists": {}})}) for task in tasks)
    return BatchPlan(catalogue=catalogue, tasks=bare, lists=lists)


def text_features(node: Node | None) -> tuple[Feature, ...]:
    """The text features that a logic looks at, in the order of first use: their texts are shown with a case."""
    return tuple(dict.fromkeys(rule.feature for rule in rules_of(node) if rule.feature.kind == "text"))


def probe_of(rule: Rule) -> Probe:
    """What a rule looks for; its match is `matches`."""
    return Probe(rule.feature, str(rule.value))


def probes_of(node: Node | None) -> frozenset[Probe]:
    """The probes of one task's logic: whose hits are the task's."""
    return frozenset(probe_of(rule) for rule in rules_of(node) if rule.match == "matches")


def point_values(node: Node, column: str) -> frozenset[int | str] | None:
    """The values of a column outside of which the logic cannot hold, or None where it names none (a point look-up names some)."""
    if isinstance(node, Rule):
        if node.feature.parts != (column,) or node.feature.name != column or node.match not in ("=", "in"):
            return None
        named = node.value if isinstance(node.value, tuple) else (node.value,)
        return frozenset(value for value in named if isinstance(value, int | str))
    if isinstance(node, Not):
        return None
    if isinstance(node, AllOf):
        known = [values for child in node.all if (values := point_values(child, column)) is not None]
        return frozenset.intersection(*known) if known else None
    known = [values for child in node.any if (values := point_values(child, column)) is not None]
    return frozenset[int | str]().union(*known) if len(known) == len(node.any) else None


def columns_of(plan: BatchPlan, entity_name: str) -> tuple[str, ...]:
    """The columns that an entity's scan reads, in the catalogue's order: what its rules, roles, joins and cases need."""
    entity = plan.catalogue.entities[entity_name]
    needed = set(carried_columns(plan, entity_name))
    for place in plan.places_of(entity_name):
        needed |= {condition.column for condition in plan.catalogue.objects[place.object].where}
        needed |= {part for node in place.logic for rule in rules_of(node) for part in rule.feature.parts}
    return _ordered(entity, needed)


def carried_columns(plan: BatchPlan, entity_name: str) -> tuple[str, ...]:
    """The columns that a scan hands on with a hit: keys, join columns, and what its cases show."""
    entity = plan.catalogue.entities[entity_name]
    needed = set(entity.key)
    for place in plan.places_of(entity_name):
        needed |= set(join_columns(plan.catalogue, place.group.objects, place.object))
        needed |= {part for node in place.logic for feature in text_features(node) for part in feature.parts}
        if place.object == place.group.recall:
            needed |= {entity.bucket_key, *entity.case_columns, *entity.fact_columns}
    return _ordered(entity, needed)


def edges_of(catalogue: Catalogue, objects: Iterable[str], object_name: str) -> tuple[Relation, ...]:
    """The relations of a pattern at one of its objects, each with that object on the left side."""
    pattern = catalogue.pattern_of(frozenset(objects))
    if pattern is None:
        raise ValueError(f"{'+'.join(objects)} is no declared pattern")
    return tuple(relation.oriented(object_name) for relation in catalogue.edges(pattern) if object_name in relation.objects)


def join_columns(catalogue: Catalogue, objects: Iterable[str], object_name: str) -> tuple[str, ...]:
    """The columns by which an object joins the others of a pattern."""
    relations = edges_of(catalogue, objects, object_name)
    return tuple(dict.fromkeys(own for relation in relations for pairs in relation.any_of for own, _ in pairs))


def native_columns(plan: BatchPlan, group: Group, object_name: str) -> tuple[str, ...]:
    """The columns that are read of an object without rules: its key, its join columns, and what its cases show."""
    entity = plan.catalogue.entity_of(object_name)
    shown = (entity.bucket_key, *entity.case_columns, *entity.fact_columns) if object_name == group.recall else ()
    return _ordered(entity, {*entity.key, *join_columns(plan.catalogue, group.objects, object_name), *shown})


def candidate_columns(plan: BatchPlan, group: Group, object_name: str) -> tuple[str, ...]:
    """The columns that the candidates of a group's object have."""
    if object_name in group.ruled:
        return carried_columns(plan, plan.catalogue.objects[object_name].entity)
    return native_columns(plan, group, object_name)


def native_levels(catalogue: Catalogue, group: Group) -> list[list[str]]:
    """The objects without rules, each in a level after one that it joins: a pattern is connected and some object has rules."""
    known, levels = set(group.ruled), list[list[str]]()
    while len(known) < len(group.objects):
        unknown = [name for name in group.objects if name not in known]
        level = [name for name in unknown if any(edge.right in known for edge in edges_of(catalogue, group.objects, name))]
        if not level:
            raise ValueError(f"no object of {'+'.join(group.objects)} has rules")
        known.update(level)
        levels.append(level)
    return levels


def _ordered(entity: Entity, names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in entity.columns if name in names)


def _time_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
