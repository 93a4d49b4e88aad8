"""Training on Spark's partitions: about what one machine learns, from the same interface."""

import numpy as np
import pyarrow as pa

from resources.spark import open_session
from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.evaluation.ranks import ndcg_at, next_clicks, ranks_by_similarity
from srp_assets.embeddings.training.corpus import vocabulary_of
from srp_assets.embeddings.training.plan_training import partitioned, train_on_spark
from srp_assets.embeddings.training.trainer import begun, train
from srp_assets.embeddings.weekly.inputs import corpus_of_table
from srp_assets.samples.ranking.listings import ListingWorld
from srp_assets.settings import Settings
from srp_assets.warehouse.storage import Storage


def test_partitions_learn_about_what_one_machine_learns(storage: Storage, settings_with_spark: Settings) -> None:
    world = ListingWorld(items=160, sessions=3_000, markets=4)
    whole = world.sequences(world.block(0, world.sessions))
    trained_on, held_out = whole.slice(0, 2_700), whole.slice(2_700)
    paths = [f"parts/{number}.parquet" for number in range(3)]
    for number, path in enumerate(paths):
        storage.write(path, trained_on.slice(900 * number, 900))
    vocabulary = vocabulary_of(pa.chunked_array(trained_on["items"].combine_chunks().flatten()), 1, world.attributes)
    options = TrainingOptions(epochs=5, frequent_share=0, rate=0.05)
    corpus = partitioned(storage, paths, 2)
    assert sorted(map(len, corpus.parts)) == [1, 2]
    finished: list[int] = []
    spread = train_on_spark(open_session(settings_with_spark), corpus, vocabulary, options, told=lambda epoch, _: finished.append(epoch))
    assert finished == [0, 1, 2, 3, 4]
    assert not storage.folders("scratch")
    alone = train(corpus_of_table(vocabulary, trained_on), vocabulary, options)
    queries = next_clicks(corpus_of_table(vocabulary, held_out))
    nothing, one, many = (
        ndcg_at(ranks_by_similarity(found.vectors, queries), 20).mean() for found in (begun(vocabulary, options), alone, spread)
    )
    assert many > nothing + 0.5 * (one - nothing)
    assert one > 2 * nothing
    assert np.isfinite(spread.contexts).all()
