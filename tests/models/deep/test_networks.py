"""Whole models: gradients against finite differences, padding, batches cut otherwise, what serving leaves out, and 64 rows by heart."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from srp_assets.models.config.document import ModelDocument
from srp_assets.models.deep.encoding.encoder import RowEncoder, encoded_inputs
from srp_assets.models.deep.encoding.rows import EncodedRows, joined
from srp_assets.models.deep.encoding.state import fit_state
from srp_assets.models.deep.losses import loss_of, losses_of, probabilities_of
from srp_assets.models.deep.networks.building import NETWORKS, RankingModel, build_model
from srp_assets.models.deep.ranker import DeepRanker
from srp_assets.models.deep.tensors import Batch, batch_of
from srp_assets.models.deep.training.row_optimizer import RowOptimizer
from support.training_rows import document_of, rows_of

SMALL: dict[str, Any] = {"hidden": [6, 3], "activation": "tanh"}
ATTENTION: dict[str, Any] = {"attention_hidden": [4, 3], "attention_activation": "dice"}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "lr": {"kind": "lr"},
    "fm": {"kind": "fm"},
    "wide_deep": {"kind": "wide_deep", **SMALL},
    "deepfm": {"kind": "deepfm", **SMALL},
    "dcn": {"kind": "dcn", **SMALL},
    "dcn_stacked": {"kind": "dcn", "structure": "stacked", "rank": 2, **SMALL},
    "xdeepfm": {"kind": "xdeepfm", "interaction": [3, 2], **SMALL},
    "din": {"kind": "din", **SMALL, **ATTENTION},
    "dien": {"kind": "dien", "auxiliary_weight": 0.3, **SMALL, **ATTENTION, "attention_activation": "tanh"},
    "sim": {"kind": "sim", "searched": ["found"], "heads": 2, "head_width": 3, **SMALL, **ATTENTION},
    "esmm": {"kind": "esmm", **SMALL},
    "custom": {
        "kind": "custom",
        "parts": [
            {"layer": "linear"},
            {"layer": "fm"},
            {"layer": "cross", "layers": 2},
            {"layer": "cin", "widths": [3]},
            {"layer": "mlp", **SMALL},
            {"layer": "attention", **SMALL, **ATTENTION},
        ],
    },
}
LOOK = ("din", "dien", "sim", "custom")
"""Kinds that look at sequences."""

EVERY = pytest.mark.parametrize("name", ARCHITECTURES)


def built(name: str, rows: int = 12, dtype: torch.dtype = torch.float64) -> tuple[ModelDocument, RankingModel, RowEncoder, EncodedRows]:
    document = document_of(ARCHITECTURES[name])
    table = rows_of(rows, 5)
    encoder = RowEncoder(document, fit_state(encoded_inputs(document), table))
    model = build_model(document, encoder).to(dtype)
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(place), dtype=torch.float64) * 0.4)
    return document, model, encoder, encoder.encode(table)


def batch(rows: EncodedRows) -> Batch:
    return batch_of(rows, torch.device("cpu"), torch.float64)


def total_loss(model: RankingModel, document: ModelDocument, found: Batch) -> torch.Tensor:
    output = model(found.inputs, found.bias)
    weights = torch.ones(len(document.labels), dtype=torch.float64)
    loss = loss_of(output.logits, found.labels, found.weights, weights, document.architecture.kind)
    return loss if output.penalty is None else loss + output.penalty


def test_every_kind_of_network_is_tried() -> None:
    assert {architecture["kind"] for architecture in ARCHITECTURES.values()} == set(NETWORKS)


@EVERY
def test_gradients_are_finite_differences(name: str) -> None:
    document, model, _, rows = built(name)
    found = batch(rows)
    total_loss(model, document, found).backward()
    random = np.random.default_rng(1)
    for label, parameter in model.named_parameters():
        gradient = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
        # Where something depends on the weight, if anywhere: most rows of tables were not looked up.
        moved = gradient.abs().flatten().nonzero()[:, 0].numpy()
        for place in random.choice(moved if len(moved) else np.arange(parameter.numel()), size=2):
            flat = parameter.data.view(-1)
            before, losses = flat[place].item(), []
            for step in (1e-5, -1e-5):
                flat[place] = before + step
                with torch.no_grad():
                    losses.append(total_loss(model, document, found).item())
            flat[place] = before
            assert gradient.flatten()[place].item() == pytest.approx((losses[0] - losses[1]) / 2e-5, rel=1e-4, abs=1e-6), label


@EVERY
def test_scores_do_not_depend_on_padding_or_on_the_rest_of_the_batch(name: str) -> None:
    document, model, encoder, _ = built(name)
    ranker = DeepRanker(document, encoder, model.float())
    rows = rows_of(40, 8)
    together = ranker.score(rows)
    order = np.random.default_rng(0).permutation(40)
    # Alone, a batch's longest history and list are others than together.
    alone = [ranker.score(rows.slice(place, 1)) for place in range(8)]
    for label in document.labels:
        assert ranker.score(rows.take(order))[label] == pytest.approx(together[label][order], abs=1e-6)
        assert [one[label][0] for one in alone] == pytest.approx(together[label][:8], abs=1e-6)
        assert together[label].dtype == np.float64
    assert len(ranker.score(rows.slice(0, 0))[next(iter(document.labels))]) == 0


@EVERY
def test_what_is_long_ago_is_cut_off_and_all_else_counts(name: str) -> None:
    document, model, encoder, _ = built(name)
    ranker = DeepRanker(document, encoder, model.float())
    rows = rows_of(20, 9)
    label = next(iter(document.labels))
    histories = {column: rows.column(column).to_pylist() for column in ("history_items", "history_categories")}

    def with_histories(change: Any) -> np.ndarray:
        changed = rows
        for column, lists in histories.items():
            lists = [change(one) for one in lists]
            changed = changed.set_column(rows.column_names.index(column), column, pa.array(lists, pa.list_(pa.string())))
        return ranker.score(changed)[label]

    # Newest first, six at most: what follows them is never read.
    assert with_histories(lambda one: one[:6] + ["never"] if len(one) >= 6 else one) == pytest.approx(ranker.score(rows)[label])
    looks = document.architecture.kind in LOOK
    assert (np.abs(with_histories(lambda one: one[:3]) - ranker.score(rows)[label]).max() > 1e-6) == looks
    assert (np.abs(with_histories(lambda one: []) - ranker.score(rows)[label]).max() > 1e-6) == looks


@EVERY
def test_what_was_found_counts_where_its_mask_says_so_and_nowhere_else(name: str) -> None:
    document, model, encoder, _ = built(name)
    ranker = DeepRanker(document, encoder, model.float())
    rows = rows_of(20, 9)
    label = next(iter(document.labels))
    scores = ranker.score(rows)[label]
    masks = rows.column("similar_mask").to_pylist()

    def with_found(column: str, change: Any) -> np.ndarray:
        type_ = rows.schema.field(column).type
        pairs = zip(rows.column(column).to_pylist(), masks, strict=True)
        changed = [[change(value, there) for value, there in zip(*own, strict=True)] for own in pairs]
        return ranker.score(rows.set_column(rows.column_names.index(column), column, pa.array(changed, type_)))[label]

    # What the mask leaves out is never looked up, whatever stands there.
    for column, other in (("similar_item_id", "i3"), ("similar_kind", "k1"), ("similar_time_gap", 5.0)):
        assert (with_found(column, lambda value, there, other=other: value if there else other) == scores).all()
        looks = document.architecture.kind in LOOK
        assert (np.abs(with_found(column, lambda value, there, other=other: other) - scores).max() > 1e-6) == looks
    assert (np.abs(with_found("similar_mask", lambda value, there: False) - scores).max() > 1e-6) == looks


@EVERY
def test_the_bias_tower_counts_in_training_and_not_in_scores(name: str) -> None:
    document, model, encoder, rows = built(name)
    found = batch(rows)
    model.eval()
    with torch.no_grad():
        beside = model(found.inputs, found.bias).logits
        served = model(found.inputs).logits
    tower = model.tower(found.bias)
    assert (beside[:, :1] - served[:, :1]).numpy() == pytest.approx(tower.detach().numpy())
    assert (beside[:, 1:] == served[:, 1:]).all()
    table = rows_of(12, 5)
    moved = table.set_column(table.column_names.index("position"), "position", pa.array([10] * 12))
    ranker = DeepRanker(document, encoder, model.float())
    assert "position" not in ranker.columns
    assert all((ranker.score(moved.select(ranker.columns))[label] == ranker.score(table)[label]).all() for label in document.labels)


@EVERY
def test_64_rows_are_learned_by_heart(name: str) -> None:
    architecture = {**ARCHITECTURES[name]}
    if "hidden" in architecture:
        architecture |= {"hidden": [32, 16], "activation": "relu"}
    document = document_of(architecture)
    table = rows_of(64, 11)
    # An id of its own for every row, so that even a linear model can know each.
    table = table.set_column(0, "user_id", pa.array([f"user {place}" for place in range(64)]))
    wide = document.model_copy(update={"groups": {**document.groups, "user": (document.inputs[0].model_copy(update={"space": 5000}),)}})
    document = ModelDocument.model_validate(wide.model_dump())
    encoder = RowEncoder(document, fit_state(encoded_inputs(document), table))
    model, rows = build_model(document, encoder), encoder.encode(table)
    model.train()
    tables = [parameter for label, parameter in model.named_parameters() if ".tables." in label]
    others = [parameter for label, parameter in model.named_parameters() if ".tables." not in label]
    row_optimizer, optimizer = RowOptimizer(tables, "adam", 0.1, 0.0), torch.optim.Adam(others, lr=0.01)
    found = batch_of(rows, torch.device("cpu"))
    weights = torch.ones(len(document.labels))
    for _ in range(150):
        output = model(found.inputs, found.bias)
        (loss_of(output.logits, found.labels, found.weights, weights, document.architecture.kind) / 64).backward()
        optimizer.step()
        optimizer.zero_grad()
        row_optimizer.step()
    model.eval()
    with torch.no_grad():
        probabilities = probabilities_of(model(found.inputs, found.bias).logits, document.architecture.kind)
    assert ((probabilities > 0.5) == (found.labels > 0.5)).all()
    assert losses_of(model(found.inputs, found.bias).logits, found.labels, document.architecture.kind).mean() < 0.1


@EVERY
def test_a_saved_model_scores_the_same(name: str, tmp_path: Any) -> None:
    document, model, encoder, _ = built(name)
    ranker = DeepRanker(document, encoder, model.float())
    ranker.save(tmp_path / "model")
    again = DeepRanker.load(tmp_path / "model")
    rows = rows_of(30, 3)
    assert again.document == document
    assert all((again.score(rows)[label] == found).all() for label, found in ranker.score(rows).items())


@EVERY
def test_products_in_bfloat16_say_nearly_the_same(name: str) -> None:
    document, model, _, rows = built(name, dtype=torch.float32)
    found = batch_of(rows, torch.device("cpu"))
    exact = model(found.inputs, found.bias).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(found.inputs, found.bias).logits.float()
    assert rough.detach().numpy() == pytest.approx(exact.detach().numpy(), abs=0.05 * (1 + exact.abs().max().item()))
    loss_of(rough, found.labels, found.weights, torch.ones(len(document.labels)), document.architecture.kind).backward()
    gradients = [parameter.grad.to_dense() for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert all(gradient.dtype == torch.float32 and torch.isfinite(gradient).all() for gradient in gradients)


def test_the_loss_of_click_and_order_is_that_of_their_product() -> None:
    logits = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 3
    labels = (torch.rand(50, 2, generator=torch.Generator().manual_seed(4)) < 0.5).double()
    click, order = torch.sigmoid(logits[:, 0]), torch.sigmoid(logits[:, 1])
    both = click * order
    found = losses_of(logits, labels, "esmm")
    assert found[:, 0].numpy() == pytest.approx(nn.functional.binary_cross_entropy(click, labels[:, 0], reduction="none").numpy())
    assert found[:, 1].numpy() == pytest.approx(nn.functional.binary_cross_entropy(both, labels[:, 1], reduction="none").numpy())
    assert probabilities_of(logits, "esmm").numpy() == pytest.approx(torch.stack([click, both], dim=1).numpy())
    extreme = losses_of(torch.tensor([[80.0, 80.0], [-80.0, 80.0]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]]), "esmm")
    assert torch.isfinite(extreme).all()


def test_the_same_document_gives_the_same_model_whatever_was_drawn_before() -> None:
    first = built("deepfm")[0]
    encoder = RowEncoder(first, fit_state(encoded_inputs(first), rows_of(20)))
    one = build_model(first, encoder).state_dict()
    state = torch.get_rng_state()
    torch.randn(7)
    other = build_model(first, encoder).state_dict()
    torch.set_rng_state(state)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_parts_of_rows_join_to_the_whole() -> None:
    rows = built("din", 20)[3]
    parts = [rows.taken(slice(0, 7)), rows.taken(np.arange(7, 20))]
    whole = joined(parts)
    assert len(whole) == 20
    assert all(np.array_equal(a, b) for a, b in zip(whole.inputs.arrays, rows.inputs.arrays, strict=True))
    assert np.array_equal(whole.weights, rows.weights)
