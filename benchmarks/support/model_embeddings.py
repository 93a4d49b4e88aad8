"""A step for the embeddings that a batch looked up, by the size of the table: ours against torch's optimizers; see `models.py`."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from srp_assets.models.deep.training.row_optimizer import RowOptimizer

if TYPE_CHECKING:
    from models import Bench

TABLES, QUICK_TABLES = (3_000, 100_000, 1_000_000, 5_000_000), (3_000, 100_000)
BATCH, FIELDS, DIMENSION = 4096, 20, 16
STEPS, QUICK_STEPS = 20, 5


def run(bench: "Bench") -> None:
    """A row for each size of the table."""
    for rows in QUICK_TABLES if bench.quick else TABLES:
        bench.cell("embeddings", f"{rows}", lambda size=rows: measured(size, QUICK_STEPS if bench.quick else STEPS))


def measured(rows: int, steps: int) -> dict[str, Any]:
    """Milliseconds of a backward pass and a step, ids drawn by a power law."""
    ids = (torch.rand(BATCH, FIELDS, generator=torch.Generator().manual_seed(1)) ** 3 * rows).long()
    gradient = torch.randn(BATCH, FIELDS, DIMENSION, generator=torch.Generator().manual_seed(2))
    found: dict[str, Any] = {"rows": rows}

    def of(sparse: bool, make: Callable[[nn.Parameter], Any]) -> float:
        table = nn.Parameter(torch.zeros(rows, DIMENSION))
        optimizer = make(table)

        def step() -> None:
            table.grad = None
            functional.embedding(ids, table, sparse=sparse).backward(gradient)
            optimizer.step()

        step()
        begun = time.perf_counter()
        for _ in range(steps):
            step()
        return 1000 * (time.perf_counter() - begun) / steps

    found["rows_looked_up_ms"] = of(True, lambda table: RowOptimizer([table], "adam", 0.001, 0.0))
    found["dense_fused_adam_ms"] = of(False, lambda table: torch.optim.Adam([table], fused=True))
    found["sparse_adam_ms"] = of(True, lambda table: torch.optim.SparseAdam([table]))
    return found
