"""The variants that show what exemptions silence, by the naive evaluator alone; and on which builds they can be run."""

import pytest
from hypothesis import given
from sqlalchemy import Engine

from srp_assets.insights import reference
from srp_assets.insights.statistics.exemptions import EXEMPTIONS_OF, variants_of
from srp_assets.insights.statistics.silencing import BUILDS_GONE, FROM_LANDING, runnable
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec, needed_cells
from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.reference import evaluate
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.registry_builds import Build, current_builds
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from support.generators import batches, table_rows
from support.recall import built, land
from support.specs import task_specs

SAMPLE = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
TITLE = Feature(name="title", kind="text", type="string", parts=("title",))
WORDS = ResolvedList(id="words", version=1, words=("shark",), exempt=(ExemptGroup(words=("shark week",)),))


@given(rows=table_rows(SAMPLE), batch=batches(SAMPLE, max_size=3))
def test_the_variants_of_a_list_find_what_its_exemptions_silence_and_name_them(rows: dict, batch: list) -> None:
    for spec in task_specs(batch):
        limits = (spec.published_from, spec.published_to)
        cases = evaluate(spec.strategy, SAMPLE, rows, spec.products, *limits)
        variants = variants_of(spec)
        assert len({variant.spec.task_id for variant in variants}) == len(variants)
        for key, words in spec.strategy.lists.items():
            own = [variant for variant in variants if f"{key}/bare" in variant.spec.strategy.lists]
            bare = spec.strategy.model_copy(update={"lists": spec.strategy.lists | {key: words.model_copy(update={"exempt": ()})}})
            expected = reference.silenced(cases, evaluate(bare, SAMPLE, rows, spec.products, *limits))
            found = [case for variant in own for case in evaluate(variant.spec.strategy, SAMPLE, rows, spec.products, *limits)]
            added = [case for case in found if (case["product"], case["id"]) not in {(known["product"], known["id"]) for known in cases}]
            assert {(case["product"], case["id"]) for case in added} == expected
            assert not own or words.exempt
            if len(spec.strategy.objects) == 1:
                # Of several objects, a case shows the hits of their first rows alone.
                assert all(any(hit["list"] == f"{EXEMPTIONS_OF}{words.id}" for hit in case["hits"]) for case in added)


def spec_of(task_id: str, *, product: str = "aurora") -> TaskSpec:
    rule = Rule(feature=TITLE, match="matches", value="words@1")
    strategy = ResolvedStrategy(id="sharks", version=1, products="*", recall="post", objects={"post": rule}, lists={"words@1": WORDS})
    return TaskSpec(task_id=task_id, strategy=strategy, products=(product,))


def answered(engine: Engine, catalogue: Catalogue, spec: TaskSpec, builds: list[Build], *, from_landing: bool = False) -> TaskSpec:
    """Records the cells of a task that was answered on some builds."""
    with engine.begin() as connection:
        registry.add_task(connection, spec, needs=[], as_of_ingest=1, now=builds[0].built_at)
        for name, build in needed_cells(catalogue, spec, {"post": builds}):
            cell = registry.Cell(spec.task_id, name, build.product, build.period, 5, 5, 1, 0, 0 if from_landing else build.build_id, 1)
            connection.execute(registry.recall_cell.insert().values(**vars(cell)))
    return spec


def test_tasks_run_together_as_long_as_each_sees_its_own_builds(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "sizes", lambda self, relative: [1 for _ in relative])
    with engine.begin() as connection:
        for period in ("2024-01", "2024-02"):
            land(connection, "post", period)
            built(connection, "post", period)
        first = current_builds(connection, entity="post")
        land(connection, "post", "2024-02")
        built(connection, "post", "2024-02")
        second = current_builds(connection, entity="post")
    specs = [answered(engine, sample_catalogue, spec_of(f"t-{number}"), builds) for number, builds in enumerate((first, second, first))]
    specs.append(answered(engine, sample_catalogue, spec_of("t-landing"), first, from_landing=True))
    specs.append(spec_of("t-plain").model_copy(update={"strategy": specs[0].strategy.model_copy(update={"lists": {}})}))
    with engine.connect() as connection:
        found = runnable(connection, storage, sample_catalogue, specs)
    assert [[spec.task_id for spec in group.specs] for group in found.groups] == [["t-0", "t-2"], ["t-1"]]
    assert [group.by_entity() for group in found.groups] == [{"post": first}, {"post": second}]
    assert found.unknown == {"t-landing": FROM_LANDING}


def test_what_exemptions_silence_is_not_known_when_the_builds_are_gone(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue
) -> None:
    with engine.begin() as connection:
        land(connection, "post", "2024-01")
        built(connection, "post", "2024-01")
        builds = current_builds(connection, entity="post")
    spec = answered(engine, sample_catalogue, spec_of("t-1"), builds)
    with engine.connect() as connection:
        assert runnable(connection, storage, sample_catalogue, [spec]).unknown == {"t-1": BUILDS_GONE}
