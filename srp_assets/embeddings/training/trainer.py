"""Training vectors on one machine: a corpus in, vectors out. `plan_training.py` has the same interface on the partitions of Spark."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary
from srp_assets.embeddings.training.sampling import Sampler, sampler_of
from srp_assets.embeddings.vectors import Vectors

Told = Callable[[int, "Trained"], None]
"""Is told of each finished epoch."""


@dataclass(frozen=True)
class Trained:
    """What was learned.

    Args:
        vocabulary: of the rows.
        vectors: of the items, float32 of shape (items, dimensions).
        contexts: the other side of the products, of the same shape: a warm start needs it.
    """

    vocabulary: Vocabulary
    vectors: Vectors
    contexts: Vectors


@dataclass(frozen=True)
class Warm:
    """What a training goes on from: vectors of the week before.

    Args:
        ids: of the rows.
        vectors: of shape (items, dimensions).
        contexts: of the same shape.
    """

    ids: pa.Array
    vectors: Vectors
    contexts: Vectors


def train(
    corpus: Corpus, vocabulary: Vocabulary, options: TrainingOptions, *, start: Warm | None = None, told: Told | None = None
) -> Trained:
    """Trains vectors on one machine.

    Args:
        corpus: of the vocabulary's numbers.
        vocabulary: of the items.
        options: as declared. One thread and one seed give the same vectors again, to the bit.
        start: where items that it has begin; others begin near nothing.
        told: is told of each epoch.
    """
    # What making the tables needs in passing is gone before the vectors are there.
    sampler = sampler_of(vocabulary, options, corpus)
    trained = begun(vocabulary, options, start)
    for epoch in range(options.epochs):
        train_epoch(corpus, sampler, trained, options, epoch)
        if told:
            told(epoch, trained)
    return trained


def begun(vocabulary: Vocabulary, options: TrainingOptions, start: Warm | None = None) -> Trained:
    """Vectors before the first step: within 0.5 / dimensions of zero and contexts of nothing, as in word2vec, or those of a warm start."""
    random = np.random.default_rng([options.seed, 0])
    shape = (len(vocabulary.ids), options.dimensions)
    # Drawn as float32, and shifted in place: no second matrix at any time.
    vectors, contexts = random.random(shape, dtype=np.float32), np.zeros(shape, np.float32)
    vectors -= np.float32(0.5)
    vectors /= np.float32(options.dimensions)
    if start is not None and start.vectors.shape[1] == options.dimensions:
        places = vocabulary.codes(start.ids)
        vectors[places[places >= 0]] = start.vectors[places >= 0]
        contexts[places[places >= 0]] = start.contexts[places >= 0]
    return Trained(vocabulary, vectors, contexts)


def train_epoch(corpus: Corpus, sampler: Sampler, trained: Trained, options: TrainingOptions, epoch: int, part: int = 0) -> None:
    """Walks once over a corpus, changing the vectors in place.

    Args:
        corpus: all of it, or a part.
        sampler: of the vocabulary.
        trained: what is changed.
        options: as declared.
        epoch: which of all; the rate falls over all of them.
        part: of a corpus that is trained on in parts: each has random numbers of its own.
    """
    threads = min(options.threads, max(1, corpus.sessions))
    borders = np.searchsorted(corpus.offsets, np.linspace(0, corpus.tokens, threads + 1)[1:-1])
    edges = [0, *borders.tolist(), corpus.sessions]
    whole = options.rate - options.last_rate
    # Each thread walks a part of the tokens while the rate falls as it would over all of them.
    rate = options.rate - whole * epoch / options.epochs
    fall = whole / options.epochs

    def walk(number: int) -> None:
        own = corpus.part(edges[number], edges[number + 1])
        seed = np.random.SeedSequence([options.seed, 1, epoch, part, number]).generate_state(1, np.uint64)
        _walk(own, sampler, trained, options, (rate, fall / max(1, own.tokens), options.last_rate), seed)

    if threads == 1:
        walk(0)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(walk, range(threads)))


def _walk(
    corpus: Corpus, sampler: Sampler, trained: Trained, options: TrainingOptions, rates: tuple[float, float, float], seed: np.ndarray
) -> None:
    # Compiling, or loading what was compiled, is for whoever trains.
    from srp_assets.embeddings.training.kernels import BLOCK, train_sessions

    longest = int(np.diff(corpus.offsets).max(initial=0))
    scratch = (np.empty(longest, np.int32), np.empty(1 + options.negatives + options.market_negatives, np.int32))
    train_sessions(
        (corpus.items, corpus.offsets, corpus.booked, corpus.rejected, corpus.rejected_offsets),
        kernel_sampler(sampler),
        trained.vocabulary.markets,
        trained.vectors,
        trained.contexts,
        (0,) * (options.dimensions // BLOCK),
        kernel_options(options),
        rates,
        seed,
        scratch,
    )


def kernel_sampler(sampler: Sampler) -> tuple[np.ndarray, ...]:
    """The tables as the kernel takes them."""
    return (
        sampler.limits,
        sampler.aliases,
        sampler.market_limits,
        sampler.market_aliases,
        sampler.market_items,
        sampler.market_starts,
        sampler.own_shares,
        sampler.kept,
    )


def kernel_options(options: TrainingOptions) -> tuple[int, bool, int, int, int, bool, int]:
    """The options as the kernel and the reference take them."""
    return (
        options.window,
        options.shrink_window,
        options.negatives,
        options.market_negatives,
        options.rejections,
        options.global_context,
        options.full_contexts,
    )
