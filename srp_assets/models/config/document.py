"""A model's configuration: the form of the YAML document, and what follows from it alone.

What the names of features mean is for `resolving.py`; how a file is read, for `loading.py`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from srp_assets.errors import nearest
from srp_assets.features.declaration.model import Name, Sentence
from srp_assets.models.config.architectures import (
    DIEN,
    DIN,
    ESMM,
    SIM,
    Architecture,
    AttentionPart,
    Custom,
    DeepFM,
    FactorizationMachine,
    InteractionPart,
    PairsPart,
    Widths,
    XDeepFM,
)
from srp_assets.models.config.inputs import Crossed, Encoded, Input, Listed, Number, Plain, Sequence
from srp_assets.warehouse.catalogue import Strict

DIGEST_LETTERS = 16
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
SemanticVersion = Annotated[str, StringConstraints(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")]


class BiasTower(Strict):
    """What an outcome owes to how it was shown: a part of its own that is learned beside the ranker and left out when serving."""

    inputs: tuple[Input, ...] = Field(min_length=1)
    hidden: Widths = ()


class Training(Strict):
    """How a deep model is trained."""

    epochs: int = Field(2, ge=1, le=1000)
    batch_rows: int = Field(4096, ge=1, le=2**20)
    learning_rate: float = Field(0.001, gt=0)
    optimizer: Literal["adam", "adagrad", "sgd"] = "adam"
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the products of matrices in training; weights, embeddings, losses and all scoring stay float32"
    )
    embedding_decay: float = Field(0.0, ge=0, description="L2 penalty of the rows of embeddings that a batch looks up")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty of all other weights")
    gradient_limit: float | None = Field(None, gt=0, description="norm to which a step's gradient is cut")
    patience: int = Field(2, ge=1, description="looks at validation rows without an improvement after which training ends")
    monitor: Literal["log_loss", "auc"] = Field("log_loss", description="what looks compare; of several labels by their weights")
    validate_rows: int | None = Field(None, ge=1, description="rows between two looks at validation rows; an epoch if unset")
    mixed_row_groups: int = Field(8, ge=1, le=256, description="row groups, of different days where there are, that are shuffled together")
    memory_rows: int = Field(2_000_000, ge=0, description="encoded rows of a set that are kept in memory after the first epoch")
    fit_rows: int = Field(500_000, ge=1, description="rows, spread over all files, by which vocabularies and normalisation are fitted")
    negative_share: float = Field(1.0, gt=0, le=1, description="share of the rows without the label that are trained on")
    processes: int = Field(1, ge=1, le=1024, description="processes that train together, each with its share of a batch")
    seed: int = Field(1, ge=0, le=2**31)


class Online(Strict):
    """How a linear model or a factorization machine learns in one pass over events in their order."""

    batch_rows: int = Field(256, ge=1, le=2**20)
    learning_rate: float = Field(0.05, gt=0)
    window_rows: int = Field(8192, ge=1, description="rows over which predictions made before learning are judged")
    tolerance: float = Field(0.02, ge=0, description="share by which they may lose more than without learning")
    retries: int = Field(3, ge=0, description="falls back, each with half the learning rate, before the learner gives up")


class ModelDocument(Strict):
    """One model.

    `labels` are columns of the training set with the weight of each one's loss; `groups` only tell people which features belong together.
    """

    kind: Literal["model"]
    name: ModelName
    version: SemanticVersion
    owner: Sentence
    description: Sentence
    labels: dict[Name, Annotated[float, Field(gt=0)]] = Field(min_length=1, max_length=2)
    groups: dict[Name, tuple[Input, ...]] = Field(min_length=1)
    sequences: tuple[Sequence, ...] = ()
    bias: BiasTower | None = None
    dimension: int = Field(16, ge=1, le=1024, description="numbers of each embedding")
    architecture: Architecture
    training: Training = Training()
    online: Online | None = None

    @cached_property
    def inputs(self) -> tuple[Encoded | Plain, ...]:
        """All inputs of the ranker itself, in the order of the groups."""
        return tuple(written for group in self.groups.values() for written in group)

    @cached_property
    def bias_inputs(self) -> tuple[Encoded | Plain, ...]:
        """The inputs of the tower that is left out when serving."""
        return self.bias.inputs if self.bias else ()

    @cached_property
    def serving_features(self) -> tuple[str, ...]:
        """The features that scoring reads, each once."""
        lists = [name for sequence in self.sequences for name in sequence.reads]
        return tuple(dict.fromkeys([*[name for written in self.inputs for name in written.reads], *lists]))

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The features that training reads, each once."""
        return tuple(dict.fromkeys([*self.serving_features, *[name for written in self.bias_inputs for name in written.reads]]))

    @cached_property
    def digest(self) -> str:
        """Identity of everything that training depends on; words for people are not part of it."""
        content = self.model_dump(mode="json", exclude={"owner", "description", "version"})
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:DIGEST_LETTERS]

    @model_validator(mode="after")
    def _names_stand_once(self) -> Self:
        names = [written.name for written in (*self.inputs, *self.bias_inputs)] + [sequence.name for sequence in self.sequences]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]!r} stands twice among inputs, sequences and the bias tower")
        return self

    @model_validator(mode="after")
    def _shared_rows_exist(self) -> Self:
        for place, name, own in self._shared():
            if name not in own:
                raise ValueError(f"{place} is like {name!r}, which is no input with rows of its own; {nearest(name, own)}")
        return self

    @model_validator(mode="after")
    def _only_simple_models_learn_online(self) -> Self:
        if self.online is not None and self.architecture.kind not in ("lr", "fm"):
            raise ValueError(f"{self.architecture.kind} does not learn online; lr and fm do")
        return self

    @model_validator(mode="after")
    def _rows_may_be_left_out(self) -> Self:
        if self.training.negative_share < 1 and (len(self.labels) > 1 or self.online is not None):
            raise ValueError("training.negative_share below 1 leaves out rows of one label, and nothing where a model learns online")
        return self

    @model_validator(mode="after")
    def _architecture_fits(self) -> Self:
        parts = self.architecture.parts if isinstance(self.architecture, Custom) else (self.architecture,)
        if any(isinstance(part, (DIN, DIEN, SIM, AttentionPart)) for part in parts) and not self.sequences:
            raise ValueError("this architecture looks at sequences, and none is declared")
        if isinstance(self.architecture, SIM):
            self._check_searched(self.architecture.searched)
        if len(self.labels) != (wanted := 2 if isinstance(self.architecture, ESMM) else 1) and self.architecture.kind != "gbdt":
            raise ValueError(f"{self.architecture.kind} needs {wanted} label(s), a click before the order where there are two")
        if any(isinstance(part, (FactorizationMachine, DeepFM, XDeepFM, PairsPart, InteractionPart)) for part in parts):
            sizes = [(found.name, getattr(found, "dimension", None)) for found in self.inputs]
            sizes += [(sequence.rows_of(column), column.dimension) for sequence in self.sequences for column in sequence.columns]
            odd = [name for name, size in sizes if size not in (None, self.dimension)]
            if odd:
                raise ValueError(f"{self.architecture.kind} needs embeddings of one size, and {odd[0]!r} has another dimension")
        return self

    def _check_searched(self, searched: tuple[str, ...]) -> None:
        """Refuses sequences that a search-based model cannot take: what was found tells how long ago it was, beside a short history."""
        found = {sequence.name: sequence for sequence in self.sequences}
        for name in searched:
            if name not in found:
                raise ValueError(f"there is no sequence {name!r} to search; {nearest(name, found)}")
            if not any(column.edges for column in found[name].columns):
                raise ValueError(f"the searched sequence {name!r} needs a column with edges: how long ago its actions were")
        if not found.keys() - set(searched):
            raise ValueError("sim needs a short history beside what was searched: a sequence that searched does not name")

    def _shared(self) -> Iterator[tuple[str, str, Mapping[str, Encoded | Plain]]]:
        """What shares rows: its place, with whom, and who could have them."""
        own = {found.name: found for found in self.inputs if not isinstance(found, (Number, Listed, Crossed))}
        for found in self.inputs:
            if isinstance(found, Listed) and found.like is not None:
                yield f"the list {found.name!r}", found.like, own
        for sequence in self.sequences:
            for column in sequence.columns:
                if column.like is not None:
                    yield f"the sequence {sequence.name!r}", column.like, own
