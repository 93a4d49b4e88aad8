"""Runs in the process of a command carry who runs them, so that a run whose process was killed does not look alive for ever.

The daemon watches only the runs that it launched itself.
"""

import dagster as dg

from srp_assets.warehouse.worker import is_dead, this_process

WORKER_TAG = "srp/worker"

UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def worker_tags() -> dict[str, str]:
    """The tags of a run in this process."""
    return {WORKER_TAG: this_process()}


def fail_runs_of_dead_processes(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs as failed whose process is gone and gives back their places in the pools; returns their ids."""
    failed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        if is_dead(run.tags.get(WORKER_TAG)):
            instance.report_run_failed(run, "The process that this run was in is gone.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            failed.append(run.run_id)
    return failed
