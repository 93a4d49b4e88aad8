"""Processes that train together: what the loop needs to know of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

Value = TypeVar("Value")


def device_of(local_rank: int = 0) -> torch.device:
    """The accelerator of a process where there is one, else the processor."""
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")


@dataclass(frozen=True)
class Together:
    """One process among those that train a model, each with its share of every batch.

    Args:
        rank: its number.
        processes: how many there are.
        device: that it computes on.
    """

    rank: int
    processes: int
    device: torch.device

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as these processes train it: gradients are averaged over all of them."""
        return DistributedDataParallel(model) if self.processes > 1 else model

    def from_first(self, find: Callable[[], Value]) -> Value:
        """What the first process finds, told to all."""
        if self.processes == 1:
            return find()
        told: list[Any] = [find() if self.rank == 0 else None]
        distributed.broadcast_object_list(told, src=0)
        return told[0]

    def gathered(self, value: Value) -> list[Value]:
        """The value of each process, known to all."""
        if self.processes == 1:
            return [value]
        values: list[Any] = [None] * self.processes
        distributed.all_gather_object(values, value)
        return values


ALONE = Together(0, 1, device_of())
"""One process."""
