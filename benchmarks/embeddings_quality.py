"""How good embeddings are on real input: the next item, against gensim's word2vec and popularity, and what each part of the recipe brings.

    python benchmarks/embeddings_quality.py [DATASET [FOLDER]] [--seeds N] [--epochs N] [--choosing] [--quick] [--json FILE]

DATASET is `online_retail` (markets are countries, baskets are sessions, purchases are bookings) or `xmrec` (two markets, sets of items
without times); FOLDER has its files. Every way of training has the same dimensions, epochs and number of negatives for each positive. A
basket is a set, so the recipe takes items up to `--window` away all alike, at a rate that suits so few tokens, and gives the contexts of an
item no more weight together than `--full-contexts` have; gensim is measured with its own window and rate, and again with the window of the
recipe and the rate that is best for it. An item is found among the first 20 by the cosine with the mean of what is known. Means over seeds
with 95 % intervals, differences paired.

Window, weights and both rates were chosen by `--choosing`: it asks for what is held out within the part that is trained on, and never looks
at the answers that the input itself holds out.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.table import Table
from support.real_baskets import RealData, online_retail, xmrec
from support.report import Bar, end_in_order_when_stopped, keep, tell

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.evaluation.intervals import interval_of
from srp_assets.embeddings.evaluation.ranks import ndcg_at, ranks_by_popularity, ranks_by_similarity, recall_at
from srp_assets.embeddings.training.trainer import train
from srp_assets.embeddings.vectors import Vectors
from srp_assets.settings import PROJECT_ROOT

PLACES = 20
OURS, GENSIM, GENSIM_CHOSEN, POPULARITY = "this project", "gensim", "gensim, window and rate chosen", "popularity"
NEGATIVES = 10
"""Of each positive, of every kind together."""


def variants(options: TrainingOptions, *, booked: bool) -> dict[str, TrainingOptions]:
    """The recipe, and what is left out of it; the number of negatives stays. Where nothing is booked, there is no global context."""
    whole = {"global_context": True, "negatives": 5, "market_negatives": 5}
    merged = {"negatives": NEGATIVES, "market_negatives": 0}
    found = {
        OURS: options.model_copy(update=whole),
        "no market negatives": options.model_copy(update={**whole, **merged}),
        "all contexts in full": options.model_copy(update={**whole, "full_contexts": 0}),
    }
    if booked:
        found["no global context"] = options.model_copy(update={**whole, "global_context": False})
        found["neither"] = options.model_copy(update={**whole, **merged, "global_context": False})
    return found


def gensim_vectors(data: RealData, options: TrainingOptions, seed: int) -> Vectors:
    """What gensim learns from the same sessions."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        data.sentences,
        vector_size=options.dimensions,
        window=options.window,
        shrink_windows=options.shrink_window,
        min_count=1,
        sg=1,
        negative=NEGATIVES,
        sample=options.frequent_share,
        epochs=options.epochs,
        alpha=options.rate,
        min_alpha=options.last_rate,
        workers=1,
        seed=seed,
    )
    return np.stack([model.wv[str(item)] for item in range(len(data.vocabulary.ids))])


def judged(ranks: np.ndarray) -> dict[str, float]:
    """Recall and nDCG among the first 20."""
    return {"recall": float(recall_at(ranks, PLACES).mean()), "ndcg": float(ndcg_at(ranks, PLACES).mean())}


class Read(Protocol):
    """Reads an input, or what of it one may choose by."""

    def __call__(self, folder: Path, *, choosing: bool) -> RealData:
        """The data."""


@dataclass(frozen=True)
class Dataset:
    """One real input.

    Args:
        read: reads its folder.
        folder: its name beside this project.
        window: how far apart items of a session are context of one another.
    """

    read: Read
    folder: str
    window: int


DATASETS = {"online_retail": Dataset(online_retail, "online_retail", 5), "xmrec": Dataset(xmrec, "xmrec_wsdm22", 50)}
BESIDE = PROJECT_ROOT.parent / "shared" / "data"


