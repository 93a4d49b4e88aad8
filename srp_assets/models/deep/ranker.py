"""A trained deep model as all models are used: columns in, probabilities out; a folder that holds it."""

import json
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import torch

from srp_assets.errors import InvalidInput
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.config.loading import model_of
from srp_assets.models.deep.encoding.encoder import RowEncoder
from srp_assets.models.deep.encoding.state import state_of
from srp_assets.models.deep.losses import probabilities_of
from srp_assets.models.deep.networks.building import RankingModel, build_model
from srp_assets.models.deep.tensors import inputs_of

DOCUMENT_FILE, STATE_FILE, WEIGHTS_FILE = "model.json", "encoder.json", "weights.pt"
SCORING_ROWS = 16_384
"""Rows that are scored at a time."""


class DeepRanker:
    """A trained deep model.

    Args:
        document: the configuration that it was trained with.
        encoder: of its rows.
        model: its network and bias tower; only the network scores.
    """

    def __init__(self, document: ModelDocument, encoder: RowEncoder, model: RankingModel) -> None:
        self._document = document
        self.encoder = encoder
        self.model = model.eval()

    @property
    def document(self) -> ModelDocument:
        """The configuration that it was trained with, every input's encoding written out."""
        return self._document

    @property
    def columns(self) -> tuple[str, ...]:
        """The features that `score` reads."""
        return self._document.serving_features

    def score(self, table: pa.Table) -> dict[str, np.ndarray]:
        """The probability of each label for each row (`Ranker.score`)."""
        encoded = self.encoder.inputs.encode(table)
        device = next(self.model.parameters()).device
        found = [np.zeros((0, len(self._document.labels)))]
        with torch.inference_mode():
            for begin in range(0, len(encoded), SCORING_ROWS):
                logits = self.model(inputs_of(encoded.taken(slice(begin, begin + SCORING_ROWS)), device)).logits
                found.append(probabilities_of(logits.double(), self._document.architecture.kind).cpu().numpy())
        together = np.concatenate(found)
        return {name: together[:, place] for place, name in enumerate(self._document.labels)}

    def save(self, folder: Path) -> None:
        """Writes the model into an empty or new folder."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DOCUMENT_FILE).write_text(self._document.model_dump_json(indent=1), encoding="utf-8")
        (folder / STATE_FILE).write_text(self.encoder.state.as_text(), encoding="utf-8")
        torch.save(self.model.state_dict(), folder / WEIGHTS_FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a model that `save` wrote.

        Raises:
            InvalidInput: if the folder holds no such model, or one of a form that this version cannot read.
        """
        missing = [name for name in (DOCUMENT_FILE, STATE_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
        if missing:
            raise InvalidInput(
                f"this is no folder of a deep model: it has no {missing[0]}", where=str(folder), remedy="save a model into it"
            )
        document = model_of(json.loads((folder / DOCUMENT_FILE).read_text(encoding="utf-8")), where=str(folder / DOCUMENT_FILE))
        state = state_of((folder / STATE_FILE).read_text(encoding="utf-8"), where=str(folder / STATE_FILE))
        encoder = RowEncoder(document, state)
        model = build_model(document, encoder)
        model.load_state_dict(torch.load(folder / WEIGHTS_FILE, weights_only=True))
        return cls(document, encoder, model)
