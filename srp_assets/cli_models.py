"""The command for models: what is configured, training on demand, and the versions that there are."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, json_option, open_home
from srp_assets.cli_gate import approve, champion, evaluate, rollback
from srp_assets.cli_training import home_training
from srp_assets.errors import NotFound, nearest

if TYPE_CHECKING:
    from srp_assets.models.config.document import ModelDocument

DAY = click.DateTime(formats=["%Y-%m-%d"])
SHOWN_METRICS = ("auc", "log_loss")


@click.group("models")
def models_command() -> None:
    """Models that learn from training sets."""


for of_gate in (evaluate, champion, approve, rollback):
    models_command.add_command(of_gate)


@models_command.command("train")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--day", type=DAY, help="The newest day, by which the model is judged; the newest whole one by default.")
@json_option
def train(names: tuple[str, ...], day: datetime | None, as_json: bool) -> int:
    """Train the models NAME (all configured ones, if none is given) through Dagster on this home, and register them as candidates."""
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress

    with open_home() as home, progress("training", shown=not as_json) as report:
        chosen = _chosen(home, names)
        newest = day.date().isoformat() if day else newest_day(home)
        with LocalRuns(home, progress=report) as runs:
            for document in chosen:
                runs.train_model(document.name, newest)
        found = [versions_of(home, document.name)[0] for document in chosen]
    return _told(found, as_json=as_json)


@models_command.command("list")
@click.argument("names", metavar="NAME...", nargs=-1)
@json_option
def list_models(names: tuple[str, ...], as_json: bool) -> int:
    """List the versions of the models NAME (of all configured ones, if none is given), newest first, with their measures."""
    with open_home() as home:
        found = [version for document in _chosen(home, names) for version in versions_of(home, document.name)]
    return _told(found, as_json=as_json)


@models_command.command("tune")
@click.argument("name")
@click.option("--day", type=DAY, help="The newest day, by which models are judged; the newest whole one by default.")
@click.option("--trials", type=click.IntRange(min=1), default=12, show_default=True, help="Trainings of each stage.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after so long; the same command goes on then.")
@json_option
def tune(name: str, day: datetime | None, trials: int, minutes: float | None, as_json: bool) -> int:
    """Tune the model NAME in stages: sizes, learning rate, batches, regularisation; each stage is a run in MLflow.

    Prints the best configuration. Exit code 3 if the time was up before all stages had their trials; the same command goes on then.
    """
    import yaml

    from resources.mlflow import Tracking
    from srp_assets.console import progress, say
    from srp_assets.models.assets import cluster_of
    from srp_assets.models.candidates import CandidateOptions, tune_candidate
    from srp_assets.models.tuning import Budget, Stage, stages_of

    with open_home() as home, progress("tuning", shown=not as_json) as report:
        (document,) = _chosen(home, (name,))

        def told(stage: Stage, number: int, value: float, best: float) -> None:
            report(f"{stage.name}: {value:.4f}, best {best:.4f}", number, trials)

        best, found = tune_candidate(
            home.engine,
            home_training(home),
            Tracking.of(home.settings),
            document,
            day.date().isoformat() if day else newest_day(home),
            CandidateOptions(home.settings.training_days),
            Budget(trials, float("inf") if minutes is None else 60 * minutes),
            home.settings.home_folder / "tuning",
            told,
            cluster_of(home.settings),
        )
    complete = len(found) == len(stages_of(best)) and all(stage.complete for stage in found)
    settings = {setting: value for stage in found for setting, value in stage.settings.items()}
    if as_json:
        stages = [{"stage": stage.name, "best": stage.value, "settings": stage.settings, "trials": len(stage.trials)} for stage in found]
        answer({"name": name, "complete": complete, "settings": settings, "stages": stages})
    else:
        say(yaml.safe_dump({path: list(value) if isinstance(value, tuple) else value for path, value in settings.items()}, sort_keys=False))
    return OK if complete else INCOMPLETE


def newest_day(home: Home) -> str:
    """The newest day of the training sets that is whole.

    Raises:
        NotFound: if there is none.
    """
    from srp_assets.training.registry import current_sets
    from srp_assets.training.splits import newest_whole_day

    with home.engine.connect() as connection:
        day = newest_whole_day({day: build.rows for day, build in current_sets(connection, home_training(home).identity).items()})
    if day is None:
        raise NotFound("no training set is built", where="training/sets", remedy="srp training build")
    return day


def versions_of(home: Home, name: str) -> list[dict[str, Any]]:
    """The registered versions of a model, newest first, with the measures of their runs."""
    from resources.mlflow import Tracking

    tracking = Tracking.of(home.settings)
    return [
        {
            "name": name,
            "version": int(version.version),
            "semantic_version": version.tags.get("semantic_version"),
            "run": version.run_id,
            "trained_from": version.tags.get("trained_from"),
            "trained_to": version.tags.get("trained_to"),
            "judged_to": version.tags.get("judged_to"),
            "metrics": dict(tracking.client.get_run(version.run_id).data.metrics),
        }
        for version in tracking.versions(name)
    ]


def _chosen(home: Home, names: tuple[str, ...]) -> "list[ModelDocument]":
    from srp_assets.models.assets import load_models

    folder = home.settings.model_configurations
    documents = {} if folder is None else {found.name: found for found in load_models(folder, home_training(home))}
    if not documents:
        raise NotFound("this home configures no models", where="SRP_MODELS", remedy="write a folder models beside features.yaml")
    for name in names:
        if name not in documents:
            raise NotFound(f"there is no model {name!r}", where=str(folder), remedy=nearest(name, documents))
    return [documents[name] for name in names or documents]


def _told(found: list[dict[str, Any]], *, as_json: bool) -> int:
    from srp_assets.console import table

    if as_json:
        answer({"versions": found})
        return OK
    rows = [
        (
            version["name"],
            str(version["version"]),
            version["semantic_version"],
            f"{version['trained_from']} to {version['trained_to']}",
            version["judged_to"],
            ", ".join(f"{name} {value:.4f}" for name, value in sorted(version["metrics"].items()) if name.startswith(SHOWN_METRICS)),
        )
        for version in found
    ]
    table("models", ("model", "version", "semantic version", "trained on", "judged by", "measures"), rows)
    return OK
