"""Trains a model of another library; run by the Python of that library's environment, which knows nothing of SRP.

    python peer_training.py LIBRARY MODEL FOLDER SEED EPOCHS PATIENCE BATCH_ROWS THREADS

Each epoch is timed without looks at validation rows. Training ends when the AUC of those has not risen for PATIENCE epochs; the AUC of the
test rows is that of the best epoch. Prints one line of JSON.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

DIMENSION = 16
HIDDEN = [256, 128]
ATTENTION = [64, 16]
CROSS_LAYERS = 3
RATE = 0.001
HISTORIES = ("item_id", "category")


class DeepCTR:
    """A model of DeepCTR-Torch; nothing is regularised, as in the other libraries."""

    def __init__(self, model: str, folder: Path, described: dict[str, Any], seed: int, batch_rows: int) -> None:
        from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
        from deepctr_torch.models import DCN, DIN, DeepFM

        self.batch_rows, self.columns = batch_rows, list(described["fields"])
        features = [SparseFeat(name, size, embedding_dim=DIMENSION) for name, size in described["fields"].items()]
        common = {"dnn_hidden_units": HIDDEN, "l2_reg_embedding": 0.0, "l2_reg_dnn": 0.0, "seed": seed, "device": "cpu"}
        if model == "din":
            for name in HISTORIES:
                feature = SparseFeat(f"hist_{name}", described["fields"][name], embedding_dim=DIMENSION, embedding_name=name)
                features.append(VarLenSparseFeat(feature, described["history"], length_name="history_length"))
            self.columns += [f"history_{name}" for name in HISTORIES] + ["history_length"]
            self.model = DIN(features, list(HISTORIES), att_hidden_size=ATTENTION, att_activation="Dice", **common)
        elif model == "dcn":
            self.model = DCN(
                features, features, cross_num=CROSS_LAYERS, cross_parameterization="matrix", l2_reg_linear=0.0, l2_reg_cross=0.0, **common
            )
        else:
            self.model = DeepFM(features, features, l2_reg_linear=0.0, **common)
        self.model.compile(torch.optim.Adam(self.model.parameters(), lr=RATE), "binary_crossentropy")
        self.rows = {part: np.load(folder / f"{part}.npz") for part in ("train", "valid", "test")}
        self.label = described["label"]

    def inputs(self, part: str) -> dict[str, np.ndarray]:
        """The columns of a part, by the names that this library gives them."""
        return {name.replace("history_", "hist_", 1) if name != "history_length" else name: self.rows[part][name] for name in self.columns}

    def epoch(self) -> None:
        """Trains on all rows once."""
        self.model.fit(self.inputs("train"), self.rows["train"][self.label], batch_size=self.batch_rows, epochs=1, verbose=0)

    def predict(self, part: str) -> np.ndarray:
        """The probability of a click for each row of a part."""
        return self.model.predict(self.inputs(part), 8192).reshape(-1)


class FuxiCTR:
    """A model put together from FuxiCTR's layers, as its model zoo does, on its in-memory loader."""

    def __init__(self, model: str, folder: Path, described: dict[str, Any], seed: int, batch_rows: int) -> None:
        from fuxictr.features import FeatureMap
        from fuxictr.pytorch.dataloaders.npz_dataloader import NpzDataLoader
        from fuxictr.pytorch.layers import (
            CrossNetV2,
            DIN_Attention,
            FactorizationMachine,
            FeatureEmbedding,
            FeatureEmbeddingDict,
            MLP_Block,
        )
        from fuxictr.pytorch.models import BaseModel
        from fuxictr.pytorch.torch_utils import seed_everything
        from torch import nn

        seed_everything(seed)
        scratch = tempfile.mkdtemp()
        map_ = FeatureMap("bench", scratch)
        map_.features = OrderedDict(
            (name, {"type": "categorical", "source": "", "vocab_size": size}) for name, size in described["fields"].items()
        )
        if model == "din":
            for name in HISTORIES:
                map_.features[f"history_{name}"] = {
                    "type": "sequence", "source": "", "vocab_size": described["fields"][name], "max_len": described["history"],
                    "share_embedding": name, "feature_encoder": None, "padding_idx": 0,
                }  # fmt: skip
        map_.labels = [described["label"]]
        map_.default_emb_dim = DIMENSION
        map_.num_fields = map_.get_num_fields()
        map_.set_column_index()
        settings = {
            "gpu": -1, "verbose": 0, "model_root": scratch, "metrics": ["AUC"], "optimizer": "adam", "loss": "binary_crossentropy",
        }  # fmt: skip
        width = DIMENSION * len(described["fields"])

        class Model(BaseModel):
            def __init__(self) -> None:
                super().__init__(map_, model_id=model, **settings)
                if model == "deepfm":
                    self.embedding_layer = FeatureEmbedding(map_, DIMENSION)
                    self.fm = FactorizationMachine(map_)
                    self.mlp = MLP_Block(input_dim=width, output_dim=1, hidden_units=HIDDEN, hidden_activations="ReLU")
                elif model == "dcn":
                    self.embedding_layer = FeatureEmbedding(map_, DIMENSION)
                    self.cross = CrossNetV2(width, CROSS_LAYERS)
                    self.mlp = MLP_Block(input_dim=width, output_dim=None, hidden_units=HIDDEN, hidden_activations="ReLU")
                    self.fc = nn.Linear(width + HIDDEN[-1], 1)
                else:
                    self.embedding_layer = FeatureEmbeddingDict(map_, DIMENSION)
                    behaviour = DIMENSION * len(HISTORIES)
                    self.attention = DIN_Attention(behaviour, attention_units=ATTENTION, hidden_activations="Dice")
                    self.mlp = MLP_Block(input_dim=width + behaviour, output_dim=1, hidden_units=HIDDEN, hidden_activations="ReLU")
                self.compile(settings["optimizer"], settings["loss"], RATE)
                self.reset_parameters()
                self.model_to_device()

            def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
                found = self.get_inputs(inputs)
                if model == "deepfm":
                    fields = self.embedding_layer(found)
                    logit = self.fm(found, fields) + self.mlp(fields.flatten(start_dim=1))
                elif model == "dcn":
                    flat = self.embedding_layer(found, flatten_emb=True)
                    logit = self.fc(torch.cat([self.cross(flat), self.mlp(flat)], dim=-1))
                else:
                    embedded = self.embedding_layer(found)
                    candidate = torch.cat([embedded[name] for name in HISTORIES], dim=-1)
                    behaviours = torch.cat([embedded[f"history_{name}"] for name in HISTORIES], dim=-1)
                    interest = self.attention(candidate, behaviours, found[f"history_{HISTORIES[0]}"] > 0)
                    logit = self.mlp(torch.cat([*[embedded[name] for name in described["fields"]], interest], dim=-1))
                return {"y_pred": self.output_activation(logit)}

        self.model = Model()
        self.model._max_gradient_norm = 10.0
        self.model._stop_training, self.model._total_steps, self.model._eval_steps = False, 0, sys.maxsize
        self.model._epoch_index = 0
        loaders = {part: {"shuffle": part == "train", "num_workers": 1} for part in ("train", "valid", "test")}
        self.loaders = {
            part: NpzDataLoader(map_, str(folder / f"{part}.npz"), batch_size=batch_rows, **how) for part, how in loaders.items()
        }
        self.rows = {part: np.load(folder / f"{part}.npz") for part in ("train", "valid", "test")}
        self.label = described["label"]

    def epoch(self) -> None:
        """Trains on all rows once."""
        self.model.train_epoch(self.loaders["train"])

    def predict(self, part: str) -> np.ndarray:
        """The probability of a click for each row of a part."""
        self.model.eval()
        with torch.no_grad():
            return np.concatenate([self.model.forward(batch)["y_pred"].numpy().reshape(-1) for batch in self.loaders[part]])