def measured(name: str, data: RealData, gensim: dict[str, TrainingOptions], options: TrainingOptions, seeds: range) -> list[dict[str, Any]]:
    """Trains everything with every seed; a row for each way and figure."""
    found: dict[str, list[dict[str, float]]] = {
        POPULARITY: [judged(ranks_by_popularity(data.vocabulary.counts, data.queries))] * len(seeds)
    }
    booked = bool((data.corpus.booked >= 0).any())
    for seed in seeds:
        for way, own in gensim.items():
            found.setdefault(way, []).append(judged(ranks_by_similarity(gensim_vectors(data, own, seed), data.queries)))
        for way, own in variants(options, booked=booked).items():
            vectors = train(data.corpus, data.vocabulary, own.model_copy(update={"seed": seed})).vectors
            found.setdefault(way, []).append(judged(ranks_by_similarity(vectors, data.queries)))
    rows = []
    for way, results in found.items():
        for figure in ("recall", "ndcg"):
            value = interval_of([own[figure] for own in results])
            gain = interval_of([ours[figure] - own[figure] for ours, own in zip(found[OURS], results, strict=True)])
            rows.append({"dataset": name, "way": way, "figure": figure, "value": value.as_dict(), "gain": gain.as_dict()})
    return rows


def shown(rows: list[dict[str, Any]]) -> Table:
    """The rows for people."""
    table = Table("way", "figure", "mean", "95 %", "gain of this project", "95 %")
    for row in rows:
        value, gain = row["value"], row["gain"]
        spread = f"{value['low']:.4f} .. {value['high']:.4f}"
        apart = f"{gain['low']:+.4f} .. {gain['high']:+.4f}"
        table.add_row(row["way"], f"{row['figure']}@{PLACES}", f"{value['mean']:.4f}", spread, f"{gain['mean']:+.4f}", apart)
    return table


def main() -> None:
    """Measures one input, or all that are beside this project."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", choices=DATASETS, help="all that are beside this project by default")
    parser.add_argument("folder", nargs="?", type=Path, help="of its files; beside this project by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--window", type=int, help="that of the input by default")
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--gensim-rate", type=float, default=0.2, help="best for it of 0.05, 0.1, 0.2; at 0.3 it diverges")
    parser.add_argument("--full-contexts", type=int, default=6, help="contexts of an item that weigh in full; 0 for all")
    parser.add_argument("--choosing", action="store_true", help="asks for what is held out within the part that is trained on")
    parser.add_argument("--quick", action="store_true", help="xmrec alone, two seeds, one epoch")
    parser.add_argument("--json", type=Path, help="file for the results")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console(width=120)
    seeds = range(1, (2 if arguments.quick else arguments.seeds) + 1)
    names = [arguments.dataset] if arguments.dataset else ["xmrec"] if arguments.quick else list(DATASETS)
    rows: list[dict[str, Any]] = []
    for name in names:
        folder = arguments.folder or BESIDE / DATASETS[name].folder
        if not folder.is_dir():
            console.print(f"{name}: skipped, there is no {folder}")
            continue
        data = DATASETS[name].read(folder, choosing=arguments.choosing)
        plain = TrainingOptions(epochs=1 if arguments.quick else arguments.epochs, rejections=0)
        window = arguments.window or DATASETS[name].window
        whole = plain.model_copy(update={"window": window, "shrink_window": False})
        gensim = {GENSIM: plain, GENSIM_CHOSEN: whole.model_copy(update={"rate": arguments.gensim_rate})}
        options = whole.model_copy(update={"rate": arguments.rate, "full_contexts": arguments.full_contexts})
        own = measured(name, data, gensim, options, seeds)
        size = f"{data.corpus.sessions:,} sessions, {data.corpus.tokens:,} items of {len(data.vocabulary.ids):,}"
        console.print(f"{name}: {size}, {len(data.queries.wanted):,} asked; {len(seeds)} seeds, {plain.epochs} epochs, window {window}")
        console.print(shown(own))
        rows += own
    bars = [
        Bar(f"{row['dataset']}: lower bound of the gain in {row['figure']}@{PLACES} over {row['way']}", row["gain"]["low"], 0, ">=")
        for row in rows
        if row["way"] in (GENSIM, GENSIM_CHOSEN, POPULARITY)
    ]
    tell(bars, console)
    keep(arguments.json, rows, bars)


if __name__ == "__main__":
    main()
