"""Daily updates that go on from yesterday's model, and what they are worth beside training anew.

A day's update trains on that day's rows alone, from the weights before it. What fitting learned (vocabularies, scales) stays what it was
in the base: ids that are new since then have rows where they are hashed, and share one where an input has a vocabulary.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import RowFiles
from srp_assets.models.deep.training.trainer import Look, Start, Training

UPDATE_EPOCHS = 1
"""Of an update: a day seen twice is learned by heart."""


def update(ranker: DeepRanker, files: RowFiles, *, learning_rate: float | None = None, folder: Path | None = None) -> DeepRanker:
    """A model that has seen some days more.

    Args:
        ranker: the model before; it stays what it is.
        files: of the new days, in order.
        learning_rate: of the update; the configuration's if None.
        folder: for checkpoints.
    """
    document = ranker.document
    changed = {"epochs": UPDATE_EPOCHS} | ({} if learning_rate is None else {"learning_rate": learning_rate})
    settings = document.training.model_copy(update=changed)
    start = Start(ranker.encoder.state, ranker.model.state_dict())
    trained = Training(document.model_copy(update={"training": settings}), files, start=start, folder=folder).run()
    return DeepRanker(document, trained.encoder, trained.model)


@dataclass(frozen=True)
class ComparedDay:
    """How models that know all days before a day do on it.

    Args:
        day: that they are judged on.
        updated: the model that was updated day by day.
        full: the model that was trained anew on the last days before.
        stale: the base, as it was.
        update_seconds: of the last update.
        full_seconds: of training anew.
    """

    day: date
    updated: Look
    full: Look
    stale: Look
    update_seconds: float
    full_seconds: float

    def as_row(self, label: str) -> dict[str, float | str]:
        """The figures of one label, for a table."""
        models = {"updated": self.updated, "full": self.full, "stale": self.stale}
        figures = {f"{name}_{measure}": getattr(look, measure)[label] for name, look in models.items() for measure in ("auc", "log_loss")}
        return {"day": self.day.isoformat(), **figures, "update_seconds": self.update_seconds, "full_seconds": self.full_seconds}


def compare_updates(document: ModelDocument, days: Mapping[date, RowFiles], base_days: int, *, window_days: int = 90) -> list[ComparedDay]:
    """Plays days one after the other: each is judged by models that know the days before it and no others.

    Args:
        document: the configuration.
        days: the rows of each day.
        base_days: how many of the first days the base is trained on.
        window_days: how many days before a day the full training sees.

    Returns:
        An entry for each day after the base.

    Raises:
        InvalidInput: if there is no day after the base.
    """
    order = sorted(days)
    if not 0 < base_days < len(order):
        raise InvalidInput(f"{len(order)} days cannot be split into {base_days} and others", where=document.name, remedy="give more days")
    base = _trained(document, _together([days[day] for day in order[:base_days]]))
    updated, update_seconds, found = base, 0.0, []
    for place in range(base_days, len(order)):
        if place > base_days:
            begun = time.perf_counter()
            updated = update(updated, days[order[place - 1]])
            update_seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        full = _trained(document, _together([days[day] for day in order[max(0, place - window_days) : place]]))
        full_seconds = time.perf_counter() - begun
        looks = [_look(ranker, days[order[place]]) for ranker in (updated, full, base)]
        found.append(ComparedDay(order[place], looks[0], looks[1], looks[2], update_seconds, full_seconds))
    return found


def _trained(document: ModelDocument, files: RowFiles) -> DeepRanker:
    trained = Training(document, files).run()
    return DeepRanker(document, trained.encoder, trained.model)


def _look(ranker: DeepRanker, files: RowFiles) -> Look:
    """The measures of a model on some rows."""
    training = Training(ranker.document, files, files, start=Start(ranker.encoder.state, ranker.model.state_dict()))
    return training.look_at(training.validation)


def _together(files: Sequence[RowFiles]) -> RowFiles:
    """The rows of several days."""
    return RowFiles([path for one in files for path in one.paths], files[0].filesystem)
