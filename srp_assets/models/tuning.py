"""Staged tuning: sizes first, then the learning rate, then the batch, then regularisation; what a stage found is fixed for the next.

One stage has few parameters, so that few trainings tell: a joint search over all of them would need many more. Within a stage optuna
proposes. Trials are written to a journal as they end, so that tuning that was stopped, or ran out of its budget, goes on with the next
trial when it is asked for again with the same data and the same configuration.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from srp_assets.models.config.document import ModelDocument

Value = int | float | str | tuple[int, ...]

Objective = Callable[[ModelDocument], float]
"""Trains a configuration and says what it is worth: the higher, the better."""


@dataclass(frozen=True)
class Stage:
    """One stage.

    Args:
        name: what is sought.
        choices: the values of each setting, by its path in the configuration (`architecture.hidden`).
    """

    name: str
    choices: Mapping[str, Sequence[Value]]


SIZES: tuple[Value, ...] = ((64,), (64, 32), (128, 64), (256, 128), (256, 128, 64))

DEEP_STAGES = (
    Stage("sizes", {"architecture.hidden": SIZES, "dimension": (4, 8, 16, 32)}),
    Stage("learning rate", {"training.learning_rate": (0.0003, 0.0005, 0.001, 0.002, 0.004)}),
    Stage("batch", {"training.batch_rows": (512, 1024, 2048, 4096, 8192)}),
    Stage(
        "regularisation",
        {
            "training.embedding_decay": (0.0, 1e-7, 1e-6, 1e-5),
            "training.weight_decay": (0.0, 1e-6, 1e-5, 1e-4),
            "architecture.dropout": (0.0, 0.1, 0.2),
        },
    ),
)

TREE_STAGES = (
    Stage("sizes", {"architecture.leaves": (15, 31, 63, 127), "architecture.least_leaf_rows": (20, 50, 100, 200)}),
    Stage("learning rate", {"architecture.learning_rate": (0.02, 0.03, 0.05, 0.08, 0.12)}),
    Stage("rows", {"architecture.row_share": (0.6, 0.8, 0.9, 1.0)}),
    Stage("regularisation", {"architecture.l2": (0.0, 1.0, 5.0, 20.0), "architecture.feature_share": (0.5, 0.7, 0.9, 1.0)}),
)


@dataclass(frozen=True)
class Budget:
    """How much tuning may cost.

    Args:
        trials: of each stage.
        seconds: of this call; the trial that is under way then is finished.
    """

    trials: int = 12
    seconds: float = float("inf")


@dataclass(frozen=True)
class StageFound:
    """What a stage found.

    Args:
        name: of the stage.
        settings: the best ones, by path.
        value: what they are worth.
        trials: each one's settings and worth, in order.
        complete: whether the stage had all its trials.
    """

    name: str
    settings: dict[str, Value]
    value: float
    trials: list[tuple[dict[str, Value], float]] = field(default_factory=list)
    complete: bool = True


Told = Callable[[Stage, int, float, float], None]
"""Told of every trial that ends: the stage, the trial's number, its worth and the best one so far."""

Kept = Callable[[StageFound], None]
"""Told of every stage that has trials, when it ends or the time is up; again when tuning goes on."""


def stages_of(document: ModelDocument) -> tuple[Stage, ...]:
    """The stages of a kind of model; settings that it has not are left out, and so are stages without any."""
    stages = TREE_STAGES if document.architecture.kind == "gbdt" else DEEP_STAGES
    known = [Stage(stage.name, {path: values for path, values in stage.choices.items() if _has(document, path)}) for stage in stages]
    return tuple(stage for stage in known if stage.choices)


def tuning_id(document: ModelDocument, data: str) -> str:
    """Identity of a tuning: the configuration that it begins with, and the digest of the data."""
    return sha256(f"{document.digest} {data}".encode()).hexdigest()[:16]


