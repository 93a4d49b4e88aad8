"""From logits to probabilities, and to the loss that training makes small."""

import torch
from torch import Tensor
from torch.nn import functional


def probabilities_of(logits: Tensor, kind: str) -> Tensor:
    """The probability of each label, (B, K); that of an order is over all impressions, not over clicks alone."""
    found = torch.sigmoid(logits)
    if kind != "esmm":
        return found
    return torch.cat([found[:, :1], found[:, :1] * found[:, 1:]], dim=1)


def losses_of(logits: Tensor, labels: Tensor, kind: str) -> Tensor:
    """The log loss of each label of each row, (B, K).

    ESMM's second is that of click and order together, log p = log sigmoid(click) + log sigmoid(order | click).
    """
    if kind != "esmm":
        return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    click = functional.binary_cross_entropy_with_logits(logits[:, 0], labels[:, 0], reduction="none")
    log_both = functional.logsigmoid(logits[:, 0]) + functional.logsigmoid(logits[:, 1])
    # log(1 - p) = log(1 - s_1 s_2) = log((1 - s_1) + s_1 (1 - s_2)), as a sum of two logarithms without a difference.
    click_alone = functional.logsigmoid(logits[:, 0]) + functional.logsigmoid(-logits[:, 1])
    log_not_both = torch.logaddexp(functional.logsigmoid(-logits[:, 0]), click_alone)
    order = -(labels[:, 1] * log_both + (1 - labels[:, 1]) * log_not_both)
    return torch.stack([click, order], dim=1)


def loss_of(logits: Tensor, labels: Tensor, weights: Tensor, label_weights: Tensor, kind: str) -> Tensor:
    """The sum over rows of the weighted losses of all labels; divided by the rows of a step it is what training makes small.

    Args:
        logits: (B, K).
        labels: (B, K).
        weights: of rows, (B,).
        label_weights: (K,).
        kind: of the architecture.
    """
    return ((losses_of(logits, labels, kind) * label_weights).sum(dim=1) * weights).sum()