def main() -> None:
    """Trains, and tells what came of it."""
    library, model, folder, *numbers = sys.argv[1:]
    seed, epochs, patience, batch_rows, threads = (int(number) for number in numbers)
    logging.disable(logging.INFO)
    torch.set_num_threads(threads)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        found = trained_model(library, model, Path(folder), seed, epochs, patience, batch_rows)
    print(json.dumps(found))


def trained_model(library: str, model: str, folder: Path, seed: int, epochs: int, patience: int, batch_rows: int) -> dict[str, float]:
    """Trains epoch by epoch, until looks at validation rows say that it is enough."""
    described = json.loads((folder / "fields.json").read_text())
    np.random.seed(seed)
    torch.manual_seed(seed)
    trained = {"deepctr": DeepCTR, "fuxictr": FuxiCTR}[library](model, folder, described, seed, batch_rows)
    seconds, processor_seconds, valid, test = [], [], [], []
    for _ in range(epochs):
        begun, processor_begun = time.perf_counter(), time.process_time()
        trained.epoch()
        seconds.append(time.perf_counter() - begun)
        processor_seconds.append(time.process_time() - processor_begun)
        for part, aucs in (("valid", valid), ("test", test)):
            aucs.append(roc_auc_score(trained.rows[part][trained.label], trained.predict(part)))
        if len(valid) - 1 - int(np.argmax(valid)) >= patience:
            break
    rows = len(trained.rows["train"][trained.label])
    best = int(np.argmax(valid))
    return {
        "auc": test[best],
        "valid_auc": valid[best],
        "best_epoch": best + 1,
        "epochs": len(seconds),
        "rows_per_second": rows * len(seconds) / sum(seconds),
        # Of this process alone: not of those that load rows for it.
        "rows_per_processor_second": rows * len(seconds) / sum(processor_seconds),
    }


if __name__ == "__main__":
    main()
