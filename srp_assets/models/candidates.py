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
from srp_assets.errors import Conflict, InvalidInput
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.logs.durations import whole_days
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.resolving import resolve_inputs
from srp_assets.models.ranker import Ranker
from srp_assets.models.serving import LOADER_MODULE, pandas_of, save_ranker
from srp_assets.models.training import Judged, Progress, input_types, judge, metrics_of, train
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
    """

    train_days: int = 90
    validation_days: int = 1


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


def gap_days(logs: LogCatalogue, document: ModelDocument) -> int:
    """The days in which a label may still come: none of them lies both before and after the border of the split.

    Raises:
        InvalidInput: if a label is none of the funnel's.
    """
    windows = []
    for label in document.labels:
        log = logs.of_role("click") if label == CLICKED else logs.logs.get(label)
        if log is None or (label != CLICKED and label not in logs.steps):
            remedy = f"labels are {CLICKED} and {', '.join(logs.steps)}"
            raise InvalidInput(f"there is no label {label!r}", where=f"{document.name}: labels", remedy=remedy)
        windows.append(whole_days(log.window))
    return max(windows)


def train_candidate(
    engine: Engine,
    places: TrainingPlaces,
    tracking: Tracking,
    document: ModelDocument,
    day: str,
    options: CandidateOptions,
    progress: Progress | None = None,
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

    Raises:
        Conflict: if the training set of the day is not built.
        InvalidInput: if the configuration fits neither the features nor the days.
    """
    schema = places.schema
    resolved = resolve_inputs(document, input_types(schema))
    gap = gap_days(places.logs, resolved)
    with engine.connect() as connection:
        builds = current_sets(connection, places.identity, last=day)
    usable = {built: build for built, build in builds.items() if build.rows and _labels_are_final(resolved, build)}
    if day not in usable:
        reason = "its labels are not final" if day in builds and builds[day].rows else "it is not built, or has no rows"
        raise Conflict(f"the training set of {day} cannot be judged by: {reason}", where=document.name, remedy="materialize training/sets")
    split = time_split(list(usable), options.validation_days, gap, options.train_days)
    reader = SetReader.of_builds(places.sets, schema, usable, split.train)
    validation = SetReader.of_builds(places.sets, schema, usable, split.validation)
    with TemporaryDirectory() as scratch:
        ranker = train(resolved, reader, validation, Path(scratch) / "checkpoints", progress)
        judged = judge(ranker, validation)
        if progress is not None:
            progress(f"keeping {document.name}", 0, 0)
        definitions = places.layout.definitions
        used = {built: usable[built] for built in (*split.train, *split.validation)}
        card = card_of(definitions.name, schema, definitions.digest, places.options, used)
        versions = _versions(document, resolved, card, split)
        with tracking.run(f"models/{document.name}", f"{document.name} {day}", _tags(document, versions)) as run:
            _log(run, ranker, judged, card, versions, validation, Path(scratch) / "ranker")
        number = tracking.register(document.name, run.run_id, _tags(document, versions))
    return Candidate(document.name, number, versions["semantic_version"], run.run_id, split, judged)


def _labels_are_final(document: ModelDocument, build: SetBuild) -> bool:
    """Whether all labels of a day have come. Clicks come within the gap; steps may take days, and a day may be too young for them."""
    return set(document.labels) == {CLICKED} or build.figures["final"] == build.rows


def _versions(document: ModelDocument, resolved: ModelDocument, card: SetCard, split: TimeSplit) -> dict[str, Any]:
    """Everything that the model was made from."""
    told = card.as_dict()
    features = {name: card.versions[name] for name in resolved.features if name in card.versions}
    data = sha256(json.dumps(told["days"], sort_keys=True).encode()).hexdigest()
    made_from = sha256(json.dumps([data, features, resolved.digest]).encode()).hexdigest()[:12]
    return {
        "semantic_version": f"{document.version}+{split.validation[-1].replace('-', '')}.{made_from}",
        "configuration": resolved.digest,
        "data": {"identity": card.identity, "digest": data, "days": told["days"]},
        "split": {"train": split.train, "gap": split.gap, "validation": split.validation},
        "definitions": card.definitions,
        "features": features,
        # Word lists reach features through attributes: which of their versions counted, the builds of the features say.
        "lists": {"features_builds": sorted({day["features_build"] for day in told["days"].values() if day["features_build"]})},
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
    example = validation.read(validation.row_groups[0], ranker.columns).slice(0, EXAMPLE_ROWS)
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
