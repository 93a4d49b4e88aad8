"""What the shared generators promise: valid rows, well-typed strategies, and that they reach what they are for."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.features import MATCHES, check_match, compared_as, features_of, typed_value
from srp_assets.strategy.reference import evaluate, key_of
from srp_assets.strategy.resolved import AllOf, AnyOf, Not, ResolvedStrategy, Rule, rules_of
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from support.generators import PRODUCTS, Ingest, Rows, batches, ingests, table_rows

CATALOGUES = sorted((PROJECT_ROOT / "examples").glob("*/catalogue.yaml"))
SAMPLE = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.parent.name)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    path: Path = request.param
    return load_catalogue(path)


@given(data=st.data())
def test_rows_are_what_the_catalogue_declares(catalogue: Catalogue, data: st.DataObject) -> None:
    rows = data.draw(table_rows(catalogue))
    assert rows.keys() == catalogue.entities.keys()
    for name, entity in catalogue.entities.items():
        keys = [(row["product"], key_of(entity, row)) for row in rows[name]]
        assert len(set(keys)) == len(keys)
        for row in rows[name]:
            assert set(row) == {"product", *entity.columns}
            assert all(row[column] is not None for column in entity.key)
            assert all(row[column] is not None for column, declared in entity.columns.items() if declared.required)
            assert row["product"] in (PRODUCTS if catalogue.products == "open" else catalogue.products)


def newest_versions(catalogue: Catalogue, history: list[Ingest]) -> Rows:
    """The newest version of each key by its update time, or where there is none by its landing."""
    found: dict[str, dict] = {name: {} for name in catalogue.entities}
    for ingest in history:
        for name, rows in ingest.rows.items():
            entity = catalogue.entities[name]
            for row in rows:
                key = (ingest.product, key_of(entity, row))
                older = found[name].get(key)
                if older is None or entity.updated_at is None or row[entity.updated_at] >= older[entity.updated_at]:
                    found[name][key] = row | {"product": ingest.product}
    return {name: list(rows.values()) for name, rows in found.items()}


@given(data=st.data())
def test_the_newest_versions_of_a_history_are_the_table(catalogue: Catalogue, data: st.DataObject) -> None:
    history, newest = data.draw(ingests(catalogue))
    landed = newest_versions(catalogue, history)
    for name, entity in catalogue.entities.items():
        ordered = [sorted(rows[name], key=lambda row: (row["product"], key_of(entity, row))) for rows in (landed, newest)]
        assert ordered[0] == ordered[1]


@given(data=st.data())
def test_strategies_are_well_typed(catalogue: Catalogue, data: st.DataObject) -> None:
    for task in data.draw(batches(catalogue, max_size=5)):
        strategy = task.strategy
        assert catalogue.pattern_of(frozenset(strategy.objects)) is not None
        assert strategy.recall in strategy.objects
        used = {rule.value for node in strategy.objects.values() for rule in rules_of(node) if rule.match == "matches"}
        assert strategy.lists.keys() == used
        for name, node in strategy.objects.items():
            entity = catalogue.entity_of(name)
            for rule in rules_of(node):
                assert check_match(rule.feature, rule.match, rule.key) == rule.match
                if rule.feature.name in features_of(entity):
                    assert features_of(entity)[rule.feature.name] == rule.feature
                if rule.match != "matches":
                    column = entity.columns.get(rule.feature.name)
                    assert typed_value(rule.feature, rule.match, rule.value, column.values if column else ()) == rule.value


def _nodes(strategy: ResolvedStrategy) -> list[type]:
    found: list[type] = []
    waiting = [node for node in strategy.objects.values() if node is not None]
    while waiting:
        node = waiting.pop()
        found.append(type(node))
        waiting += node.all if isinstance(node, AllOf) else node.any if isinstance(node, AnyOf) else []
        waiting += [node.not_] if isinstance(node, Not) else []
    return found


def test_generated_batches_reach_everything() -> None:
    """A fixed run sees every node, pattern, kind and match, cases with joins, hits, nulls, several rows joined to one, empty objects."""
    seen: Counter = Counter()

    @settings(
        max_examples=150, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(batch=batches(SAMPLE), rows=table_rows(SAMPLE))
    def collect(batch: list, rows: Rows) -> None:
        for task in batch:
            strategy = task.strategy
            seen.update(_nodes(strategy))
            seen["+".join(strategy.objects)] += 1
            seen["without rules"] += None in strategy.objects.values()
            for node in strategy.objects.values():
                for rule in rules_of(node):
                    seen[compared_as(rule.feature)[0], rule.match] += 1
                    seen["composite"] += len(rule.feature.parts) > 1
            cases = evaluate(strategy, SAMPLE, rows, task.products, task.published_from, task.published_to)
            seen["cases"] += len(cases)
            seen["hits"] += any(case["hits"] for case in cases)
            seen["joined"] += any(case["joined"] for case in cases)
            seen["several joined"] += any(joined["rows"] > 1 for case in cases for joined in case["joined"].values())
            seen["more than are shown"] += any(joined["rows"] > 3 for case in cases for joined in case["joined"].values())
            seen["bounded"] += task.published_from is not None and bool(cases)

    collect()
    wanted = [AllOf, AnyOf, Not, Rule, "without rules", "composite", "cases", "hits", "joined", "several joined", "bounded"]
    wanted += ["+".join(pattern.objects) for pattern in SAMPLE.patterns]
    wanted += [(kind, match) for kind, matches in MATCHES.items() for match in matches]
    assert [name for name in wanted if not seen[name]] == []
