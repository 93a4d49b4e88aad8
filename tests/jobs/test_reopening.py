"""Which builds a sensor counts as under way."""

import dagster as dg

from jobs.reopening import FIRST_TAG, LAST_TAG, PARTITION_TAG, spans_of_runs
from srp_assets.warehouse.reopening import PeriodSpan

ACTIONS, SESSIONS = dg.AssetKey(["logs", "actions"]), dg.AssetKey(["logs", "sessions"])
TABLES = {ACTIONS: "actions", SESSIONS: "sessions"}


@dg.asset(key=ACTIONS)
def actions() -> None:
    """Stands for a table."""


@dg.asset(key=SESSIONS)
def sessions() -> None:
    """Stands for a table."""


DEFINITIONS = dg.Definitions(
    assets=[actions, sessions],
    jobs=[dg.define_asset_job("stitch", selection="*"), dg.define_asset_job("look", selection="*")],
)


def test_a_run_builds_what_it_selects_and_all_of_the_job_where_it_selects_nothing() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        stitch, look = (DEFINITIONS.resolve_job_def(name) for name in ("stitch", "look"))
        instance.create_run_for_job(stitch, tags={FIRST_TAG: "2024-03-01", LAST_TAG: "2024-03-03"})
        instance.create_run_for_job(
            stitch.get_subset(asset_selection={SESSIONS}), tags={PARTITION_TAG: "2024-03-09"}, asset_selection=frozenset({SESSIONS})
        )
        instance.create_run_for_job(look, tags={PARTITION_TAG: "2024-03-05"})
        instance.create_run_for_job(stitch, status=dg.DagsterRunStatus.SUCCESS, tags={PARTITION_TAG: "2024-03-06"})
        instance.create_run_for_job(stitch)
        found = spans_of_runs(instance, "stitch", TABLES)
    assert sorted(found, key=lambda span: span.name) == [
        PeriodSpan("actions", "2024-03-01", "2024-03-03"),
        PeriodSpan("sessions", "2024-03-01", "2024-03-03"),
        PeriodSpan("sessions", "2024-03-09", "2024-03-09"),
    ]
