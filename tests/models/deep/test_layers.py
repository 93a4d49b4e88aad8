"""Layers against naive loops in float64, and their gradients against finite differences."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from srp_assets.models.deep.layers.attention import CandidateAttention, SearchedAttention
from srp_assets.models.deep.layers.cross import CrossNetwork
from srp_assets.models.deep.layers.dice import Dice
from srp_assets.models.deep.layers.factorization import FactorizationPairs
from srp_assets.models.deep.layers.interaction import CompressedInteraction
from srp_assets.models.deep.layers.lookup import look_up
from srp_assets.models.deep.layers.masked import MaskedRows, masked_lookup
from srp_assets.models.deep.layers.perceptron import Perceptron
from srp_assets.models.deep.layers.recurrent import AttentionalRecurrent

B, F, D = 5, 4, 3


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def shaken(layer: nn.Module) -> nn.Module:
    """In float64, with weights that are not what they begin as: zeros would hide mistakes."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    return layer


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def values(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def packed(mask: list[list[bool]], width: int) -> MaskedRows:
    there = torch.tensor(mask)
    return MaskedRows(there, drawn(int(there.sum()), width), None)


MASK = [[True, True, False], [False, False, False], [True, True, True], [True, False, False], [True, True, False]]


def test_pairs_are_the_inner_products_of_all_pairs() -> None:
    layer, fields, numbers = shaken(FactorizationPairs(2, D)), drawn(B, F, D), drawn(B, 2)
    found = layer(fields, numbers)
    for row in range(B):
        scaled = [values(layer.vectors)[place] * values(numbers)[row, place] for place in range(2)]
        vectors = [*values(fields)[row], *scaled]
        wanted = sum(vectors[i] @ vectors[j] for i in range(len(vectors)) for j in range(i))
        assert found[row].item() == pytest.approx(wanted, rel=1e-12)
    assert torch.autograd.gradcheck(layer, (fields, numbers))
    assert torch.autograd.gradcheck(shaken(FactorizationPairs(0, D)), (fields, numbers[:, :0]))


def test_a_lookup_gives_embeddings_and_the_sum_of_linear_weights() -> None:
    table, ids = drawn(6, D + 1), torch.tensor([[0, 5, 2], [2, 2, 1]])
    vectors, linear = look_up(table, ids)
    for row in range(2):
        assert values(vectors)[row] == pytest.approx(np.array([values(table)[ids[row, place], :D] for place in range(3)]))
        assert linear[row].item() == pytest.approx(sum(values(table)[ids[row, place], D] for place in range(3)))
    of_vectors, of_linear = torch.randn_like(vectors), torch.randn_like(linear)
    torch.autograd.backward((vectors, linear), (of_vectors, of_linear))
    wanted = np.zeros((6, D + 1))
    for row in range(2):
        for place in range(3):
            wanted[ids[row, place], :D] += values(of_vectors)[row, place]
            wanted[ids[row, place], D] += of_linear[row].item()
    assert table.grad is not None
    assert table.grad.is_sparse
    assert values(table.grad.to_dense()) == pytest.approx(wanted)
    for wrong in (-1, 6):
        with pytest.raises(IndexError, match="outside of 0 to 5"):
            look_up(table, torch.tensor([[0, wrong]]))


@pytest.mark.parametrize("rank", [None, 2])
def test_cross_layers_multiply_by_the_input(rank: int | None) -> None:
    layer, x = shaken(CrossNetwork(4, 2, rank)), drawn(B, 4)
    found = layer(x)
    for row in range(B):
        start = values(x)[row]
        crossed = start.copy()
        for matrix in layer.matrices:
            last = matrix if rank is None else matrix[1]
            whole = values(matrix.weight) if rank is None else values(matrix[1].weight) @ values(matrix[0].weight)
            product = [sum(whole[i, j] * crossed[j] for j in range(4)) + values(last.bias)[i] for i in range(4)]
            crossed = np.array([start[i] * product[i] + crossed[i] for i in range(4)])
        assert values(found)[row] == pytest.approx(crossed, rel=1e-12)
    assert torch.autograd.gradcheck(layer, (x,))


def test_compressed_interaction_sums_products_of_vectors() -> None:
    layer, fields = shaken(CompressedInteraction(F, (3, 2))), drawn(B, F, D)
    found = layer(fields)
    for row in range(B):
        below, sums = values(fields)[row], []
        for weight in layer.weights:
            maps = []
            for one in values(weight).reshape(len(weight), len(below), F):
                total = np.zeros(D)
                for i in range(len(below)):
                    for j in range(F):
                        total += one[i, j] * below[i] * values(fields)[row, j]
                maps.append(total)
            below = np.array(maps)
            sums += [one.sum() for one in maps]
        assert values(found)[row] == pytest.approx(sums, rel=1e-11)
    assert torch.autograd.gradcheck(layer, (fields,))


def test_attention_weighs_each_behaviour_by_the_whole_formula() -> None:
    layer, candidate, behaviours = shaken(CandidateAttention(D, (5, 4), "sigmoid")), drawn(B, D), packed(MASK, D)
    found = layer(candidate, behaviours)
    place = 0
    for row in range(B):
        total = np.zeros(D)
        for there in MASK[row]:
            if there:
                q, k = values(candidate)[row], values(behaviours.packed)[place]
                hidden = np.concatenate([q, k, q - k, q * k])
                for linear in (layer.first, layer.rest.layers[0]):
                    hidden = np.array([sigmoid(one) for one in values(linear.weight) @ hidden + values(linear.bias)])
                total += (values(layer.last.weight)[0] @ hidden + values(layer.last.bias)[0]) * k
                place += 1
        assert values(found)[row] == pytest.approx(total, rel=1e-11, abs=1e-13)
    padded = MaskedRows(behaviours.mask, None, behaviours.with_padding())
    assert values(layer(candidate, padded)) == pytest.approx(values(found), rel=1e-12)
    assert torch.autograd.gradcheck(lambda q, k: layer(q, MaskedRows(behaviours.mask, k, None)), (candidate, behaviours.packed))


def test_attention_over_what_was_found_is_a_softmax_for_each_head() -> None:
    heads, size = 2, 4
    layer, candidate, behaviours = shaken(SearchedAttention(D, heads, size)), drawn(B, D), packed(MASK, D)
    found = layer(candidate, behaviours)
    of_behaviour, of_candidate = (values(one.weight).reshape(heads, size, D) for one in (layer.of_behaviour, layer.of_candidate))
    place = 0
    for row in range(B):
        z = values(behaviours.packed)[place : place + sum(MASK[row])]
        place += len(z)
        for head in range(heads):
            query = of_candidate[head] @ values(candidate)[row]
            scores = [math.exp((of_behaviour[head] @ one) @ query / math.sqrt(size)) for one in z]
            total = np.zeros(D)
            for score, one in zip(scores, z, strict=True):
                total += score / sum(scores) * one
            assert values(found)[row, head * D : (head + 1) * D] == pytest.approx(total, rel=1e-11, abs=1e-13)
    padded = MaskedRows(behaviours.mask, None, behaviours.with_padding())
    assert values(layer(candidate, padded)) == pytest.approx(values(found), rel=1e-12)
    assert layer.output_width == found.shape[1] == heads * D
    assert torch.autograd.gradcheck(lambda q, k: layer(q, MaskedRows(behaviours.mask, k, None)), (candidate, behaviours.packed))


def test_recurrent_moves_as_far_as_attention_lets_it() -> None:
    layer, x, attention = shaken(AttentionalRecurrent(D, 2)), drawn(B, 4, D), torch.rand(B, 4, dtype=torch.float64)
    attention[:, 3] = 0.0
    found = layer(x, attention)
    input_weight, input_bias = values(layer.of_input.weight), values(layer.of_input.bias)
    state_weight, state_bias = values(layer.of_state.weight), values(layer.of_state.bias)
    for row in range(B):
        state = np.zeros(2)
        # The last has no attention: it changes nothing, so a loop without it must agree.
        for step in range(3):
            gates_x, gates_h = input_weight @ values(x)[row, step] + input_bias, state_weight @ state + state_bias
            after = []
            for unit in range(2):
                update = sigmoid(gates_x[unit] + gates_h[unit]) * float(attention[row, step])
                reset = sigmoid(gates_x[2 + unit] + gates_h[2 + unit])
                new = math.tanh(gates_x[4 + unit] + reset * gates_h[4 + unit])
                after.append((1 - update) * state[unit] + update * new)
            state = np.array(after)
        assert values(found)[row] == pytest.approx(state, rel=1e-12)
    assert torch.autograd.gradcheck(lambda one: layer(one, attention), (x,))


def test_dice_turns_at_the_mean_of_the_batch_and_at_the_running_one_when_serving() -> None:
    layer, x = shaken(Dice(3)), drawn(B, 3)
    found = layer(x)
    for column in range(3):
        inputs = values(x)[:, column]
        for row in range(B):
            share = sigmoid((inputs[row] - inputs.mean()) / math.sqrt(inputs.var() + 1e-8))
            wanted = share * inputs[row] + (1 - share) * values(layer.slope)[column] * inputs[row]
            assert found[row, column].item() == pytest.approx(wanted, rel=1e-9)
    assert torch.autograd.gradcheck(layer, (x,))
    found.sum().backward()
    compiled = layer.slope.grad.clone()
    numeric = []
    for column in range(3):
        with torch.no_grad():
            moved = []
            for step in (1e-6, -1e-6):
                layer.slope[column] += step
                moved.append(layer(x).sum().item())
                layer.slope[column] -= step
        numeric.append((moved[0] - moved[1]) / 2e-6)
    assert compiled.tolist() == pytest.approx(numeric, rel=1e-6)
    layer.eval()
    running = layer.normalized
    share = 1 / (1 + np.exp(-(values(x) - values(running.running_mean)) / np.sqrt(values(running.running_var) + 1e-8)))
    assert values(layer(x)) == pytest.approx(values(x) * (share + (1 - share) * values(layer.slope)), rel=1e-9)
    layer.train()
    assert torch.isfinite(layer(x[:1])).all()


@pytest.mark.parametrize(("activation", "turn"), [("relu", lambda x: max(x, 0.0)), ("tanh", math.tanh), ("sigmoid", sigmoid)])
def test_perceptron(activation: str, turn) -> None:
    layer, x = shaken(Perceptron(4, (3, 2), activation)), drawn(B, 4)
    hidden = values(x)
    for linear in (layer.layers[0], layer.layers[2]):
        rows = [[sum(w * v for w, v in zip(weights, row, strict=True)) for weights in values(linear.weight)] for row in hidden]
        hidden = np.array([[turn(one + bias) for one, bias in zip(row, values(linear.bias), strict=True)] for row in rows])
    assert values(layer(x)) == pytest.approx(hidden, rel=1e-12)
    assert layer.output_width == 2
    assert Perceptron(4, ()).output_width == 4


def test_padding_is_never_looked_up_and_counts_as_zeros() -> None:
    table = torch.full((4, 2), math.nan, dtype=torch.float64)
    table[2:] = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    table.requires_grad_()
    ids = torch.tensor([[2, 3, -1], [-1, -1, -1], [3, -1, -1]])
    rows = masked_lookup(table, ids)
    assert rows.mean().tolist() == [[2.0, 3.5], [0.0, 0.0], [3.0, 5.0]]
    assert rows.total(torch.tensor([1.0, 2.0, 10.0], dtype=torch.float64)).tolist() == [[7.0, 12.0], [0.0, 0.0], [30.0, 50.0]]
    assert rows.with_padding()[:, 2].abs().sum() == 0
    rows.mean().sum().backward()
    assert sorted(table.grad._indices()[0].tolist()) == [2, 3, 3]


def test_a_lookup_that_forgets_the_mask_fails() -> None:
    with pytest.raises(IndexError):
        nn.functional.embedding(torch.tensor([[0, -1]]), torch.zeros(3, 2))
