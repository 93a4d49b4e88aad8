"""What behaviours have to do with the candidate: the attention of DIN, and that of SIM over what a search found."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from srp_assets.models.config.architectures import Activation
from srp_assets.models.deep.layers.masked import MaskedRows
from srp_assets.models.deep.layers.perceptron import Perceptron, activation_of


class CandidateAttention(nn.Module):
    """The sum of behaviours, weighted by a small perceptron that sees each of them beside the candidate.

    w_t = f([q, k_t, q - k_t, q * k_t]), sum over t of w_t k_t; the weights are not normalised, so that many fitting behaviours count more
    than one. G. Zhou et al., "Deep Interest Network", KDD 2018 (equation 1; q - k as in the authors' code).

    The first layer of f is split by its inputs, W [q, k, q - k, q k] = (W_1 + W_3) q + (W_2 - W_3) k + W_4 (q k): half the products, and
    those of q are counted once for all behaviours of a row.

    Args:
        width: of the candidate and of each behaviour (W).
        hidden: widths of the perceptron's layers, at least one.
        activation: of the perceptron.
    """

    def __init__(self, width: int, hidden: tuple[int, ...], activation: Activation = "dice") -> None:
        super().__init__()
        self.first = nn.Linear(4 * width, hidden[0])
        nn.init.xavier_uniform_(self.first.weight)
        self.activation = activation_of(activation, hidden[0])
        self.rest = Perceptron(hidden[0], hidden[1:], activation)
        self.last = nn.Linear(hidden[-1], 1)

    def forward(self, candidate: Tensor, behaviours: MaskedRows) -> Tensor:
        """The weighted sum, (B, W); zeros where a row has no behaviour.

        Args:
            candidate: (B, W).
            behaviours: of W numbers each.
        """
        of_candidate, of_behaviour, of_difference, of_product = self.first.weight.chunk(4, dim=1)
        from_candidate = functional.linear(candidate, of_candidate + of_difference, self.first.bias)  # (B, H)
        if behaviours.packed is None:
            keys = behaviours.with_padding()  # (B, L, W)
            products = candidate.unsqueeze(1) * keys
            hidden = functional.linear(keys, of_behaviour - of_difference) + functional.linear(products, of_product)
            hidden = hidden + from_candidate.unsqueeze(1)
        else:
            row_of = behaviours.row_of
            keys = behaviours.packed  # (elements, W)
            products = candidate.index_select(0, row_of) * keys
            hidden = torch.addmm(from_candidate.index_select(0, row_of), keys, (of_behaviour - of_difference).t())
            hidden = torch.addmm(hidden, products, of_product.t())
        weights = self.last(self.rest(self.activation(hidden.flatten(0, -2)))).view(hidden.shape[:-1])
        return behaviours.total(weights)


class SearchedAttention(nn.Module):
    """What was found for the candidate, weighted by several heads.

    a_i = softmax over t of <A_i z_t, C_i q> / sqrt(H), head_i = sum over t of a_it z_t; the heads stand one after the other. z_t has the
    embedding of the behaviour and that of how long ago it was. Q. Pi et al., "Search-based User Interest Modeling with Lifelong Sequential
    Behavior Data for Click-Through Rate Prediction", CIKM 2020 (equations 8 to 10); divided by sqrt(H) as A. Vaswani et al., "Attention Is
    All You Need", NIPS 2017 do, so that the softmax is not all or nothing before anything is learned.

    Args:
        width: of the candidate and of each behaviour (W).
        heads: how many.
        head_width: of the space in which a head compares (H).
    """

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.of_behaviour = nn.Linear(width, heads * head_width, bias=False)
        self.of_candidate = nn.Linear(width, heads * head_width, bias=False)
        self.heads, self.scale = heads, head_width**-0.5
        self.output_width = heads * width

    def forward(self, candidate: Tensor, behaviours: MaskedRows) -> Tensor:
        """What each head sums up, (B, heads W); zeros where a row has no behaviour.

        Args:
            candidate: (B, W).
            behaviours: of W numbers each.
        """
        mask, z = behaviours.mask.unsqueeze(-1), behaviours.with_padding()  # (B, L, 1), (B, L, W)
        keys = self.of_behaviour(z).unflatten(-1, (self.heads, -1))  # (B, L, heads, H)
        query = self.of_candidate(candidate).unflatten(-1, (self.heads, -1)).unsqueeze(1)
        scores = ((keys * query).sum(dim=-1) * self.scale).masked_fill(~mask, -1e9)
        # Of a row without behaviours all scores are alike: the mask makes their weights zeros.
        weights = torch.softmax(scores.to(z.dtype), dim=1) * mask  # (B, L, heads)
        return torch.einsum("blh,blw->bhw", weights, z).flatten(1)
