"""What a task will do, in words and numbers that people know: which tables it reads and how, for which rules, over which periods.

No framework.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srp_assets.recall.batch import needed_cells
from srp_assets.recall.scan.compile import BatchPlan, Group, columns_of, edges_of, native_columns, point_values, probes_of
from srp_assets.strategy.resolved import rules_of
from srp_assets.warehouse.catalogue import Condition
from srp_assets.warehouse.registry_builds import Build


@dataclass(frozen=True)
class ExplainedObject:
    """How one object of a task is read.

    `role` is which rows of the table it is, `rules` how many its logic has, `lists` the word lists as `feature: list (version)`, `keys` how
    many bucket keys the logic names where it is a point look-up, `joins` how it joins the others.
    """

    object: str
    table: str
    role: str
    rules: int
    columns: tuple[str, ...]
    lists: tuple[str, ...]
    keys: int | None
    joins: tuple[str, ...]
    first_period: str | None
    last_period: str | None
    periods: int
    rows: int

    def sentence(self) -> str:
        """All of it as a sentence."""
        parts = [f"{self.rules:,} rules" if self.rules != 1 else "1 rule"] if self.rules else ["no rules, joined by its keys"]
        if self.keys is not None:
            parts.append(f"looks up {self.keys:,} keys, opens their buckets alone")
        if self.lists:
            parts.append("looks for " + ", ".join(self.lists))
        periods = "1 period" if self.periods == 1 else f"{self.periods:,} periods"
        span = f" ({self.first_period} to {self.last_period})" if self.periods else ""
        return (
            f"{self.object}: {self.role} of table {self.table}; {'; '.join(parts)}; "
            f"reads {', '.join(self.columns)}; {periods}{span}, {self.rows:,} rows"
        )


def explain(plan: BatchPlan, builds: Mapping[str, Sequence[Build]]) -> list[ExplainedObject]:
    """The objects of the one task of a plan, in the pattern's order."""
    group = plan.groups[0]
    return [_explained(plan, group, name, builds) for name in group.objects]


def _explained(plan: BatchPlan, group: Group, name: str, builds: Mapping[str, Sequence[Build]]) -> ExplainedObject:
    catalogue, task = plan.catalogue, plan.tasks[0]
    object_, entity, node = catalogue.objects[name], catalogue.entity_of(name), plan.logic(task, name)
    cells = [build for object_name, build in needed_cells(catalogue, task, builds) if object_name == name]
    sees_hidden = object_.visibility == "all"
    values = None if node is None else point_values(node, entity.bucket_key)
    periods = sorted({build.period for build in cells})
    return ExplainedObject(
        object=name,
        table=object_.entity,
        role=" and ".join([f"{'all' if sees_hidden else 'visible'} rows", *(_condition(condition) for condition in object_.where)]),
        rules=len(list(rules_of(node))),
        columns=columns_of(plan, object_.entity) if name in group.ruled else native_columns(plan, group, name),
        lists=tuple(sorted(f"{probe.feature.name}: {_list(probe.list_key)}" for probe in probes_of(node))),
        keys=None if values is None else len(values),
        joins=tuple(
            f"{relation.left} with {relation.right} by "
            + " or ".join(" and ".join(f"{left} = {right}" for left, right in pairs) for pairs in relation.any_of)
            for relation in edges_of(catalogue, group.objects, name)
            if relation.right > name
        )
        if len(group.objects) > 1
        else (),
        first_period=periods[0] if periods else None,
        last_period=periods[-1] if periods else None,
        periods=len(periods),
        rows=sum(build.rows_visible + (build.rows_hidden if sees_hidden else 0) for build in cells),
    )


def _condition(condition: Condition) -> str:
    if condition.test in ("is_null", "is_not_null"):
        return f"{condition.column} is {'missing' if condition.test == 'is_null' else 'there'}"
    return f"{condition.column} {'is' if condition.test == 'equals' else 'is not'} {condition.value}"


def _list(key: str) -> str:
    """A list's key, `id@version`, as people read it."""
    id_, _, version = key.rpartition("@")
    return f"{id_} (version {version})" if id_ else key
