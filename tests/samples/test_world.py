"""Worlds are a function of their seed, whatever the size of chunks; what they hold is coherent, uneven and dirty as declared."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from srp_assets.errors import InvalidInput
from srp_assets.samples.batches import ENTITIES, INGESTS, batches, rows, write_broken
from srp_assets.samples.dirt import BROKEN_REASONS, Fate
from srp_assets.samples.truth import truth
from srp_assets.samples.world import NULL, World
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.schema import entity_schema


def landed(world: World, product: str, ingest: int, chunk_rows: int) -> dict[str, Counter[str]]:
    """Every landed row as text, by entity, with how often it came."""
    found: dict[str, Counter[str]] = {entity: Counter() for entity in ENTITIES}
    for entity, batch in batches(world.products[product], ingest, chunk_rows):
        found[entity].update(map(repr, batch.to_pylist()))
    return found


@pytest.mark.parametrize("product", ["aurora", "lotus"])
@pytest.mark.parametrize("ingest", INGESTS)
def test_chunks_of_any_size_hold_the_same_rows(product: str, ingest: int) -> None:
    world = World(3_000, seed=3)
    assert landed(world, product, ingest, 50_000) == landed(world, product, ingest, 97)


def test_truth_does_not_depend_on_chunks_but_on_the_seed() -> None:
    def as_lists(found: dict) -> dict:
        return {name: {product: ids.tolist() for product, ids in by_product.items()} for name, by_product in found.items()}

    whole = as_lists(truth(World(3_000, seed=3)))
    assert as_lists(truth(World(3_000, seed=3), chunk_rows=101)) == whole
    other = as_lists(truth(World(3_000, seed=4)))
    assert any(whole[name]["lotus"] != other[name]["lotus"] for name in whole)


def test_another_seed_gives_another_world() -> None:
    first, second = (rows(World(1_000, seed=seed).products["aurora"], "post", np.arange(1, 50)) for seed in (1, 2))
    assert first["title"].to_pylist() != second["title"].to_pylist()
    assert first["created_at"].to_pylist() != second["created_at"].to_pylist()


@pytest.mark.parametrize("size", [1_000, 10_000, 123_457])
def test_a_world_has_about_the_rows_that_were_asked_for(size: int) -> None:
    total = sum(part.count(entity) for part in World(size).products.values() for entity in ENTITIES)
    assert size * 0.99 <= total <= size * 1.01


def test_a_world_of_a_hundred_million_rows_is_as_quick_to_enter_as_a_small_one() -> None:
    world = World(100_000_000).products["aurora"]
    last = np.arange(world.comments_count - 10, world.comments_count + 1)
    comments = world.comments(last)
    assert (comments.post_id >= 1).all()
    assert (comments.post_id <= world.posts_count).all()
    assert rows(world, "comment", last).num_rows == 11


@pytest.mark.parametrize("size", [999, 0, -5])
def test_too_small_a_world_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput, match="ask for 1000 or more"):
        World(size)


def test_batches_have_the_columns_and_types_of_the_catalogue(sample_catalogue: Catalogue) -> None:
    seen = set()
    for entity, batch in batches(World(1_000).products["lotus"], 1):
        seen.add(entity)
        declared = entity_schema(sample_catalogue.entities[entity])
        assert pa.schema([pa.field(field.name, field.type) for field in batch.schema]) == declared
    assert seen == set(ENTITIES)


def test_replies_hang_under_comments_of_their_post_after_them() -> None:
    world = World(20_000, seed=5).products["aurora"]
    all_ = world.comments(np.arange(1, world.comments_count + 1))
    reply = all_.parent_id != NULL
    parent = world.comments(all_.parent_id[reply])
    assert (parent.post_id == all_.post_id[reply]).all()
    assert (parent.created_at <= all_.created_at[reply]).all()
    answers_reply = parent.parent_id != NULL
    assert 0.1 < answers_reply.mean() < 0.4
    assert (all_.sibling_id[reply][answers_reply] == parent.parent_id[answers_reply]).all()
    assert (world.comments(all_.thread[reply]).parent_id == NULL).all()
    assert (world.posts(all_.post_id).created_at <= all_.created_at).all()


def test_writers_have_accounts_and_a_few_write_much() -> None:
    world = World(50_000, seed=6).products["aurora"]
    posts = world.posts(np.arange(1, world.posts_count + 1))
    comments = world.comments(np.arange(1, world.comments_count + 1))
    for written in (posts, comments):
        assert (world.users(written.user_id).created_at <= written.created_at).all()
    by_post = np.sort(np.bincount(comments.post_id, minlength=world.posts_count + 1)[1:])[::-1]
    by_user = np.sort(np.bincount(posts.user_id, minlength=world.users_count + 1)[1:])[::-1]
    for counts in (by_post, by_user):
        tenth = len(counts) // 10
        assert counts[:tenth].sum() > 0.25 * counts.sum()
        assert counts[0] > 8 * counts.mean()


def test_every_fate_comes_as_it_is_described() -> None:
    world = World(10_000, seed=7).products["lotus"]
    came = {ingest: Counter[int]() for ingest in INGESTS}
    for ingest in INGESTS:
        for entity, batch in batches(world, ingest):
            if entity == "post":
                came[ingest].update(batch["post_id"].to_pylist())
    ids = np.arange(1, world.posts_count + 1)
    posts, before = world.posts(ids), world.posts(ids, replaced=True)
    times = {fate: set() for fate in Fate}
    for id_, fate in zip(ids.tolist(), posts.fate.tolist(), strict=True):
        times[Fate(fate)].add((came[1][id_], came[2][id_]))
    assert times == {
        Fate.PLAIN: {(1, 0)},
        Fate.LATE: {(0, 1)},
        Fate.REPEATED: {(2, 0)},
        Fate.REPEATED_LATE: {(1, 1)},
        Fate.UPDATED: {(1, 1)},
        Fate.MOVED: {(1, 1)},
        Fate.HIDDEN_AGAIN: {(1, 1)},
        Fate.STALE: {(1, 1)},
    }
    versioned = posts.fate >= Fate.UPDATED
    assert (before.updated_at[versioned] < posts.updated_at[versioned]).all()
    moved = posts.fate == Fate.MOVED
    assert (before.created_at[moved].astype("M8[us]").astype("M8[M]") != posts.created_at[moved].astype("M8[us]").astype("M8[M]")).all()
    assert (before.created_at[~moved] == posts.created_at[~moved]).all()
    again = posts.fate == Fate.HIDDEN_AGAIN
    assert (before.hidden[again] == 0).all()
    assert (posts.hidden[again] == 1).all()


@pytest.mark.parametrize("entity", ENTITIES)
def test_broken_lines_are_as_many_as_said_and_have_keys_of_their_own(entity: str, tmp_path) -> None:
    world = World(10_000, seed=8).products["aurora"]
    counts = write_broken(world, entity, tmp_path / "broken.jsonl")
    lines = (tmp_path / "broken.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(counts) == set(BROKEN_REASONS[entity])
    assert len(lines) == sum(counts.values())
