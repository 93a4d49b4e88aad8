"""Trains a deep model: batches in, a model out. One loop for one process and for many, for processors and for accelerators."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.encoding.encoder import RowEncoder, encoded_inputs
from srp_assets.models.deep.encoding.state import EncoderState, fit_state, fitted_columns
from srp_assets.models.deep.losses import loss_of, probabilities_of
from srp_assets.models.deep.networks.building import RankingModel, build_model
from srp_assets.models.deep.tensors import batch_of
from srp_assets.models.deep.training.checkpoint import read_checkpoint, write_checkpoint
from srp_assets.models.deep.training.processes import ALONE, Together
from srp_assets.models.deep.training.reading import EncodedFiles, Order, RowFiles
from srp_assets.models.deep.training.row_optimizer import RowOptimizer
from srp_assets.models.measures import auc, log_loss

SCORING_ROWS = 16_384
"""Rows that are scored at a time."""

OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "sgd": torch.optim.SGD,
}


@dataclass
class Look:
    """What a look at the validation rows found.

    Args:
        rows: that had been trained on by then.
        loss: what training makes small: log loss, or 1 - AUC where that is monitored; the sum over labels by their weights.
        auc: of each label.
        log_loss: of each label.
    """

    rows: int
    loss: float
    auc: dict[str, float]
    log_loss: dict[str, float]


@dataclass
class Progress:
    """Where training stands: epoch, chunk and batch are those that come next."""

    epoch: int = 0
    chunk: int = 0
    batch: int = 0
    rows: int = 0
    since_look: int = 0
    worse: int = 0
    looks: list[Look] = field(default_factory=list)
    ended: bool = False

    @property
    def best_loss(self) -> float:
        """The lowest loss that a look found."""
        return min((look.loss for look in self.looks), default=float("inf"))


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Args:
        model: with the weights of the best look, on the processor.
        encoder: of its rows.
        looks: at the validation rows, in order.
        rows: that it was trained on, repeated ones included.
        seconds: from the first row read to the last step, looks at validation rows not included; of this process since it began or resumed.
        processor_seconds: the same in time of processors.
    """

    model: RankingModel
    encoder: RowEncoder
    looks: tuple[Look, ...]
    rows: int
    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Start:
    """What a training begins with other than nothing: the model that an earlier one made.

    Args:
        encoder: its fitted state; vocabularies and scales stay what they were, so that weights keep their meaning.
        weights: of all its layers and tables.
    """

    encoder: EncoderState
    weights: Mapping[str, Tensor]