def tune(
    document: ModelDocument,
    data: str,
    objective: Objective,
    budget: Budget,
    folder: Path,
    told: Told | None = None,
    kept: Kept | None = None,
) -> tuple[ModelDocument, list[StageFound]]:
    """Tunes stage by stage; gives the best configuration so far and what each stage found, unless the time was up before it began.

    Args:
        document: the configuration to begin with, every input's encoding written out; its own settings are the first trial of each stage.
        data: digest of the rows that are trained on and judged by.
        objective: trains and judges.
        budget: of trials and of time.
        folder: of the journals.
        told: of every trial.
        kept: of every stage.
    """
    ends = time.monotonic() + budget.seconds
    best, found = document, []
    known: dict[str, float] = {}

    def worth(tried: ModelDocument) -> float:
        """Training is a function of its configuration and its seed: what was tried needs no second training."""
        if tried.digest not in known:
            known[tried.digest] = objective(tried)
        return known[tried.digest]

    for stage in stages_of(document):
        outcome = _run_stage(stage, best, tuning_id(best, data), worth, budget, ends, folder, told)
        if outcome is None:
            break
        found.append(outcome)
        if kept is not None:
            kept(outcome)
        known |= {with_settings(best, settings).digest: value for settings, value in outcome.trials}
        best = with_settings(best, outcome.settings)
        if not outcome.complete:
            break
    return best, found


def _run_stage(
    stage: Stage,
    document: ModelDocument,
    identity: str,
    objective: Objective,
    budget: Budget,
    ends: float,
    folder: Path,
    told: Told | None,
) -> StageFound | None:
    """The trials that a stage lacks; None if there is none and no time for any."""
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    logging.getLogger("optuna").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder / f"{identity}.journal")
    storage = optuna.storages.JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    sampler = optuna.samplers.TPESampler(seed=document.training.seed, n_startup_trials=max(3, budget.trials // 3))
    study = optuna.create_study(study_name=stage.name, storage=storage, sampler=sampler, direction="maximize", load_if_exists=True)
    if not study.trials:
        study.enqueue_trial({path: _written(_setting(document, path)) for path in stage.choices}, skip_if_exists=True)
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    while len(done) < budget.trials and time.monotonic() < ends:
        trial = study.ask()
        choices = {
            name: list(dict.fromkeys([_written(_setting(document, name)), *map(_written, values)]))
            for name, values in stage.choices.items()
        }
        settings = {name: _read(trial.suggest_categorical(name, values)) for name, values in choices.items()}
        value = objective(with_settings(document, settings))
        study.tell(trial, value)
        done = [other for other in study.trials if other.state == optuna.trial.TrialState.COMPLETE]
        if told is not None:
            told(stage, len(done), float(value), float(study.best_value))
    if not done:
        return None
    trials = [({name: _read(text) for name, text in trial.params.items()}, float(trial.value)) for trial in done]
    best = {name: _read(text) for name, text in study.best_params.items()}
    return StageFound(stage.name, best, float(study.best_value), trials, len(done) >= budget.trials)


def with_settings(document: ModelDocument, settings: Mapping[str, Value]) -> ModelDocument:
    """A configuration with some settings changed, by path."""
    content = {name: getattr(document, name) for name in type(document).model_fields}
    for path, value in settings.items():
        section, _, name = path.partition(".")
        content[section] = content[section].model_copy(update={name: value}) if name else value
    return ModelDocument.model_validate(content)


def _has(document: ModelDocument, path: str) -> bool:
    section, _, name = path.partition(".")
    return hasattr(document, section) and (not name or name in type(getattr(document, section)).model_fields)


def _setting(document: ModelDocument, path: str) -> Value:
    section, _, name = path.partition(".")
    found = getattr(document, section)
    value: Value = getattr(found, name) if name else found
    return value


def _written(value: Value) -> str:
    """A value as a journal keeps it: choices are texts there, since tuples are no JSON."""
    return json.dumps(value)


def _read(text: Any) -> Value:
    found = json.loads(text)
    value: Value = tuple(found) if isinstance(found, list) else found
    return value
