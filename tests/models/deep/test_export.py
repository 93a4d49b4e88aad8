"""Exported models answer what the models answer, to 1e-5, for batches and lengths that were not traced."""

from pathlib import Path

import numpy as np
import pytest

from srp_assets.models.deep.encoding.encoder import RowEncoder, encoded_inputs
from srp_assets.models.deep.encoding.state import fit_state
from srp_assets.models.deep.export import export_onnx, score_onnx
from srp_assets.models.deep.networks.building import build_model
from srp_assets.models.deep.ranker import DeepRanker
from support.training_rows import document_of, rows_of

from .test_networks import ARCHITECTURES, LOOK

QUICK = ("custom",)
"""Made of all layers but the recurrent one and that of `sim`, which test_sequences_in_sets.py exports; an export takes seconds."""


NAMES = [pytest.param(name, marks=() if name in QUICK else pytest.mark.nightly) for name in ARCHITECTURES]


@pytest.mark.parametrize("inputs", ["all", pytest.param("ids", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", NAMES)
def test_an_exported_model_answers_the_same(name: str, inputs: str, tmp_path: Path) -> None:
    looks = name in LOOK
    ids = {"groups": {"ids": ["user_id", "item_id", "category"]}, **({} if looks else {"sequences": []})}
    document = document_of(ARCHITECTURES[name], **(ids if inputs == "ids" else {}))
    rows = rows_of(60, 4)
    encoder = RowEncoder(document, fit_state(encoded_inputs(document), rows))
    model = build_model(document, encoder)
    for parameter in model.parameters():
        parameter.data.uniform_(-0.5, 0.5)
    ranker = DeepRanker(document, encoder, model)
    file = export_onnx(ranker, rows, tmp_path)
    for part in (rows, rows.slice(3, 1), rows.slice(10, 17)):
        wanted = np.stack(list(ranker.score(part).values()), axis=1)
        found = score_onnx(file, encoder.inputs.encode(part))
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 1e-5
    assert np.ptp(found) > 1e-3
