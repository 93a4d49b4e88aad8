"""The rows of a world as the record batches and files that land: what each ingest brings, in chunks of any size."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.samples.dirt import BROKEN_REASONS, broken_count, broken_lines, comes_again, newest_comes, replaced_comes
from srp_assets.samples.draws import Flags, Ids
from srp_assets.samples.plants import COMMENT_SCENARIOS, POST_LURES, POST_TOPICS, USER_SCENARIOS, Scenario, Slot, plants_in
from srp_assets.samples.texts import sentences
from srp_assets.samples.vocabulary import AGE_GROUPS, CITIES, DEVICES, NAME_FIRST, NAME_LAST, RISKS, TAGS
from srp_assets.samples.world import NULL, SCORES, Comments, Posts, ProductWorld, Users

ENTITIES = ("user", "post", "comment")
INGESTS = (1, 2)

CHUNK_ROWS = 50_000
"""Rows made at a time: some 100 MB of arrays. Any other number gives the same rows."""

WORDS = {"title": (4, 8), "body": (8, 30), "ocr_text": (4, 10), "asr_text": (6, 14), "text": (5, 16), "bio": (5, 12)}
ABSENT = {"title": 0.01, "body": 0.03, "ocr_text": 0.5, "asr_text": 0.6, "text": 0.01, "bio": 0.0}
"""The share of texts that are null where nothing is planted."""


def batches(world: ProductWorld, ingest: int, chunk_rows: int = CHUNK_ROWS) -> Iterator[tuple[str, pa.RecordBatch]]:
    """All good rows of an ingest (1 or 2) as (entity, rows), users first."""
    for entity in ENTITIES:
        for first in range(1, world.count(entity) + 1, chunk_rows):
            ids = np.arange(first, min(first + chunk_rows, world.count(entity) + 1), dtype=np.int64)
            fate = world.fate(entity, ids)
            for chosen, replaced in (
                (replaced_comes(fate, ingest), True),
                (newest_comes(fate, ingest), False),
                (comes_again(fate, ingest), False),
            ):
                if chosen.any():
                    yield entity, rows(world, entity, ids[chosen], replaced=replaced)


def rows(world: ProductWorld, entity: str, ids: Ids, *, replaced: bool = False) -> pa.RecordBatch:
    """Any rows of an entity, with the columns and types of the sample catalogue; `replaced` gives the version before the newest."""
    if entity == "user":
        columns = _user_columns(world, world.users(ids, replaced=replaced), replaced)
    elif entity == "post":
        columns = _post_columns(world, world.posts(ids, replaced=replaced), replaced)
    else:
        columns = _comment_columns(world, world.comments(ids, replaced=replaced), replaced)
    return pa.RecordBatch.from_pydict(columns)


def write_broken(world: ProductWorld, entity: str, path: Path) -> dict[str, int]:
    """Writes the broken rows of an entity as JSON Lines; returns how many there are of each reason to reject them.

    They are full of planted words, and their keys are nobody else's: if one got through, the tasks' counts would be wrong.
    """
    reasons = BROKEN_REASONS[entity]
    each = broken_count(world.count(entity))
    ids = 1 + np.arange(each * len(reasons), dtype=np.int64) % world.count(entity)
    good = [_json_row(row) for row in rows(world, entity, ids, replaced=True).to_pylist(maps_as_pydicts="strict")]
    for number, row in enumerate(good):
        row[f"{entity}_id"] = world.count(entity) + 1 + number
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in broken_lines(good, f"{entity}_id", reasons))
    return dict.fromkeys(reasons, each)


def _json_row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _user_columns(world: ProductWorld, users: Users, replaced: bool) -> dict[str, pa.Array]:
    draws = world.draws("user")
    first, last = NAME_FIRST[world.product], NAME_LAST[world.product]
    name = pc.binary_join_element_wise(
        _pick(first, draws.below("first name", users.ids, len(first))),
        _pick(last, draws.below("last name", users.ids, len(last))),
        pa.array(users.ids).cast(pa.string()),
        "_",
    )
    return {
        "user_id": pa.array(users.ids),
        "name": name,
        "bio": _text(world, "user", "bio", users.ids, [(USER_SCENARIOS, users.scenario)], replaced, users.without_bio),
        "age_group": _pick(AGE_GROUPS, users.age_group),
        "city": _pick(CITIES[world.product], users.city),
        "follower_count": _numbers(users.follower_count),
        "created_at": _times(users.created_at),
        "updated_at": _times(users.updated_at),
    }


def _post_columns(world: ProductWorld, posts: Posts, replaced: bool) -> dict[str, pa.Array]:
    scenarios = [(POST_TOPICS, posts.topic), (POST_LURES, posts.lure)]
    tags_present = posts.tags != NULL
    scores_present = ~np.isnan(posts.scores)
    cover = pc.binary_join_element_wise(f"https://media.example/{world.product}/", pa.array(posts.ids).cast(pa.string()), ".jpg", "")
    return {
        "post_id": pa.array(posts.ids),
        "user_id": pa.array(posts.user_id),
        **{name: _text(world, "post", name, posts.ids, scenarios, replaced) for name in ("title", "body", "ocr_text", "asr_text")},
        "tags": pa.ListArray.from_arrays(
            _offsets(tags_present), _pick(TAGS[world.product], posts.tags[tags_present]), mask=pa.array(posts.without_tags)
        ),
        "view_count": _numbers(posts.view_count),
        "like_count": _numbers(posts.like_count),
        "scores": pa.MapArray.from_arrays(
            _offsets(scores_present),
            _pick(SCORES, np.nonzero(scores_present)[1]),
            pa.array(posts.scores[scores_present]),
            mask=pa.array(posts.without_scores),
        ),
        "is_promoted": _flags(posts.is_promoted),
        "risk_level": _pick(RISKS, posts.risk_level),
        "city": _pick(CITIES[world.product], posts.city),
        "device": _pick(DEVICES, posts.device),
        "cover": pc.if_else(pa.array(world.draws("post").chance("cover", posts.ids, 0.8)), cover, pa.scalar(None, pa.string())),
        "hidden": _flags(posts.hidden),
        "created_at": _times(posts.created_at),
        "updated_at": _times(posts.updated_at),
    }


def _comment_columns(world: ProductWorld, comments: Comments, replaced: bool) -> dict[str, pa.Array]:
    return {
        "comment_id": pa.array(comments.ids),
        "post_id": pa.array(comments.post_id),
        "parent_id": _numbers(comments.parent_id),
        "sibling_id": _numbers(comments.sibling_id),
        "user_id": pa.array(comments.user_id),
        "text": _text(world, "comment", "text", comments.ids, [(COMMENT_SCENARIOS, comments.scenario)], replaced),
        "like_count": _numbers(comments.like_count),
        "city": _pick(CITIES[world.product], comments.city),
        "device": _pick(DEVICES, comments.device),
        "hidden": _flags(comments.hidden),
        "created_at": _times(comments.created_at),
        "updated_at": _times(comments.updated_at),
    }


def _text(
    world: ProductWorld,
    entity: str,
    name: str,
    ids: Ids,
    scenarios: list[tuple[tuple[Scenario, ...], Ids]],
    replaced: bool,
    absent: Flags | None = None,
) -> pa.Array:
    draws = world.draws(entity)
    plants: list[tuple[Ids, Slot]] = [found for kind, drawn in scenarios for found in plants_in(kind, drawn, name)]
    if absent is None:
        absent = draws.chance(f"no {name}", ids, ABSENT[name])
        for codes, _ in plants:
            absent = absent & (codes < 0)
    return sentences(draws, f"{name} {'old' if replaced else 'new'}", ids, world.product, WORDS[name], plants, absent)


def _pick(values: tuple[str, ...], places: Ids) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(places, mask=places == NULL))


def _numbers(values: Ids) -> pa.Array:
    return pa.array(values, mask=values == NULL)


def _flags(values: Ids) -> pa.Array:
    return pa.array(values == 1, mask=values == NULL)


def _times(values: Ids) -> pa.Array:
    return pa.array(values).cast(pa.timestamp("us", tz="UTC"))


def _offsets(present: Flags) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(present.sum(axis=1))]), pa.int32())
