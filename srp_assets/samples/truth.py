"""What each strategy of `examples/sample` must recall from a sample world: exactly these ids, from what was planted, by plain numpy.

Nothing here reads a text, a word list, a strategy file or a table. Each function says in its own words what its strategy asks for, over the
arrays of `world.py`; a changed strategy needs a changed function. Chunks keep memory flat: it grows with the recalled ids alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np

from srp_assets.samples.draws import Flags, Ids, Reals
from srp_assets.samples.plants import COMMENT_SCENARIOS, POST_LURES, POST_TOPICS, USER_SCENARIOS, hit_by
from srp_assets.samples.vocabulary import AGE_GROUPS, CITIES, DEVICES, RISKS, TAGS
from srp_assets.samples.world import NULL, SCORES, Comments, Posts, ProductWorld, Users, World

CHUNK_ROWS = 200_000
"""Rows looked at together; any other number gives the same ids."""

TITLE_BODY = ("title", "body")
ALL_TEXT = ("title", "body", "ocr_text", "asr_text")

Rows = TypeVar("Rows", Users, Posts, Comments)


def truth(world: World, chunk_rows: int = CHUNK_ROWS) -> dict[str, dict[str, Ids]]:
    """The recalled ids of every strategy, by strategy and product, each in ascending order without repetition."""
    found: dict[str, dict[str, list[Ids]]] = {
        strategy: {product: [] for product in _PRODUCTS.get(strategy, tuple(world.products))} for strategy in (*_OF_POSTS, *_OF_COMMENTS)
    }
    for product, part in world.products.items():
        for posts in (part.posts(ids) for ids in _chunks(part.posts_count, chunk_rows)):
            for strategy, recalled in _OF_POSTS.items():
                if product in found[strategy]:
                    found[strategy][product].append(np.unique(recalled(part, posts)))
        for comments in (part.comments(ids) for ids in _chunks(part.comments_count, chunk_rows)):
            for strategy, recalled_by in _OF_COMMENTS.items():
                if product in found[strategy]:
                    found[strategy][product].append(np.unique(recalled_by(part, comments)))
    return {
        strategy: {product: np.unique(np.concatenate(parts)) for product, parts in by_product.items()}
        for strategy, by_product in found.items()
    }


def _chunks(count: int, chunk_rows: int) -> Iterator[Ids]:
    for first in range(1, count + 1, chunk_rows):
        yield np.arange(first, min(first + chunk_rows, count + 1), dtype=np.int64)


def _kept(rows: Rows, keep: Flags) -> Rows:
    return replace(rows, **{column.name: getattr(rows, column.name)[keep] for column in fields(rows)})


def _visible(rows: Posts | Comments) -> Flags:
    return np.asarray(rows.hidden != 1)


def _is_comment(comments: Comments) -> Flags:
    return np.asarray(comments.parent_id == NULL)


def _is_reply(comments: Comments) -> Flags:
    return np.asarray(comments.parent_id != NULL)


def _post_hits(posts: Posts, parts: tuple[str, ...], word_list: str) -> Flags:
    return hit_by(POST_TOPICS, posts.topic, parts, word_list) | hit_by(POST_LURES, posts.lure, parts, word_list)


def _comment_hits(comments: Comments, word_list: str) -> Flags:
    return hit_by(COMMENT_SCENARIOS, comments.scenario, ("text",), word_list)


def _score(posts: Posts, name: str) -> Reals:
    return np.where(posts.without_scores, np.nan, posts.scores[:, SCORES.index(name)])


def _one_of(places: Ids, values: tuple[str, ...], chosen: tuple[str, ...]) -> Flags:
    return np.isin(places, [values.index(name) for name in chosen if name in values])


def _instant(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000


# ---- strategies over posts and their authors


def _fitness_posts(world: ProductWorld, posts: Posts) -> Ids:
    return posts.ids[_visible(posts) & _post_hits(posts, TITLE_BODY, "fitness")]


def _travel_posts(world: ProductWorld, posts: Posts) -> Ids:
    return posts.ids[_visible(posts) & _post_hits(posts, ALL_TEXT, "travel")]


def _cooking_posts(world: ProductWorld, posts: Posts) -> Ids:
    return posts.ids[_visible(posts) & (_post_hits(posts, ("title",), "cooking") | _post_hits(posts, ("body",), "cooking"))]


def _promoted_at_risk(world: ProductWorld, posts: Posts) -> Ids:
    tagged = ~posts.without_tags & _one_of(posts.tags, TAGS[world.product], ("review", "video", "点评", "视频")).any(axis=1)
    in_spring = (posts.created_at >= _instant(2024, 2, 10)) & (posts.created_at <= _instant(2024, 5, 31))
    risky = _one_of(posts.risk_level, RISKS, ("medium", "high")) | (_score(posts, "spam") >= 0.5)
    on_phone = posts.device == DEVICES.index("phone")
    return posts.ids[_visible(posts) & (posts.is_promoted == 1) & tagged & in_spring & risky & ~on_phone]


def _brand_in_pictures(world: ProductWorld, posts: Posts) -> Ids:
    return posts.ids[_post_hits(posts, ("ocr_text",), "brand") & (posts.view_count >= 20)]


def _contact_in_media(world: ProductWorld, posts: Posts) -> Ids:
    return posts.ids[_visible(posts) & _post_hits(posts, ("ocr_text", "asr_text"), "contact")]


def _travel_from_cities(world: ProductWorld, posts: Posts) -> Ids:
    posts = _kept(posts, _visible(posts) & _post_hits(posts, TITLE_BODY, "travel"))
    authors = world.users(posts.user_id)
    return posts.ids[_one_of(authors.city, CITIES[world.product], ("Dublin", "Boston", "北京", "成都")) & (authors.follower_count >= 5)]


# ---- strategies over comments, replies, what they stand under, and their authors


def _praise_under_fitness(world: ProductWorld, comments: Comments) -> Ids:
    comments = _kept(comments, _visible(comments) & _is_comment(comments) & _comment_hits(comments, "praise"))
    posts = world.posts(comments.post_id)
    return comments.ids[_visible(posts) & _post_hits(posts, ("title",), "fitness")]


def _teens_under_homework(world: ProductWorld, comments: Comments) -> Ids:
    comments = _kept(comments, _visible(comments) & _is_comment(comments))
    posts = world.posts(comments.post_id)
    comments = _kept(comments, _visible(posts) & _post_hits(posts, TITLE_BODY, "homework"))
    return comments.ids[world.users(comments.user_id).age_group == AGE_GROUPS.index("teen")]


def _scam_replies(world: ProductWorld, comments: Comments) -> Ids:
    unliked = (comments.like_count != NULL) & (comments.like_count < 5)
    return comments.ids[_visible(comments) & _is_reply(comments) & _comment_hits(comments, "scam") & unliked]


def _scam_threads(world: ProductWorld, comments: Comments) -> Ids:
    lures = _comment_hits(comments, "scam") | _comment_hits(comments, "contact")
    threads = world.comments(comments.thread[_is_reply(comments) & lures])
    threads = _kept(threads, threads.like_count >= 1)
    posts = world.posts(threads.post_id)
    seldom_seen = (posts.view_count != NULL) & (posts.view_count < 5)
    return threads.ids[_visible(posts) & ~seldom_seen]


def _scam_authors(world: ProductWorld, comments: Comments) -> Ids:
    lures = _comment_hits(comments, "scam") | _comment_hits(comments, "contact")
    authors = world.users(np.unique(comments.user_id[_visible(comments) & _is_comment(comments) & lures]))
    local = _one_of(authors.city, CITIES[world.product], ("Perth", "Auckland", "昆明", "大连"))
    return authors.ids[(authors.follower_count < 10) & ~local]


def _tutors_who_answer(world: ProductWorld, comments: Comments) -> Ids:
    offers = _visible(comments) & _is_reply(comments) & _comment_hits(comments, "homework")
    authors = world.users(np.unique(comments.user_id[offers]))
    return authors.ids[hit_by(USER_SCENARIOS, authors.scenario, ("bio",), "tutor")]


def _answered_praise(world: ProductWorld, comments: Comments) -> Ids:
    replies = _kept(comments, _visible(comments) & _is_reply(comments) & ~(comments.like_count >= 1))
    threads = world.comments(replies.thread)
    return threads.ids[_visible(threads) & _comment_hits(threads, "praise")]


def _under_watched_posts(world: ProductWorld, comments: Comments) -> Ids:
    watched = np.isin(comments.post_id, (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144))
    return comments.ids[_visible(comments) & _is_comment(comments) & watched]


_PRODUCTS: dict[str, tuple[str, ...]] = {"scam-replies": ("lotus",)}
"""The strategies that do not run everywhere."""

_OF_POSTS: dict[str, Callable[[ProductWorld, Posts], Ids]] = {
    "fitness-posts": _fitness_posts,
    "travel-posts": _travel_posts,
    "cooking-posts": _cooking_posts,
    "promoted-at-risk": _promoted_at_risk,
    "contact-in-media": _contact_in_media,
    "brand-in-pictures": _brand_in_pictures,
    "travel-from-cities": _travel_from_cities,
}

_OF_COMMENTS: dict[str, Callable[[ProductWorld, Comments], Ids]] = {
    "praise-under-fitness": _praise_under_fitness,
    "teens-under-homework": _teens_under_homework,
    "scam-replies": _scam_replies,
    "scam-threads": _scam_threads,
    "scam-authors": _scam_authors,
    "tutors-who-answer": _tutors_who_answer,
    "answered-praise": _answered_praise,
    "under-watched-posts": _under_watched_posts,
}
