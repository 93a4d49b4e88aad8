"""The sensor that asks for hits of standing lists, what it asks for, and the whole way from a list to kept hits in Spark."""

from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Engine

from jobs.reopening import FIRST_TAG, LAST_TAG
from jobs.warehouse import BUILD_JOB
from jobs.wordlists import STALE_HITS_SENSOR
from resources.registry_database import RegistryResource
from srp_assets.definitions import build_definitions
from srp_assets.settings import Settings
from srp_assets.strategy.registry import archive_document
from srp_assets.strategy.standing import periods_without_hits, standing_lists
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import current_hits
from support.documents import apply_text
from support.recall import built
from support.world import comment, land_rows

pytestmark = pytest.mark.publishes_views

THANKS = "{kind: word_list, id: thanks, owner: ops, words: [thanks], standing: true}"
COMMENT_HITS = dg.AssetKey(["wordlists", "comment_hits"])


def apply(engine: Engine, catalogue: Catalogue, folder: Path, text: str) -> None:
    """Stores documents."""
    with engine.begin() as connection:
        apply_text(connection, catalogue, folder, text)


def tick(defs: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """One evaluation of the sensor."""
    sensor = defs.resolve_sensor_def(STALE_HITS_SENSOR)
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"registry": RegistryResource()}, definitions=defs) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_sensor_asks_for_stale_hits(settings: Settings, engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    """A standing list asks for every built period of every entity with texts, in few runs; not while such a run waits."""
    with engine.begin() as connection:
        for entity, month in (("comment", 1), ("comment", 3), ("post", 2)):
            built(connection, entity, f"2024-0{month}")
    defs = build_definitions(settings=settings)
    with dg.DagsterInstance.ephemeral() as instance:
        assert "nothing is stale" in str(tick(defs, instance).skip_reason)
        apply(engine, sample_catalogue, tmp_path, THANKS)
        first = tick(defs, instance)
        requests = {request.asset_selection[0]: request for request in first.run_requests or () if request.asset_selection}
        assert {key: (request.tags[FIRST_TAG], request.tags[LAST_TAG]) for key, request in requests.items()} == {
            COMMENT_HITS: ("2024-01", "2024-03"),
            dg.AssetKey(["wordlists", "post_hits"]): ("2024-02", "2024-02"),
        }
        # The request fits the job that it is for.
        job = defs.resolve_job_def(BUILD_JOB).get_subset(asset_selection={COMMENT_HITS})
        assert dg.validate_run_config(job, requests[COMMENT_HITS].run_config)
        assert not tick(defs, instance, first.cursor).run_requests
        table = dg.AssetKey(["warehouse", "comment"])
        building = defs.resolve_job_def(BUILD_JOB).get_subset(asset_selection={table})
        instance.create_run_for_job(building, tags=requests[COMMENT_HITS].tags, asset_selection=frozenset({table}))
        (other,) = tick(defs, instance).run_requests or ()
        assert other.asset_selection == [dg.AssetKey(["wordlists", "post_hits"])]


def test_standing_lists_are_the_newest_that_are_in_use(engine: Engine, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    """Lists that are not standing, or archived, are none; a change of a list that one exempts by makes its hits stale."""
    with engine.begin() as connection:
        built(connection, "comment", "2024-01")
        assert standing_lists(connection, sample_catalogue) == []
        assert periods_without_hits(connection, sample_catalogue) == []
    text = """
        {kind: word_list, id: thanks, owner: ops, words: [thanks], exempt: [{word_list: irony}], standing: true}
        ---
        {kind: word_list, id: irony, owner: ops, words: [thanks a lot]}
        ---
        {kind: word_list, id: gone, owner: ops, words: [gone], standing: true}
    """
    apply(engine, sample_catalogue, tmp_path, text)
    with engine.begin() as connection:
        archive_document(connection, "word_list", "gone")
        (thanks,) = standing_lists(connection, sample_catalogue)
        assert (thanks.id, thanks.version, thanks.exempt[0].words) == ("thanks", 1, ("thanks a lot",))
        assert [key.period for key in periods_without_hits(connection, sample_catalogue, entity="comment")] == ["2024-01"]
        assert periods_without_hits(connection, sample_catalogue, entity="post") == []
    apply(engine, sample_catalogue, tmp_path, "{kind: word_list, id: irony, owner: ops, words: [many thanks]}")
    with engine.begin() as connection:
        (again,) = standing_lists(connection, sample_catalogue)
        assert (again.version, again.exempt[0].words) == (1, ("many thanks",))


def test_hits_are_built_with_their_table(
    settings_with_spark: Settings, engine: Engine, storage: Storage, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    """One run over a range builds tables and hits; the hits say what was looked for; a second run over them finds nothing to do."""
    land_rows(engine, storage, sample_catalogue, {"comment": [comment(1, 1, text="Thanks!"), comment(2, 1, month=3)]})
    apply(engine, sample_catalogue, tmp_path, THANKS)
    defs = build_definitions(settings=settings_with_spark)
    selection = [dg.AssetKey(["warehouse", "comment"]), COMMENT_HITS]
    with dg.DagsterInstance.ephemeral() as instance:
        done = defs.resolve_job_def(BUILD_JOB).execute_in_process(
            instance=instance, asset_selection=selection, tags={FIRST_TAG: "2024-01", LAST_TAG: "2024-03"}
        )
        assert done.success
        materialized = {
            event.partition: event.materialization.metadata
            for event in done.get_asset_materialization_events()
            if event.asset_key == COMMENT_HITS
        }
        shown = materialized["2024-01"]
        assert set(materialized) == {"2024-01", "2024-02", "2024-03"}
        assert (shown["rows"].value, shown["hits"].value, shown["lists"].value) == (1, {"aurora": 1, "lotus": 0}, {"thanks": 1})
        (check,) = [check for check in done.get_asset_check_evaluations() if check.asset_key == COMMENT_HITS]
        assert check.passed
        assert not tick(defs, instance).run_requests
    with engine.connect() as connection:
        kept = current_hits(connection, entity="comment")
        assert sum(hits.hits for hits in kept.values()) == 1
        assert periods_without_hits(connection, sample_catalogue) == []


def test_retention_job_runs(settings: Settings, engine: Engine) -> None:
    """The hourly job runs on an empty home."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert build_definitions(settings=settings).resolve_job_def("wordlists_retention").execute_in_process(instance=instance).success
