"""When models are trained: a job for each, and the daily and weekly schedules."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from jobs.daily import schedule_of_yesterday
from srp_assets.models.assets import CandidateConfig, model_key
from srp_assets.models.config.document import ModelDocument

SUNDAY = "0"


def training_job(name: str) -> str:
    """The job that trains a model."""
    return f"train_{name.replace('-', '_')}"


def models_jobs(documents: Sequence[ModelDocument]) -> list[Any]:
    """A job for each model, on demand and on schedule."""
    return [
        dg.define_asset_job(
            training_job(document.name),
            selection=dg.AssetSelection.assets(model_key(document.name)),
            executor_def=dg.in_process_executor,
            description=f"Trains {document.name} on the days before a day and judges it by that day.",
        )
        for document in documents
    ]


def models_schedules(documents: Sequence[ModelDocument], jobs: Sequence[Any]) -> list[Any]:
    """Every day, an hour after the training sets: trees are trained anew, deep models are updated, and on Sundays trained in full."""
    found = []
    for document, job in zip(documents, jobs, strict=True):
        name = training_job(document.name)
        if document.architecture.kind == "gbdt":
            found.append(schedule_of_yesterday(job, f"daily_{name}", hour=4, minute=15))
        else:
            update = dg.RunConfig(ops={model_key(document.name).to_python_identifier(): CandidateConfig(update=True)})
            found.append(schedule_of_yesterday(job, f"daily_{name}", hour=4, minute=15, weekdays="1-6", run_config=update))
            found.append(schedule_of_yesterday(job, f"weekly_{name}", hour=4, minute=15, weekdays=SUNDAY))
    return found
