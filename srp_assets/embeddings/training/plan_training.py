"""Training on the partitions of Spark where sessions outgrow one machine: the trainer's interface, with files in place of a corpus.

Each partition walks its own files once an epoch, from the same vectors; the driver then takes the mean, an item's by how often each
partition met it (parameter averaging: McDonald, Hall and Mann, "Distributed training strategies for the structured perceptron", 2010). What
a partition holds is its sessions and one pair of matrices; nothing else of the corpus is in anybody's memory.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.training.corpus import Corpus, Vocabulary, corpus_of
from srp_assets.embeddings.training.model_files import read_arrays, write_arrays
from srp_assets.embeddings.training.sampling import sampler_of
from srp_assets.embeddings.training.trainer import Told, Trained, Warm, begun, train_epoch
from srp_assets.warehouse.manifests import MANIFEST_DDL
from srp_assets.warehouse.plan_tasks import collected
from srp_assets.warehouse.storage import Storage

COLUMNS = ["items", "booked", "rejected"]


@dataclass(frozen=True)
class SparkCorpus:
    """Sessions as files that every executor reaches.

    Args:
        storage: of the files; scratch is written to it, too.
        parts: the paths of each partition.
    """

    storage: Storage
    parts: tuple[tuple[str, ...], ...]

    def read(self, part: int, vocabulary: Vocabulary) -> Corpus:
        """The sessions of one partition."""
        table = pa.concat_tables([self.storage.read(path, COLUMNS) for path in self.parts[part]])
        return corpus_of(vocabulary, table["items"], table["booked"], table["rejected"])


def partitioned(storage: Storage, paths: Sequence[str], partitions: int) -> SparkCorpus:
    """Files spread over partitions so that each has about as many bytes: the largest goes to the emptiest one."""
    sizes = dict(zip(paths, storage.sizes(paths), strict=True))
    parts: list[list[str]] = [[] for _ in range(min(partitions, len(paths)))]
    filled = [0] * len(parts)
    for path in sorted(paths, key=lambda path: (-sizes[path], path)):
        emptiest = filled.index(min(filled))
        parts[emptiest].append(path)
        filled[emptiest] += sizes[path]
    return SparkCorpus(storage, tuple(map(tuple, parts)))


def train_on_spark(
    spark: SparkSession,
    corpus: SparkCorpus,
    vocabulary: Vocabulary,
    options: TrainingOptions,
    *,
    start: Warm | None = None,
    told: Told | None = None,
) -> Trained:
    """Trains vectors on Spark; arguments as those of `trainer.train`.

    Raises:
        Unavailable: if Spark cannot finish an epoch.
    """
    trained = begun(vocabulary, options, start)
    folder = f"scratch/{uuid4().hex}"
    try:
        for epoch in range(options.epochs):
            write_arrays(corpus.storage, f"{folder}/model.npz", {"vectors": trained.vectors, "contexts": trained.contexts})
            kernel = _kernel(corpus, vocabulary, options, epoch, folder)
            parts = len(corpus.parts)
            manifests = collected(spark.range(0, parts, 1, parts).mapInArrow(kernel, MANIFEST_DDL))
            trained = _mean(corpus.storage, [found["path"] for found in manifests], trained)
            if told:
                told(epoch, trained)
    finally:
        corpus.storage.delete_tree(folder)
    return trained


def _kernel(
    corpus: SparkCorpus, vocabulary: Vocabulary, options: TrainingOptions, epoch: int, folder: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def walk(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for part in batch.column(0).to_pylist():
                own = corpus.read(part, vocabulary)
                arrays = read_arrays(corpus.storage, f"{folder}/model.npz")
                trained = Trained(vocabulary, arrays["vectors"], arrays["contexts"])
                sampler = sampler_of(vocabulary, options, own)
                train_epoch(own, sampler, trained, options, epoch, part + 1)
                path = f"{folder}/{epoch}-{part}.npz"
                seen = np.bincount(own.items, minlength=len(vocabulary.ids))
                write_arrays(corpus.storage, path, {"vectors": trained.vectors, "contexts": trained.contexts, "seen": seen})
                yield pa.RecordBatch.from_pydict({"manifest": [json.dumps({"path": path})]})

    return walk


def _mean(storage: Storage, paths: Sequence[str], before: Trained) -> Trained:
    """The mean of what partitions learned; one partition at a time is in memory."""
    sums, weights = np.zeros(before.vectors.shape), np.zeros(len(before.vectors))
    contexts, tokens = np.zeros(before.contexts.shape), 0
    for path in sorted(paths):
        found = read_arrays(storage, path)
        sums += found["vectors"] * found["seen"][:, None]
        weights += found["seen"]
        # Contexts move in every partition, as negatives: what counts is how much each partition has walked.
        contexts += found["contexts"] * found["seen"].sum()
        tokens += int(found["seen"].sum())
    met = weights > 0
    vectors = before.vectors.copy()
    vectors[met] = (sums[met] / weights[met, None]).astype(np.float32)
    return Trained(before.vocabulary, vectors, (contexts / max(1, tokens)).astype(np.float32))
