"""Steps for looked-up rows: against a loop over rows, against torch where every row is looked up, compiled and not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from srp_assets.models.deep.training.row_optimizer import Method, RowOptimizer

ROWS, D, RATE, DECAY = 6, 3, 0.1, 0.01
LOOKUPS = [[0, 2, 2], [5], [0, 1, 2, 2, 3], [], [4, 4, 4, 0]]


def gradients_of(ids: list[int], step: int) -> np.ndarray:
    return np.random.default_rng(step).normal(size=(len(ids), D))


def trained(method: Method, step_of: str) -> nn.Parameter:
    table = nn.Parameter(torch.arange(ROWS * D, dtype=torch.float64).reshape(ROWS, D) / 10)
    optimizer = RowOptimizer([table], method, RATE, DECAY)
    for step, ids in enumerate(LOOKUPS):
        found = functional.embedding(torch.tensor(ids, dtype=torch.int64), table, sparse=True)
        found.backward(torch.from_numpy(gradients_of(ids, step)))
        if step_of == "anywhere":
            optimizer.steps += 1
            optimizer._step_anywhere(0, table, table.grad)
            table.grad = None
        else:
            optimizer.step()
    return table


def by_hand(method: Method) -> np.ndarray:
    table = np.arange(ROWS * D, dtype=np.float64).reshape(ROWS, D) / 10
    means, squares = np.zeros((ROWS, D)), np.zeros((ROWS, D))
    for step, ids in enumerate(LOOKUPS):
        for row in sorted(set(ids)):
            gradient = sum(one for place, one in enumerate(gradients_of(ids, step)) if ids[place] == row) + DECAY * table[row]
            if method == "adam":
                means[row] = 0.9 * means[row] + 0.1 * gradient
                squares[row] = 0.999 * squares[row] + 0.001 * gradient**2
                corrected = means[row] / (1 - 0.9 ** (step + 1)), squares[row] / (1 - 0.999 ** (step + 1))
                table[row] -= RATE * corrected[0] / (np.sqrt(corrected[1]) + 1e-8)
            elif method == "adagrad":
                squares[row] += gradient**2
                table[row] -= RATE * gradient / (np.sqrt(squares[row]) + 1e-10)
            else:
                table[row] -= RATE * gradient
    return table


@pytest.mark.parametrize("step_of", ["compiled", "anywhere"])
@pytest.mark.parametrize("method", ["adam", "adagrad", "sgd"])
def test_only_looked_up_rows_move_and_as_the_formula_says(method: Method, step_of: str) -> None:
    assert trained(method, step_of).detach().numpy() == pytest.approx(by_hand(method), rel=1e-12)


@pytest.mark.parametrize(("method", "torchs"), [("adam", torch.optim.Adam), ("adagrad", torch.optim.Adagrad), ("sgd", torch.optim.SGD)])
def test_where_every_row_is_looked_up_it_is_torchs_optimizer(method: Method, torchs) -> None:
    start = torch.randn(ROWS, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer, other = RowOptimizer([ours], method, RATE, 0.0), torchs([theirs], lr=RATE)
    for step in range(5):
        ids = torch.randint(0, ROWS, (20,), generator=torch.Generator().manual_seed(step))
        ids = torch.cat([ids, torch.arange(ROWS)])
        for table, sparse in ((ours, True), (theirs, False)):
            functional.embedding(ids, table, sparse=sparse).pow(3).sum().backward()
        optimizer.step()
        other.step()
        other.zero_grad()
    assert ours.detach().numpy() == pytest.approx(theirs.detach().numpy(), rel=1e-9, abs=1e-12)
    assert optimizer.steps == 5
