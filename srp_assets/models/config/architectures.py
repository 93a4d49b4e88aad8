"""What a model is made of: one form for each kind, with the sizes that it has."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from srp_assets.features.declaration.model import Name
from srp_assets.warehouse.catalogue import Strict

Width = Annotated[int, Field(ge=1, le=8192)]
Widths = tuple[Width, ...]
Activation = Literal["relu", "prelu", "dice", "sigmoid", "tanh"]
DEFAULT_HIDDEN: Widths = (256, 128)


class GradientBoosting(Strict):
    """Gradient-boosted trees (LightGBM): each row by itself (`binary`), or ranked within its trace (`lambdarank`)."""

    kind: Literal["gbdt"]
    objective: Literal["binary", "lambdarank"] = "binary"
    rounds: int = Field(300, ge=1)
    leaves: int = Field(63, ge=2, le=4096)
    learning_rate: float = Field(0.05, gt=0)
    least_leaf_rows: int = Field(50, ge=1)
    feature_share: float = Field(0.9, gt=0, le=1)
    row_share: float = Field(0.9, gt=0, le=1)
    l2: float = Field(1.0, ge=0)
    bins: int = Field(255, ge=2, le=255)
    patience: int = Field(30, ge=1, description="rounds without an improvement on validation rows after which training ends")
    weighted: bool = Field(True, description="whether rows count by the weight that the training set gives them")
    negative_share: float = Field(1.0, gt=0, le=1, description="share of the rows without the label that are trained on")
    debias_positions: bool = Field(True, description="of lambdarank: whether what clicks owe to places is learned apart, and left out")
    position_regularization: float = Field(0.0, ge=0, description="of lambdarank: L2 penalty of what is learned of places")
    seed: int = Field(1, ge=0, le=2**31)


class Linear(Strict):
    """Logistic regression over ids and numbers."""

    kind: Literal["lr"]


class FactorizationMachine(Strict):
    """Logistic regression with the inner products of all pairs of embeddings."""

    kind: Literal["fm"]


class Deep(Strict):
    """What all networks with a multilayer perceptron say of it."""

    hidden: Widths = DEFAULT_HIDDEN
    activation: Activation = "relu"
    dropout: float = Field(0.0, ge=0, lt=1)


class WideDeep(Deep):
    """A linear part over ids and crosses beside a perceptron."""

    kind: Literal["wide_deep"]


class DeepFM(Deep):
    """A factorization machine beside a perceptron on the same embeddings."""

    kind: Literal["deepfm"]


class DCN(Deep):
    """Cross layers (version 2) beside or below a perceptron; with `rank`, their matrices are products of two thin ones."""

    kind: Literal["dcn"]
    cross_layers: int = Field(3, ge=1, le=16)
    rank: int | None = Field(None, ge=1)
    structure: Literal["parallel", "stacked"] = "parallel"


class XDeepFM(Deep):
    """A compressed interaction network beside a linear part and a perceptron."""

    kind: Literal["xdeepfm"]
    interaction: Widths = (32, 32)


class OverSequences(Deep):
    """What networks that look at behaviour sequences have in common."""

    attention_hidden: Widths = (64, 16)
    attention_activation: Activation = "dice"


class DIN(OverSequences):
    """Behaviours weighted by what they have to do with the candidate."""

    kind: Literal["din"]


class DIEN(OverSequences):
    """How interests evolve: a recurrent layer over behaviours, and one over its states whose gates are the attention."""

    kind: Literal["dien"]
    auxiliary_weight: float = Field(0.0, ge=0, description="weight of the loss that lets each state tell the next behaviour")


class SIM(OverSequences):
    """Search-based interests: what a search found in a long history for the candidate, beside a short one as in DIN.

    `searched` are the sequences that were found, with how long ago their actions were; all others are short histories.
    """

    kind: Literal["sim"]
    searched: tuple[Name, ...] = Field(min_length=1)
    heads: int = Field(2, ge=1, le=64)
    head_width: Width = Field(16, description="of the space in which a head compares behaviours with the candidate")


class ESMM(Deep):
    """Click, and order after a click, learned jointly over all impressions: two perceptrons on the same embeddings."""

    kind: Literal["esmm"]


class LinearPart(Strict):
    """Adds the linear logit."""

    layer: Literal["linear"]


class PairsPart(Strict):
    """Adds the logit of the factorization machine's pairs."""

    layer: Literal["fm"]


class CrossPart(Strict):
    """Cross layers, and a linear layer to the logit."""

    layer: Literal["cross"]
    layers: int = Field(3, ge=1, le=16)
    rank: int | None = Field(None, ge=1)


class InteractionPart(Strict):
    """A compressed interaction network, and a linear layer to the logit."""

    layer: Literal["cin"]
    widths: Widths = Field((32, 32), min_length=1)


class PerceptronPart(Deep):
    """A perceptron, and a linear layer to the logit."""

    layer: Literal["mlp"]


class AttentionPart(OverSequences):
    """Attention over each sequence, and a perceptron on that and all else."""

    layer: Literal["attention"]


class Custom(Strict):
    """The sum of the logits of parts made of the same layers as the other kinds."""

    kind: Literal["custom"]
    parts: tuple[
        Annotated[
            Annotated[LinearPart, Tag("<linear>")]
            | Annotated[PairsPart, Tag("<fm>")]
            | Annotated[CrossPart, Tag("<cross>")]
            | Annotated[InteractionPart, Tag("<cin>")]
            | Annotated[PerceptronPart, Tag("<mlp>")]
            | Annotated[AttentionPart, Tag("<attention>")],
            Discriminator(
                lambda written: _tag(written, "layer"),
                custom_error_type="layer",
                custom_error_message="this has no known layer; valid: linear, fm, cross, cin, mlp, attention",
            ),
        ],
        ...,
    ] = Field(min_length=1)


DeepArchitecture = Linear | FactorizationMachine | WideDeep | DeepFM | DCN | XDeepFM | DIN | DIEN | SIM | ESMM | Custom

KINDS = ("gbdt", "lr", "fm", "wide_deep", "deepfm", "dcn", "xdeepfm", "din", "dien", "sim", "esmm", "custom")


def _tag(written: Any, key: str) -> str:
    """Which form a part has. Names in pointed brackets never show up in the path that an error names."""
    return f"<{written.get(key) if isinstance(written, dict) else getattr(written, key, None)}>"


Architecture = Annotated[
    Annotated[GradientBoosting, Tag("<gbdt>")]
    | Annotated[Linear, Tag("<lr>")]
    | Annotated[FactorizationMachine, Tag("<fm>")]
    | Annotated[WideDeep, Tag("<wide_deep>")]
    | Annotated[DeepFM, Tag("<deepfm>")]
    | Annotated[DCN, Tag("<dcn>")]
    | Annotated[XDeepFM, Tag("<xdeepfm>")]
    | Annotated[DIN, Tag("<din>")]
    | Annotated[DIEN, Tag("<dien>")]
    | Annotated[SIM, Tag("<sim>")]
    | Annotated[ESMM, Tag("<esmm>")]
    | Annotated[Custom, Tag("<custom>")],
    Discriminator(
        lambda written: _tag(written, "kind"),
        custom_error_type="architecture",
        custom_error_message=f"there is no such kind of model; valid: {', '.join(KINDS)}",
    ),
]
