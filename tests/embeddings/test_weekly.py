"""The pieces of a week: alignment, cold items, types, neighbours, the index, the picture; and the switch of versions."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.embeddings.declaration.options import TrainingOptions
from srp_assets.embeddings.evaluation.ranks import Vectors
from srp_assets.embeddings.registry import Version, current_version, record_version, switch, version_before, versions
from srp_assets.embeddings.training.cold import cold_vectors
from srp_assets.embeddings.training.corpus import Vocabulary
from srp_assets.embeddings.training.model_files import read_model, write_model
from srp_assets.embeddings.training.trainer import Trained, Warm, train
from srp_assets.embeddings.training.types import item_types, train_types, type_sequences
from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.embeddings.weekly.alignment import drift_of, turn_between
from srp_assets.embeddings.weekly.index import read_index, write_index
from srp_assets.embeddings.weekly.inputs import corpus_of_table, inputs_of_week
from srp_assets.embeddings.weekly.neighbours import neighbour_batches
from srp_assets.embeddings.weekly.picture import picture, projection
from srp_assets.errors import NotFound
from srp_assets.samples.ranking.listings import ListingWorld
from srp_assets.warehouse.storage import Storage
from support.listing_home import ListingHome


def drawn(rows: int, dimensions: int = 8, seed: int = 1) -> Vectors:
    return np.random.default_rng(seed).normal(size=(rows, dimensions)).astype(np.float32)


def some(rows: int, seed: int = 1) -> ItemVectors:
    return ItemVectors("w1", pa.array([f"i{row}" for row in range(rows)]), drawn(rows, seed=seed))


def test_alignment_undoes_a_turn() -> None:
    vectors = drawn(50)
    turn, _ = np.linalg.qr(drawn(8, seed=2).astype(np.float64))
    moved = (vectors @ turn).astype(np.float32)
    assert drift_of(moved, vectors).mean > 0.5
    found = turn_between(moved, vectors)
    np.testing.assert_allclose(found @ found.T, np.eye(8), atol=1e-9)
    assert drift_of((moved @ found).astype(np.float32), vectors).mean < 1e-6


def test_a_warm_start_keeps_weeks_comparable_and_alignment_does_so_without_one() -> None:
    world = ListingWorld(items=160, sessions=3_000, markets=4)
    weeks = [world.sequences(world.block(first, first + 1_500)) for first in (0, 1_500)]
    vocabulary = Vocabulary(world.ids(np.arange(160)), np.ones(160, np.int64), np.arange(160, dtype=np.int32) % 4)
    options = TrainingOptions(epochs=6, frequent_share=0)
    before = train(corpus_of_table(vocabulary, weeks[0]), vocabulary, options)
    warm = train(corpus_of_table(vocabulary, weeks[1]), vocabulary, options, start=Warm(vocabulary.ids, before.vectors, before.contexts))
    cold = train(corpus_of_table(vocabulary, weeks[1]), vocabulary, options.model_copy(update={"seed": 2}))
    aligned = cold.vectors @ turn_between(cold.vectors, before.vectors).astype(np.float32)
    assert drift_of(warm.vectors, before.vectors).mean < 0.2
    assert drift_of(cold.vectors, before.vectors).mean > 0.7
    assert drift_of(aligned, before.vectors).mean < 0.5 * drift_of(cold.vectors, before.vectors).mean


def test_cold_items_take_the_mean_of_their_nearest_neighbours() -> None:
    vocabulary = Vocabulary(pa.array(["a", "b", "c", "d"]), np.array([9, 8, 7, 6]), np.zeros(4, np.int32))
    trained = Trained(vocabulary, np.eye(4, 8, dtype=np.float32), np.zeros((4, 8), np.float32))
    attributes = pa.table(
        {
            "item_id": ["a", "b", "c", "d", "near", "priceless", "elsewhere", "odd", "blank"],
            "market": ["de", "de", "de", "fr", "de", "de", "jp", "de", None],
            "type": ["t", "t", "t", "t", "t", "t", "t", "u", None],
            "price": [1.0, 20.0, 30.0, 1.0, 25.0, None, 1.0, 1.0, 1.0],
        }
    )
    ids, vectors = cold_vectors(trained, attributes, (10.0, 22.0), 2)
    found = dict(zip(ids.to_pylist(), vectors.tolist(), strict=True))
    assert set(found) == {"near", "priceless", "elsewhere"}
    # The bucket of 25 is that of c; b lies one from it, a two.
    assert found["near"][:4] == [0, 0.5, 0.5, 0]
    assert found["priceless"][:4] == [0.5, 0.5, 0, 0]
    # No item of its market is known: those of its type and bucket elsewhere.
    assert found["elsewhere"][:4] == [0.5, 0, 0, 0.5]


def test_types_follow_from_buckets_and_lie_in_one_space(home: ListingHome) -> None:
    declared = home.places.declared
    attributes = pa.table({"item_id": ["a", "b"], "market": ["de", None], "type": ["t", "u"], "price": [3.0, None]})
    assert item_types(attributes, declared.items.price_bounds).to_pylist() == ["item|de|t|1", "item|?|u|-1"]
    sequences = pa.table(
        {
            "session_id": ["s2", "s1", "s3", "s4"],
            "user_id": ["u", "u", None, "v"],
            "start": pa.array([2, 1, 3, 4]),
            "bookings": [["b", "x"], ["a"], ["a"], []],
            "user_market": ["de", "fr", "de", "de"],
            "user_device": [None, "phone", "phone", "phone"],
        }
    )
    found = type_sequences(sequences, attributes, declared).to_pylist()
    first = ["user|fr|phone|0", "item|de|t|1", "user|de|?|1", "item|?|u|-1", "user|de|?|1", "item|?|?|-1"]
    assert found == [{"user_id": "u", "types": first}]
    trained = train_types(sequences, attributes, declared)
    assert trained is not None
    assert set(trained.vocabulary.ids.to_pylist()) == set(first)
    assert trained.vectors.shape == (5, declared.training.dimensions)
    assert train_types(sequences.slice(3), attributes, declared) is None


def test_neighbours_are_the_nearest_of_the_market() -> None:
    found = some(30)
    markets = pa.array([None if row == 7 else ("de", "fr")[row % 2] for row in range(30)])
    rows = [row for batch in neighbour_batches(found, markets, 4) for row in batch.to_pylist()]
    assert {row["version"] for row in rows} == {"w1"}
    assert Counter(row["item_id"] for row in rows) == {f"i{row}": 4 for row in range(30) if row != 7}
    for row in rows:
        item, other = int(row["item_id"][1:]), int(row["neighbour_id"][1:])
        assert row["similarity"] == pytest.approx(float(found.directions[item] @ found.directions[other]), abs=1e-6)
        assert row["market"] == markets[item].as_py() == markets[other].as_py()
        if row["place"] == 1:
            own = [one for one in range(30) if one != item and markets[one].as_py() == row["market"]]
            assert other == max(own, key=lambda one: found.directions[item] @ found.directions[one])


def test_the_index_finds_what_a_whole_search_finds(storage: Storage) -> None:
    found = some(3_000)
    assert write_index(storage, "versions/w1/index.faiss", found) > 0
    opened = read_index(storage, "versions/w1/index.faiss", found)
    asked = drawn(50, seed=9)
    names, similarities = opened.search(asked, 10)
    lengths = np.linalg.norm(asked, axis=1, keepdims=True)
    whole = (asked / lengths) @ found.directions.T
    best = [{f"i{row}" for row in np.argsort(-own)[:10]} for own in whole]
    assert np.mean([len(set(own) & expected) / 10 for own, expected in zip(names, best, strict=True)]) > 0.97
    assert similarities[0, 0] == pytest.approx(float(whole[0].max()), abs=1e-5)
    assert opened.version == "w1"


def test_a_picture_shows_items_whatever_markets_are_called() -> None:
    found = some(40)
    flat = projection(found)
    assert flat.shape == (40, 2)
    assert flat[:, 0].var() >= flat[:, 1].var() > 0
    assert picture(found, pa.array(["\x00<b>", None] * 20)).startswith("![items by market](data:image/svg+xml;base64,")
    assert projection(ItemVectors("w", pa.array(["a"]), drawn(1))).tolist() == [[0, 0]]


def test_a_model_comes_back_for_a_warm_start(storage: Storage) -> None:
    vocabulary = Vocabulary(pa.array(["a", "b"]), np.array([2, 1]), np.zeros(2, np.int32))
    write_model(storage, "m/model.parquet", Trained(vocabulary, drawn(2), drawn(2, seed=4)))
    found = read_model(storage, "m/model.parquet")
    assert found.ids.to_pylist() == ["a", "b"]
    np.testing.assert_array_equal(found.vectors, drawn(2))
    np.testing.assert_array_equal(found.contexts, drawn(2, seed=4))


def test_sessions_that_judge_are_the_same_every_week_and_never_trained_on(home: ListingHome) -> None:
    world = home.world
    block = world.block(0, 600)
    sequences = world.sequences(block).append_column("session_id", pa.array([f"u{number}@1" for number in block.numbers]))
    whole = inputs_of_week(sequences, world.attributes, home.places.declared)
    part = inputs_of_week(sequences.slice(0, 300), world.attributes, home.places.declared)
    judges = set(whole.held_out["session_id"].to_pylist())
    assert 0.02 < len(judges) / 600 < 0.09
    assert set(part.held_out["session_id"].to_pylist()) <= judges
    assert not judges & set(whole.trained_on["session_id"].to_pylist())
    assert len(judges) + whole.trained_on.num_rows == 600


FIRST = Version("sample-1", "sample", "2024-03-04", "versions/1", 10, 8, None, {"coverage": 1.0})


def test_the_newest_week_without_problems_is_current_and_older_ones_stay(engine: Engine) -> None:
    with engine.begin() as connection:
        assert current_version(connection, "sample") is None
        assert record_version(connection, FIRST).current
        second = replace(FIRST, version="sample-2", week="2024-03-11", base="sample-1")
        assert record_version(connection, second).current
        refused = replace(FIRST, version="sample-3", week="2024-03-18", problems=("too much drift",))
        assert not record_version(connection, refused).current
        late = replace(FIRST, version="sample-0", week="2024-02-26")
        assert not record_version(connection, late).current
    with engine.begin() as connection:
        current = current_version(connection, "sample")
        assert current is not None
        assert current.version == "sample-2"
        assert len(versions(connection, "sample")) == 4
        assert version_before(connection, "sample", "2024-03-25") == current
        assert switch(connection, "sample-1").current
        assert [found.version for found in versions(connection, "sample") if found.current] == ["sample-1"]
        with pytest.raises(NotFound, match="too much drift"):
            switch(connection, "sample-3")
        with pytest.raises(NotFound, match="there is no version"):
            switch(connection, "nothing")
