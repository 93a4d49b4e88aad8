"""Training of embeddings: tokens per second and core beside gensim's word2vec, growth with the tokens, memory.

    python benchmarks/embeddings.py [--quick] [--only SECTION] [--json FILE]

- `speed`: skip-gram with negative sampling on 10 million tokens, 32 dimensions, window 5, 5 negatives, one thread, against gensim (C) with
  the same settings and one worker; then the whole recipe (market negatives, booked items, rejections), which gensim has not.
- `growth`: 1, 10 and 30 million tokens; the seconds for each token of the largest against the smallest.
- `memory`: what training needs beyond the corpus, against the vectors (both matrices) that it learns.
"""

import time
import tracemalloc
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from support.report import Bar, end_in_order_when_stopped, keep, parser_of, tell

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary
from srp_assets.embeddings.training.trainer import train

ITEMS, MARKETS, LENGTH = 50_000, 40, 10
TOKENS, QUICK_TOKENS = 10_000_000, 300_000
SIZES, QUICK_SIZES = (1_000_000, 10_000_000, 30_000_000), (100_000, 300_000, 900_000)
SECTIONS = ("speed", "growth", "memory")

PLAIN = TrainingOptions(epochs=1, market_negatives=0, rejections=0, global_context=False, frequent_share=0)
WHOLE = TrainingOptions(epochs=1, frequent_share=0)


def generated(tokens: int, items: int = ITEMS, seed: int = 1) -> tuple[Corpus, Vocabulary]:
    """Sessions of ten items, popular ones more often, half of them booked, three rejected items each."""
    random = np.random.default_rng(seed)
    drawn = np.minimum((random.random(tokens) ** 3 * items).astype(np.int32), items - 1)
    counts = np.bincount(drawn, minlength=items).astype(np.int64) + 1
    order = np.argsort(-counts, kind="stable")
    places = np.empty(items, np.int32)
    places[order] = np.arange(items, dtype=np.int32)
    sessions = tokens // LENGTH
    codes = places[drawn[: sessions * LENGTH]]
    booked = np.where(random.random(sessions) < 0.5, codes[LENGTH - 1 :: LENGTH], -1).astype(np.int32)
    rejected = random.integers(0, items, 3 * sessions, dtype=np.int32)
    corpus = Corpus(codes, np.arange(0, len(codes) + 1, LENGTH), booked, rejected, np.arange(0, len(rejected) + 1, 3))
    return corpus, Vocabulary(pa.array([f"i{item}" for item in order]), counts[order], (order % MARKETS).astype(np.int32))


def seconds_of(corpus: Corpus, vocabulary: Vocabulary, options: TrainingOptions) -> float:
    """What one training takes."""
    begin = time.perf_counter()
    train(corpus, vocabulary, options)
    return time.perf_counter() - begin


def gensim_seconds(corpus: Corpus) -> float:
    """What gensim's training of the same sessions takes; its vocabulary is built before."""
    from gensim.models import Word2Vec

    names = [str(item) for item in range(ITEMS)]
    sentences = [[names[item] for item in own] for own in corpus.items.reshape(-1, LENGTH).tolist()]
    model = Word2Vec(vector_size=32, window=5, min_count=1, sg=1, negative=5, sample=0, workers=1, epochs=1)
    model.build_vocab(sentences)
    begin = time.perf_counter()
    model.train(sentences, total_examples=len(sentences), epochs=1)
    return time.perf_counter() - begin


def speed(tokens: int, rows: list[dict[str, Any]], bars: list[Bar]) -> None:
    """Tokens per second on one core."""
    corpus, vocabulary = generated(tokens)
    found = {"this project": seconds_of(corpus, vocabulary, PLAIN), "gensim": gensim_seconds(corpus)}
    found["this project, whole recipe"] = seconds_of(corpus, vocabulary, WHOLE)
    for name, seconds in found.items():
        rows.append({"section": "speed", "what": name, "tokens": tokens, "seconds": seconds, "tokens_a_second": tokens / seconds})
    bars.append(Bar("tokens per second and core against gensim", found["gensim"] / found["this project"], 1, ">="))


def growth(sizes: tuple[int, ...], rows: list[dict[str, Any]], bars: list[Bar]) -> None:
    """Seconds for more and more tokens."""
    found = {}
    for tokens in sizes:
        found[tokens] = seconds_of(*generated(tokens), PLAIN)
        rows.append(
            {"section": "growth", "what": "plain", "tokens": tokens, "seconds": found[tokens], "tokens_a_second": tokens / found[tokens]}
        )
    apart = (found[sizes[-1]] / sizes[-1]) / (found[sizes[0]] / sizes[0])
    bars.append(Bar(f"seconds a token, {sizes[-1]:,} against {sizes[0]:,} tokens", apart, 1.2))


def memory(tokens: int, rows: list[dict[str, Any]], bars: list[Bar]) -> None:
    """What training allocates at most, beyond the corpus that it is given."""
    corpus, vocabulary = generated(tokens, items=10 * ITEMS)
    tracemalloc.start()
    trained = train(corpus, vocabulary, WHOLE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    vectors = trained.vectors.nbytes + trained.contexts.nbytes
    rows.append({"section": "memory", "what": "whole recipe", "tokens": tokens, "peak_bytes": peak, "vector_bytes": vectors})
    bars.append(Bar("peak memory against the vectors", peak / vectors, 2))


def main() -> None:
    """Runs the chosen sections."""
    parser = parser_of(__doc__, quick="fewer tokens: less than a minute")
    parser.add_argument("--only", choices=SECTIONS, help="one section")
    arguments = parser.parse_args()
    end_in_order_when_stopped()
    console = Console()
    rows: list[dict[str, Any]] = []
    bars: list[Bar] = []
    # Compiling, or reading what was compiled, is no part of the measure.
    small = generated(1_000)
    for options in (PLAIN, WHOLE):
        train(*small, options)
    tokens = QUICK_TOKENS if arguments.quick else TOKENS
    if arguments.only in (None, "speed"):
        speed(tokens, rows, bars)
    if arguments.only in (None, "growth"):
        growth(QUICK_SIZES if arguments.quick else SIZES, rows, bars)
    if arguments.only in (None, "memory"):
        memory(QUICK_TOKENS, rows, bars)
    table = Table("section", "what", "tokens", "seconds", "tokens a second")
    for row in rows:
        seconds = f"{row['seconds']:.1f}" if "seconds" in row else f"{row['peak_bytes'] / 1e6:.0f} MB"
        rate = f"{row['tokens_a_second']:,.0f}" if "tokens_a_second" in row else f"{row['vector_bytes'] / 1e6:.0f} MB of vectors"
        table.add_row(row["section"], row["what"], f"{row['tokens']:,}", seconds, rate)
    console.print(table)
    tell(bars, console)
    keep(arguments.json, rows, bars)


if __name__ == "__main__":
    main()
