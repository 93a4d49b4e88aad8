"""What each part of the recipe brings: the same training without it, with the same seeds, and the difference with its interval."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.evaluation.intervals import Interval, interval_of
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary
from srp_assets.embeddings.training.trainer import Trained, Warm, train

Judge = Callable[[Trained], Mapping[str, float]]

WHOLE = "whole"


@dataclass(frozen=True)
class Variant:
    """One way of training."""

    name: str
    options: TrainingOptions
    warm: bool = True


@dataclass(frozen=True)
class AblationRow:
    """A figure of a variant, and how far it lies from that of the whole recipe with the same seeds."""

    variant: str
    figure: str
    value: Interval
    difference: Interval


def variants_of(options: TrainingOptions, *, warm: bool) -> list[Variant]:
    """The whole recipe and what is left out of it.

    Without market negatives there are as many negatives of all markets instead, so that only their kind differs, not their number.
    """
    found = [Variant(WHOLE, options, warm)]
    found.append(Variant("no global context", options.model_copy(update={"global_context": False}), warm))
    if options.market_negatives:
        merged = {"market_negatives": 0, "negatives": options.negatives + options.market_negatives}
        found.append(Variant("no market negatives", options.model_copy(update=merged), warm))
    if options.rejections:
        found.append(Variant("no rejections", options.model_copy(update={"rejections": 0}), warm))
    if warm:
        found.append(Variant("no warm start", options, warm=False))
    sizes = [size for size in (16, 32, 64) if size != options.dimensions]
    # A start of other dimensions is no start: these are trained from nothing.
    found += [Variant(f"{size} dimensions", options.model_copy(update={"dimensions": size}), warm=False) for size in sizes]
    return found


def ablation(
    corpus: Corpus,
    vocabulary: Vocabulary,
    options: TrainingOptions,
    judge: Judge,
    *,
    seeds: Sequence[int],
    start: Warm | None = None,
    leave_out: Collection[str] | None = None,
    told: Callable[[str, int], None] | None = None,
) -> list[AblationRow]:
    """Trains every variant with every seed and compares each with the whole recipe.

    Args:
        corpus: that is trained on.
        vocabulary: of its numbers.
        options: of the whole recipe.
        judge: gives the figures of what was trained.
        seeds: of the trainings; differences are paired by them.
        start: of a warm start, if there is one.
        leave_out: names of the variants that are trained beside the whole recipe; all if None.
        told: is told of each variant and seed.
    """
    found: dict[str, list[Mapping[str, float]]] = {}
    for variant in variants_of(options, warm=start is not None):
        if leave_out is not None and variant.name not in (WHOLE, *leave_out):
            continue
        for seed in seeds:
            if told:
                told(variant.name, seed)
            own = variant.options.model_copy(update={"seed": seed})
            found.setdefault(variant.name, []).append(judge(train(corpus, vocabulary, own, start=start if variant.warm else None)))
    rows = []
    for name, judged in found.items():
        for figure in judged[0]:
            values = [own[figure] for own in judged]
            apart = [own[figure] - whole[figure] for own, whole in zip(judged, found[WHOLE], strict=True)]
            rows.append(AblationRow(name, figure, interval_of(values), interval_of(apart)))
    return rows