class Training:
    """One training, from files to a model.

    Args:
        document: the configuration, every input's encoding written out.
        files: the rows to train on, in the order of their days.
        validation: the rows that decide when to stop; None trains all epochs.
        start: an earlier model to go on from.
        folder: for checkpoints; none are written if None.
        checkpoint_rows: rows between two checkpoints; at looks and at the end of chunks' epochs alone if None.
        together: the processes that train together.
        in_order: whether rows come in the order of the files, unshuffled.
    """

    def __init__(
        self,
        document: ModelDocument,
        files: RowFiles,
        validation: RowFiles | None = None,
        *,
        start: Start | None = None,
        folder: Path | None = None,
        checkpoint_rows: int | None = None,
        together: Together = ALONE,
        in_order: bool = False,
    ) -> None:
        self.document = document
        self.together = together
        self.settings = document.training
        inputs = encoded_inputs(document)
        state = start.encoder if start else fit_state(inputs, files.sample(fitted_columns(inputs), self.settings.fit_rows))
        self.encoder = RowEncoder(document, state)
        memory, share = self.settings.memory_rows, self.settings.negative_share
        self.rows = EncodedFiles(files, self.encoder, memory, negative_share=share, seed=self.settings.seed)
        self.validation = EncodedFiles(validation, self.encoder, memory) if validation else None
        mixed = 1 if in_order else self.settings.mixed_row_groups
        self.order = Order(mixed, self.settings.batch_rows, None if in_order else self.settings.seed)
        self.model = build_model(document, self.encoder)
        if start:
            self.model.load_state_dict(dict(start.weights))
        self.model.to(together.device)
        self.label_weights = torch.tensor(list(document.labels.values()), device=together.device)
        tables = [parameter for name, parameter in self.model.named_parameters() if ".tables." in name]
        self.row_optimizer = RowOptimizer(tables, self.settings.optimizer, self.settings.learning_rate, self.settings.embedding_decay)
        others = [parameter for name, parameter in self.model.named_parameters() if ".tables." not in name]
        make = OPTIMIZERS[self.settings.optimizer]
        # Fused: one pass over all weights instead of ten small operations for each layer.
        self.optimizer = make(others, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True)
        self.progress = Progress()
        self.best: dict[str, Tensor] | None = None
        self.folder = folder
        self.checkpoint_rows = checkpoint_rows
        groups = [(group.path.rsplit("/", 1)[-1], group.group, group.rows) for group in files.groups]
        self.digest = sha256(f"{document.digest} {groups} {together.processes} {in_order} {start is not None}".encode()).hexdigest()
        self._looking_seconds = np.zeros(2)

    def run(self) -> Trained:
        """Trains until looks at the validation rows stop becoming better, or all epochs are over; resumes where a checkpoint is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed + self.together.rank)
            self._resume()
            trained = self.together.wrap(self.model)
            trained.train()
            begun = _now()
            while not self.progress.ended:
                self._epoch(trained)
            seconds = _now() - begun - self._looking_seconds
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.to("cpu").eval()
        return Trained(self.model, self.encoder, tuple(self.progress.looks), self.progress.rows, float(seconds[0]), float(seconds[1]))

    def step(self, trained: nn.Module, rows: Any, whole: int) -> Tensor:
        """One step on a batch.

        Args:
            trained: the model as these processes train it.
            rows: the encoded rows of the batch that are this process's.
            whole: rows of the batch of all processes.

        Returns:
            The mean loss of the batch, as far as this process sees it.
        """
        batch = batch_of(rows, self.together.device)
        with torch.autocast(self.together.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            output = trained(batch.inputs, batch.bias)
        # Gradients of processes are averaged, so each counts as if it had all rows.
        share = self.together.processes / whole
        logits = output.logits.to(batch.labels.dtype)
        loss = loss_of(logits, batch.labels, batch.weights, self.label_weights, self.document.architecture.kind) * share
        if output.penalty is not None:
            loss = loss + output.penalty
        loss.backward()
        if self.settings.gradient_limit is not None:
            nn.utils.clip_grad_norm_(self.optimizer.param_groups[0]["params"], self.settings.gradient_limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.row_optimizer.step()
        return loss.detach()

    def _epoch(self, trained: nn.Module) -> None:
        """What is left of the present epoch."""
        progress = self.progress
        chunks = self.order.chunks(self.rows.groups, progress.epoch)
        for rows in self.rows.chunks(chunks[progress.chunk :]):
            batches = self.order.batches(len(rows), progress.epoch, progress.chunk)
            while progress.batch < len(batches):
                places = batches[progress.batch]
                self.step(trained, rows.taken(places[self.together.rank :: self.together.processes]), len(places))
                progress.batch += 1
                before = progress.rows
                progress.rows += len(places)
                progress.since_look += len(places)
                if self.settings.validate_rows is not None and progress.since_look >= self.settings.validate_rows:
                    self._look()
                    if progress.ended:
                        return
                if self.checkpoint_rows is not None and before // self.checkpoint_rows != progress.rows // self.checkpoint_rows:
                    self._keep()
            progress.chunk, progress.batch = progress.chunk + 1, 0
        progress.epoch, progress.chunk = progress.epoch + 1, 0
        progress.ended = progress.epoch >= self.settings.epochs
        if progress.since_look:
            self._look()

    def _look(self) -> None:
        """Looks at the validation rows, keeps the best weights, and decides whether to go on; writes a checkpoint."""
        begun = _now()
        progress = self.progress
        progress.since_look = 0
        if self.validation is not None:
            look = self.together.from_first(lambda: self.look_at(self.validation))
            better = look.loss < progress.best_loss
            progress.looks.append(look)
            progress.worse = 0 if better else progress.worse + 1
            if better:
                self.best = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}
            progress.ended = progress.ended or progress.worse >= self.settings.patience
        self._keep()
        self._looking_seconds += _now() - begun

    def look_at(self, rows: EncodedFiles | None) -> Look:
        """The measures of the model as it is, on some rows, with what its bias tower knows of them."""
        assert rows is not None
        found = [score_encoded(self.model, rows.chunk([group]), self.document, with_bias=True) for group in rows.groups]
        probabilities = np.concatenate([one for one, _, _ in found])
        labels, weights = np.concatenate([one for _, one, _ in found]), np.concatenate([one for _, _, one in found])
        by_label = {name: (labels[:, place], probabilities[:, place]) for place, name in enumerate(self.document.labels)}
        losses = {name: log_loss(*pair, weights) for name, pair in by_label.items()}
        aucs = {name: auc(*pair, weights) for name, pair in by_label.items()}
        compared = losses if self.settings.monitor == "log_loss" else {name: 1 - value for name, value in aucs.items()}
        return Look(self.progress.rows, sum(self.document.labels[name] * value for name, value in compared.items()), aucs, losses)

    def _keep(self) -> None:
        """Writes a checkpoint: the first process for all, each one's random state apart."""
        if self.folder is None:
            return
        randoms = self.together.gathered(torch.get_rng_state())
        if self.together.rank == 0:
            content = {
                "model": self.model.state_dict(),
                "best": self.best,
                "optimizer": self.optimizer.state_dict(),
                "row_optimizer": self.row_optimizer.state_dict(),
                "progress": asdict(self.progress),
                "randoms": randoms,
            }
            write_checkpoint(self.folder, self.digest, content)

    def _resume(self) -> None:
        """Goes on from the folder's checkpoint, if there is one."""
        found = read_checkpoint(self.folder, self.digest) if self.folder else None
        if found is None:
            return
        self.model.load_state_dict(found["model"])
        self.best = found["best"]
        self.optimizer.load_state_dict(found["optimizer"])
        self.row_optimizer.load_state_dict(found["row_optimizer"])
        looks = [Look(**look) for look in found["progress"].pop("looks")]
        self.progress = Progress(**found["progress"], looks=looks)
        torch.set_rng_state(found["randoms"][self.together.rank])


def _now() -> np.ndarray:
    """Seconds of the clock, and of this process's work on processors."""
    return np.array([time.perf_counter(), time.process_time()])


def score_encoded(model: RankingModel, rows: Any, document: ModelDocument, *, with_bias: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (rows, K), labels (rows, K) and weights (rows,) of encoded rows; the model's mode is left as it was."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    found = [np.zeros((0, len(document.labels)))]
    with torch.inference_mode():
        for begin in range(0, len(rows), SCORING_ROWS):
            batch = batch_of(rows.taken(slice(begin, begin + SCORING_ROWS)), device)
            output = model(batch.inputs, batch.bias if with_bias else None)
            found.append(probabilities_of(output.logits.double(), document.architecture.kind).cpu().numpy())
    model.train(training)
    return np.concatenate(found), rows.labels, rows.weights
