"""Learning in one pass, in the order of events: each row is predicted with what was known before it, then learned.

Events are judged window by window: what their predictions lost, against what the state before the window, had it learned nothing, would
have lost on the same events. A learner that does worse than standing still, or whose weights are no numbers, diverges: it falls back to
that state and goes on after the window with half the learning rate. When it has fallen back too often it gives up: a model that learns
nothing new is better than one that unlearns. That the world changed is no divergence: then standing still is worse.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.encoding.rows import EncodedRows, joined
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.training.reading import EVENT_ID, RowFiles
from srp_assets.models.deep.training.trainer import Start, Training, score_encoded
from srp_assets.models.measures import log_loss

EVENT_TIME = "event_time"
"""The column of a training set that says, with the event's id, in which order events happened."""


@dataclass(frozen=True)
class Window:
    """What a stretch of events showed.

    Args:
        rows: that were predicted.
        loss: log loss of the predictions made before learning.
        still_loss: that of the state before the window.
        learning_rate: at that time.
        good: whether its learning was kept.
    """

    rows: int
    loss: float
    still_loss: float
    learning_rate: float
    good: bool


@dataclass
class Learned:
    """What one pass did.

    Args:
        ranker: with the last good state.
        windows: all, in order.
        gave_up: whether the learner fell back once too often.
    """

    ranker: DeepRanker
    windows: list[Window] = field(default_factory=list)
    gave_up: bool = False


class OnlineLearner:
    """A model that learns event by event.

    Args:
        ranker: the model to begin with (trained on earlier days), whose configuration has `online`.

    Raises:
        InvalidInput: if its configuration does not say how it learns online.
    """

    def __init__(self, ranker: DeepRanker) -> None:
        if ranker.document.online is None:
            raise InvalidInput(
                f"{ranker.document.name} has no section `online`", where=ranker.document.name, remedy="add one; lr and fm can learn online"
            )
        self.document = ranker.document
        self.settings = ranker.document.online
        self._start = Start(ranker.encoder.state, ranker.model.state_dict())

    def learn(self, files: RowFiles) -> Learned:
        """One pass over days, each in the order of its events; a day is in memory, encoded, while it is learned.

        Args:
            files: one for each day or part of a day, in order; rows of one file may be in any order.
        """
        step = _Steps(self.document, files, self._start, self.settings.learning_rate)
        good, retries, found = step.state(), 0, Learned(step.ranker())
        for path in files.paths:
            rows = in_event_order(RowFiles([path], files.filesystem), step.training)
            for begin in range(0, len(rows), self.settings.window_rows):
                stretch = rows.taken(slice(begin, begin + self.settings.window_rows))
                window = self._window(step, stretch)
                found.windows.append(window)
                if window.good:
                    good = step.state()
                    continue
                if retries == self.settings.retries:
                    found.gave_up = True
                    step.restore(good)
                    return Learned(step.ranker(), found.windows, gave_up=True)
                retries += 1
                step.restore(good)
                step.slow_down()
        found.ranker = step.ranker()
        return found

    def _window(self, step: "_Steps", rows: EncodedRows) -> Window:
        """Predicts and learns a stretch, and judges it."""
        labels, weights = rows.labels[:, 0], rows.weights
        still_loss = log_loss(labels, step.predict(rows), weights)
        predictions = []
        for begin in range(0, len(rows), self.settings.batch_rows):
            batch = rows.taken(slice(begin, begin + self.settings.batch_rows))
            predictions.append(step.predict(batch))
            step.learn(batch)
        predicted = np.concatenate(predictions)
        finite = bool(np.isfinite(predicted).all()) and step.is_finite()
        loss = log_loss(labels, predicted, weights) if finite else math.inf
        return Window(len(rows), loss, still_loss, step.learning_rate, good=loss <= still_loss * (1 + self.settings.tolerance))


class _Steps:
    """The model that learns, with what a fall-back restores."""

    def __init__(self, document: ModelDocument, files: RowFiles, start: Start, learning_rate: float) -> None:
        settings = document.training.model_copy(update={"learning_rate": learning_rate, "optimizer": "adagrad"})
        self.document = document
        self.training = Training(document.model_copy(update={"training": settings}), files, start=start, in_order=True)
        self.learning_rate = learning_rate

    def predict(self, rows: EncodedRows) -> np.ndarray:
        """The probabilities of the label, shape (rows,)."""
        return score_encoded(self.training.model, rows, self.document, with_bias=True)[0][:, 0]

    def learn(self, rows: EncodedRows) -> None:
        """One step."""
        self.training.step(self.training.model, rows, len(rows))

    def is_finite(self) -> bool:
        """Whether all weights are numbers."""
        return all(bool(torch.isfinite(parameter).all()) for parameter in self.training.model.parameters())

    def state(self) -> dict[str, Any]:
        """A copy of all that learning changes."""
        optimizer = self.training.row_optimizer
        return {
            "model": {name: value.clone() for name, value in self.training.model.state_dict().items()},
            "rows": {"steps": optimizer.steps, "states": [[one.clone() for one in states] for states in optimizer.states]},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a copy; the other weights' optimizer begins anew."""
        self.training.model.load_state_dict(state["model"])
        self.training.row_optimizer.load_state_dict(state["rows"])
        self.training.optimizer.state.clear()

    def slow_down(self) -> None:
        """Halves the learning rate."""
        self.learning_rate /= 2
        self.training.row_optimizer.rate = self.learning_rate
        for group in self.training.optimizer.param_groups:
            group["lr"] = self.learning_rate

    def ranker(self) -> DeepRanker:
        """The model as it is now, apart from what will be learned."""
        copied = Training(self.document, self.training.rows.files, start=Start(self.training.encoder.state, self.state()["model"]))
        return DeepRanker(self.document, copied.encoder, copied.model)


def in_event_order(files: RowFiles, training: Training) -> EncodedRows:
    """The encoded rows of a file by event time, and by event id where times agree."""
    encoder = training.encoder
    tables = [files.read(group, (*encoder.columns, EVENT_TIME, EVENT_ID), optional=("weight",)) for group in files.groups]
    if not tables:
        raise InvalidInput("there are no rows to learn", where=", ".join(files.paths), remedy="leave the empty file out")
    times = np.concatenate([pc.cast(table.column(EVENT_TIME), "int64").to_numpy() for table in tables])
    ids = np.concatenate([table.column(EVENT_ID).to_numpy() for table in tables])
    return joined([encoder.encode(table) for table in tables]).taken(np.lexsort((ids, times)))
