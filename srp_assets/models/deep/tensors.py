"""Encoded rows as tensors: what networks take."""

from typing import NamedTuple

import torch
from torch import Tensor

from srp_assets.models.deep.encoding.rows import EncodedInputs, EncodedRows


class Inputs(NamedTuple):
    """The inputs of a network; shapes as in `EncodedInputs`.

    Args:
        ids: int64, (B, F).
        numbers: float, (B, N).
        lists: int64, (B, columns of all lists), -1 where there is no element.
        sequences: int64, each (B, L, C), -1 where there is no behaviour.
    """

    ids: Tensor
    numbers: Tensor
    lists: Tensor
    sequences: tuple[Tensor, ...]


class Batch(NamedTuple):
    """Rows of a step.

    Args:
        inputs: of the ranker.
        bias: of its bias tower.
        labels: float, (B, K).
        weights: float, (B,).
    """

    inputs: Inputs
    bias: Inputs
    labels: Tensor
    weights: Tensor


def inputs_of(encoded: EncodedInputs, device: torch.device, dtype: torch.dtype = torch.float32) -> Inputs:
    """Encoded inputs on a device."""
    ids, numbers, lists, *sequences = (torch.from_numpy(array).to(device) for array in encoded.arrays)
    return Inputs(ids.long(), numbers.to(dtype), lists.long(), tuple(sequence.long() for sequence in sequences))


def batch_of(rows: EncodedRows, device: torch.device, dtype: torch.dtype = torch.float32) -> Batch:
    """Encoded rows on a device."""
    labels, weights = (torch.from_numpy(array).to(device, dtype) for array in (rows.labels, rows.weights))
    return Batch(inputs_of(rows.inputs, device, dtype), inputs_of(rows.bias, device, dtype), labels, weights)
