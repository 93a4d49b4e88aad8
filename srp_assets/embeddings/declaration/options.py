"""How vectors are trained: the declared numbers, which the trainer, the declaration and the ablation share."""

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A part of a declaration: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrainingOptions(Strict):
    """How vectors are trained.

    `window` is how many items before and after count as context, and `shrink_window` whether chance shortens it, so that near items count
    more; `full_contexts` is how many contexts of an item weigh in full: of more, each weighs so much less that all together weigh as many,
    so that large sets do not drown small ones (0: all in full). `negatives` and `market_negatives` are drawn for each positive,
    `rejections` for each centre; a market negative is drawn from the market in so far as its items keep to themselves, else from all.
    `negative_power` smooths popularity; `frequent_share` is the share of all occurrences above which an item is thinned out; `threads`
    other than 1 give results that chance in the order of threads changes.
    """

    dimensions: int = Field(32, ge=8, le=512, multiple_of=8)
    window: int = Field(5, ge=1)
    shrink_window: bool = True
    full_contexts: int = Field(0, ge=0)
    negatives: int = Field(5, ge=0)
    market_negatives: int = Field(5, ge=0)
    rejections: int = Field(1, ge=0)
    global_context: bool = True
    negative_power: float = Field(0.75, ge=-2, le=2)
    frequent_share: float = Field(0.001, ge=0, le=1)
    least_count: int = Field(5, ge=1)
    epochs: int = Field(10, ge=1)
    rate: float = Field(0.025, gt=0)
    last_rate: float = Field(0.0001, ge=0)
    threads: int = Field(1, ge=1)
    seed: int = Field(1, ge=0)
