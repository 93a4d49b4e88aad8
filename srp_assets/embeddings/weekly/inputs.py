"""What a week is made from: the vocabulary, the sessions that are trained on, and those that judge."""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.embeddings.attributes import price_buckets
from srp_assets.embeddings.declaration.model import Embeddings
from srp_assets.embeddings.evaluation.judging import ItemLabels, figures_of, popularity_figures
from srp_assets.embeddings.sessions.building import all_items
from srp_assets.embeddings.training.corpus import NOTHING, Corpus, Vocabulary, corpus_of, vocabulary_of
from srp_assets.embeddings.training.trainer import Trained


@dataclass(frozen=True)
class WeekInputs:
    """The sessions of a window.

    Args:
        vocabulary: of the items that are there often enough among the sessions that are trained on.
        trained_on: the sequences that are trained on.
        held_out: those that judge.
    """

    vocabulary: Vocabulary
    trained_on: pa.Table
    held_out: pa.Table


def inputs_of_week(sequences: pa.Table, attributes: pa.Table, declared: Embeddings) -> WeekInputs:
    """Splits the sessions by a hash of their id, so that the same ones judge every week, and counts the items of the others."""
    judges = pa.array(shares_of(sequences["session_id"]) < declared.held_out_share)
    trained_on = sequences.filter(pc.invert(judges))
    return WeekInputs(
        vocabulary_of(all_items(trained_on), declared.training.least_count, attributes if attributes.num_rows else None),
        trained_on,
        sequences.filter(judges),
    )


def shares_of(ids: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each id, by its hash; shape (ids,)."""
    digests = b"".join(blake2b(str(one).encode(), digest_size=8).digest() for one in ids.to_pylist())
    return (np.frombuffer(digests, np.uint64) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def corpus_of_table(vocabulary: Vocabulary, sequences: pa.Table) -> Corpus:
    """Sequences as numbers."""
    return corpus_of(vocabulary, sequences["items"], sequences["booked"], sequences["rejected"])


def figures_of_week(trained: Trained, inputs: WeekInputs, attributes: pa.Table, declared: Embeddings) -> dict[str, float]:
    """The figures of vectors on the sessions that judge, beside those of ranking by popularity."""
    vocabulary = inputs.vocabulary
    held_out = corpus_of_table(vocabulary, inputs.held_out)
    labels = labels_of(vocabulary, attributes, declared.items.price_bounds) if attributes.num_rows else None
    found = figures_of(trained.vectors, held_out, vocabulary.markets, labels)
    popular = popularity_figures(vocabulary.counts, held_out, vocabulary.markets)
    return found | {f"popularity_{name}": value for name, value in popular.items()} | {"judged_by": held_out.sessions}


def labels_of(vocabulary: Vocabulary, attributes: pa.Table, bounds: tuple[float, ...]) -> ItemLabels:
    """Market, type and price bucket of the vocabulary's items as numbers."""
    known = attributes.take(pc.index_in(vocabulary.ids, value_set=attributes["item_id"].combine_chunks()))
    codes = [
        known[name].combine_chunks().dictionary_encode().indices.fill_null(NOTHING).to_numpy().astype(np.int64)
        for name in ("market", "type")
    ]
    return ItemLabels(codes[0], codes[1], price_buckets(known["price"], bounds))
