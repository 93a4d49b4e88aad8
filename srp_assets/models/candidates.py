"""Candidates: a model trained on the newest days, judged on the days after, and kept as a run with all that it came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine

from resources.mlflow import TrackedRun, Tracking
from srp_assets.errors import Conflict
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.ranker import Ranker
from srp_assets.models.serving import LOADER_MODULE, ServedRanker, load_ranker, pandas_of, save_ranker
from srp_assets.models.training import Cluster, Judged, Progress, export, gap_days, input_types, judge, metrics_of, train
from srp_assets.models.tuning import Budget, StageFound, Told, tune, tuning_id
from srp_assets.sequences.differences.evidence import PREFIX as SEQUENCE
from srp_assets.training.building import TrainingPlaces
from srp_assets.training.card.content import SetCard, card_of
from srp_assets.training.card.page import card_html
from srp_assets.training.reader import SetReader
from srp_assets.training.registry import SetBuild, current_sets
from srp_assets.training.schema import CLICKED
from srp_assets.training.splits import TimeSplit, time_split

VERSIONS_FILE = "versions.json"
"""What a run was made from: the gate reads it back by exact version."""

REQUIREMENTS = {"gbdt": ("lightgbm", "pyarrow", "pandas", "numpy")}
DEEP_REQUIREMENTS = ("torch", "pyarrow", "pandas", "numpy")

EXAMPLE_ROWS = 3


@dataclass(frozen=True)
class CandidateOptions:
    """Which days a candidate is trained on and judged by.

    Args:
        train_days: dates before the gap.
        validation_days: the newest days, by which training ends and the model is judged.
        update: go on from the newest version of the same configuration with the days since, where there is one; trees are always new.
    """

    train_days: int = 90
    validation_days: int = 1
    update: bool = False


@dataclass(frozen=True)
class Candidate:
    """A trained model that is registered.

    Args:
        name: of the registered model.
        number: of its version in the registry.
        semantic_version: the configuration's, with the day and the digest of what it was made from.
        run_id: of the MLflow run.
        split: the days.
        judged: by label.
    """

    name: str
    number: str
    semantic_version: str
    run_id: str
    split: TimeSplit
    judged: Mapping[str, Judged]


def train_candidate(
    engine: Engine,
    places: TrainingPlaces,
    tracking: Tracking,
    document: ModelDocument,
    day: str,
    options: CandidateOptions,
    progress: Progress | None = None,
    cluster: Cluster | None = None,
) -> Candidate:
    """Trains, judges, logs and registers a model whose newest day is `day`.

    Args:
        engine: of the registry.
        places: of the training sets.
        tracking: where the run is kept.
        document: the configuration as it is written.
        day: the newest one that is judged by.
        options: which days.
        progress: told how far it is.
        cluster: where deep models of several processes train; on this machine if None.

    Raises:
        Conflict: if the training set of the day is not built.
        InvalidInput: if the configuration fits neither the features nor the days.
    """
    days = _days(engine, places, document, day, options)
    resolved, validation = days.document, days.validation
    with TemporaryDirectory() as scratch:
        base = _base(tracking, days) if options.update and resolved.architecture.kind != "gbdt" else None
        start = None if base is None else load_ranker(tracking.model_folder(base.run_id, Path(scratch) / "base"))
        since = days.train if base is None else _after(days.train, base.tags["trained_to"])
        ranker = train(resolved, since, validation, Path(scratch) / "checkpoints", progress, start, cluster)
        judged = judge(ranker, validation)
        if progress is not None:
            progress(f"keeping {document.name}", 0, 0)
        versions = _versions(document, days, places.layout.definitions, base)
        with tracking.run(f"models/{document.name}", f"{document.name} {day}", _tags(document, versions)) as run:
            _log(run, ranker, judged, days.card, versions, validation, Path(scratch) / "ranker")
        number = tracking.register(document.name, run.run_id, _tags(document, versions))
    return Candidate(document.name, number, versions["semantic_version"], run.run_id, days.split, judged)


@dataclass(frozen=True)
class _Days:
    """What a candidate is made from: the configuration with every encoding written out, the days, and the card of their sets."""

    document: ModelDocument
    split: TimeSplit
    train: SetReader
    validation: SetReader
    card: SetCard


def _days(engine: Engine, places: TrainingPlaces, document: ModelDocument, day: str, options: CandidateOptions) -> _Days:
    """The days of a candidate (`train_candidate`)."""
    schema, definitions = places.schema, places.layout.definitions
    resolved = resolve_inputs(document, input_types(schema))
    gap = gap_days(places.logs, resolved)
    with engine.connect() as connection:
        builds = current_sets(connection, places.identity, last=day)
    usable = {built: build for built, build in builds.items() if build.rows and _labels_are_final(resolved, build)}
    if day not in usable:
        reason = "its labels are not final" if day in builds and builds[day].rows else "it is not built, or has no rows"
        raise Conflict(f"the training set of {day} cannot be judged by: {reason}", where=document.name, remedy="materialize training/sets")
    split = time_split(list(usable), options.validation_days, gap, options.train_days)
    readers = [SetReader.of_builds(places.sets, schema, usable, chosen) for chosen in (split.train, split.validation)]
    used = {built: usable[built] for built in (*split.train, *split.validation)}
    card = card_of(definitions.name, schema, definitions.digest, places.options, used)
    return _Days(resolved, split, readers[0], readers[1], card)


def _labels_are_final(document: ModelDocument, build: SetBuild) -> bool:
    """Whether all labels of a day have come. Clicks come within the gap; steps may take days, and a day may be too young for them."""
    return set(document.labels) == {CLICKED} or build.figures["final"] == build.rows


def tune_candidate(
    engine: Engine,
    places: TrainingPlaces,
    tracking: Tracking,
    document: ModelDocument,
    day: str,
    options: CandidateOptions,
    budget: Budget,
    folder: Path,
    told: Told | None = None,
    cluster: Cluster | None = None,
) -> tuple[ModelDocument, list[StageFound]]:
    """Tunes a model in stages on the days of a candidate; each stage is a run of its own below that of the tuning.

    What a configuration is worth is the area under the ROC curve on the judged days, the mean over its labels. Asked for again with the
    same days and configuration, it goes on where it stopped.

    Args:
        engine: of the registry.
        places: of the training sets.
        tracking: where runs are kept.
        document: the configuration as it is written.
        day: the newest one that is judged by.
        options: which days.
        budget: of trials and of time.
        folder: of the journals of trials.
        told: of every trial.
        cluster: where deep models of several processes train; on this machine if None.

    Returns:
        The best configuration so far, every encoding written out, and what each stage found.
    """
    days = _days(engine, places, document, day, options)
    data = sha256(json.dumps(days.card.as_dict()["days"], sort_keys=True).encode()).hexdigest()
    tags = {"tuning": tuning_id(days.document, data), "data": data}

    def worth(tried: ModelDocument) -> float:
        with TemporaryDirectory() as scratch:
            ranker = train(tried, days.train, days.validation, Path(scratch) / "checkpoints", cluster=cluster)
        judged = judge(ranker, days.validation).values()
        return sum(found.auc for found in judged) / len(judged)

    with tracking.run(f"models/{document.name}", f"tuning of {document.name}", tags, again=True) as run:

        def keep(stage: StageFound) -> None:
            of_stage = {**tags, "stage": stage.name}
            with tracking.run(f"models/{document.name}", stage.name, of_stage, parent=run.run_id, again=True) as child:
                child.log_json({"trials": stage.trials, "best": stage.settings, "complete": stage.complete}, "trials.json")
                child.log_metrics({"best": stage.value, "trials": len(stage.trials)})
                for number, (_, value) in enumerate(stage.trials):
                    child.log_metrics({"worth": value}, step=number)

        best, found = tune(days.document, data, worth, budget, folder, told, keep)
        run.log_json(best.model_dump(mode="json", exclude_unset=True), "configuration.json")
        if found:
            run.log_metrics({"best": found[-1].value})
    return best, found


def _base(tracking: Tracking, days: _Days) -> Any | None:
    """The newest version that an update may go on from: of the same configuration and definitions, trained on fewer days."""
    for version_ in tracking.versions(days.document.name):
        same = version_.tags.get("configuration") == days.document.digest and version_.tags.get("definitions") == days.card.definitions
        if same and version_.tags["trained_to"] < days.split.train[-1]:
            return version_
    return None


def _after(days: SetReader, last: str) -> SetReader:
    """The days after one."""
    return SetReader(days.storage, days.schema, {day: paths for day, paths in days.files.items() if day > last})


def _versions(document: ModelDocument, days: _Days, definitions: Definitions, base: Any | None) -> dict[str, Any]:
    """Everything that the model was made from; `base` is the registered version that it goes on from."""
    resolved, card, split = days.document, days.card, days.split
    of_base = None if base is None else {"version": int(base.version), "semantic_version": base.tags["semantic_version"]}
    told = card.as_dict()
    features = {name: card.versions[name] for name in resolved.features if name in card.versions}
    sources = definitions.sources_of(features)
    # The gate asks for evidence of sequences as of features.
    features |= {f"{SEQUENCE}{own.of}": card.sequences[own.of] for own in resolved.sequences if own.of is not None}
    data = sha256(json.dumps(told["days"], sort_keys=True).encode()).hexdigest()
    made_from = sha256(json.dumps([data, features, resolved.digest, of_base]).encode()).hexdigest()[:12]
    return {
        "semantic_version": f"{document.version}+{split.validation[-1].replace('-', '')}.{made_from}",
        "configuration": resolved.digest,
        "base": of_base,
        "data": {"identity": card.identity, "digest": data, "days": told["days"]},
        "split": {"train": split.train, "gap": split.gap, "validation": split.validation},
        "definitions": card.definitions,
        "features": features,
        # Word lists reach features through sources of attributes; those of sources that this model's features do not come from say nothing.
        "lists": {source: lists for source, lists in told["lists"].items() if source in sources},
    }


def _tags(document: ModelDocument, versions: Mapping[str, Any]) -> dict[str, str]:
    """What is told of a run and of a version at a glance; the rest is in the file of versions."""
    split = versions["split"]
    return {
        "semantic_version": versions["semantic_version"],
        "kind": document.architecture.kind,
        "configuration": versions["configuration"],
        "data": versions["data"]["digest"],
        "definitions": versions["definitions"],
        "features": sha256(json.dumps(versions["features"], sort_keys=True).encode()).hexdigest(),
        "lists": sha256(json.dumps(versions["lists"], sort_keys=True).encode()).hexdigest(),
        "trained_from": split["train"][0],
        "trained_to": split["train"][-1],
        "judged_to": split["validation"][-1],
        "training": "in full" if versions["base"] is None else f"updated from {versions['base']['semantic_version']}",
    }


def _log(
    run: TrackedRun,
    ranker: Ranker,
    judged: Mapping[str, Judged],
    card: SetCard,
    versions: Mapping[str, Any],
    validation: SetReader,
    folder: Path,
) -> None:
    """Everything that a run keeps."""
    document = ranker.document
    run.log_params(
        _flat({"labels": document.labels, "architecture": document.architecture.model_dump(), "training": document.training.model_dump()})
    )
    run.log_metrics(metrics_of(judged))
    run.log_json(document.model_dump(mode="json"), "configuration.json")
    run.log_json(versions, VERSIONS_FILE)
    run.log_json(card.as_dict(), "training_set.json")
    run.log_text(card_html(card), "training_set.html")
    importance = getattr(ranker, "importance", None)
    if importance is not None:
        run.log_json(importance(), "importance.json")
    types = input_types(validation.schema)
    save_ranker(ranker, folder, types)
    example = ServedRanker(folder).table_of(validation.read(validation.row_groups[0], ranker.columns).slice(0, EXAMPLE_ROWS))
    difference = export(ranker, example, folder.with_name("onnx"))
    if difference is not None:
        run.log_folder(folder.with_name("onnx"), "onnx")
        run.log_metrics({"onnx_difference": difference})
    kind = document.architecture.kind
    run.log_model(
        folder,
        loader_module=LOADER_MODULE,
        columns={name: types[name] for name in ranker.columns},
        labels=list(ranker.score(example)),
        example=pandas_of(example),
        requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS.get(kind, DEEP_REQUIREMENTS)],
    )


def _flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by their path."""
    found: dict[str, Any] = {}
    for name, value in content.items():
        path = f"{above}{name}"
        found |= _flat(value, f"{path}.") if isinstance(value, Mapping) else {path: value}
    return found
