"""A deep model as ONNX, for servers that have no torch: encoded inputs in, the probability of each label out, without the bias tower.

`encoder.json` beside it says how columns become encoded inputs.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import torch
from torch import Tensor, nn

from srp_assets.models.deep.encoding.rows import EncodedInputs
from srp_assets.models.deep.losses import probabilities_of
from srp_assets.models.deep.networks.building import RankingModel
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.tensors import Inputs, inputs_of

FILE = "model.onnx"
OPSET = 18
EXAMPLE_ROWS = 2
"""Rows of the batch that is traced. One would be taken for a constant."""


class Served(nn.Module):
    """The network as it serves: tensors in, probabilities out."""

    def __init__(self, model: RankingModel, kind: str) -> None:
        super().__init__()
        self.network, self.kind = model.network, kind

    def forward(self, ids: Tensor, numbers: Tensor, lists: Tensor, *sequences: Tensor) -> Tensor:
        """The probability of each label, (B, K)."""
        return probabilities_of(self.network(Inputs(ids, numbers, lists, sequences)).logits, self.kind)


def input_names(inputs: EncodedInputs) -> list[str]:
    """What the inputs of the exported model are called."""
    return ["ids", "numbers", "lists", *[f"sequence_{place}" for place in range(len(inputs.sequences))]]


def export_onnx(ranker: DeepRanker, example: pa.Table, folder: Path) -> Path:
    """Writes the model as ONNX.

    Args:
        ranker: on the processor.
        example: rows to trace with, at least one.
        folder: of the file.

    Returns:
        The file.
    """
    rows = example.slice(0, 1)
    encoded = ranker.encoder.inputs.encode(pa.concat_tables([rows] * EXAMPLE_ROWS))
    found = inputs_of(encoded, torch.device("cpu"))
    arguments = (found.ids, found.numbers, found.lists, *found.sequences)
    batch = torch.export.Dim("batch", min=1)
    served = Served(ranker.model, ranker.document.architecture.kind).eval()
    shapes: dict[str, object] = {"ids": {0: batch}, "numbers": {0: batch}, "lists": {0: batch}}
    if found.sequences:
        shapes["sequences"] = tuple({0: batch} for _ in found.sequences)
    folder.mkdir(parents=True, exist_ok=True)
    with _quietly():
        program = torch.onnx.export(
            served, arguments, dynamo=True, input_names=input_names(encoded), output_names=["probabilities"], opset_version=OPSET,
            dynamic_shapes=shapes, verbose=False,
        )  # fmt: skip
        program.save(str(folder / FILE), external_data=False)
    return folder / FILE


def score_onnx(file: Path, encoded: EncodedInputs) -> np.ndarray:
    """What an exported model says of encoded rows: float32, shape (rows, labels)."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    wanted = {one.name for one in session.get_inputs()}
    arrays = zip(input_names(encoded), encoded.arrays, strict=True)
    given = {name: array.astype(np.int64) if array.dtype == np.int32 else array for name, array in arrays if name in wanted}
    return session.run(None, given)[0]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps the exporter's own chatter, and warnings of what it calls inside torch, from whoever exports."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
