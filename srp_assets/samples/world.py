"""The sample world: a content platform with two products, whose every row is a function of the seed and the row's number.

`ProductWorld.users/posts/comments` give any rows, in any order, as arrays: what the rows hold, what is planted into them and what befalls
them on their way into the warehouse (`dirt.py`). Batches are made of these arrays, and so is the truth; neither knows the other.

Users open accounts from the first day on, a third of them in the first month. Posts are spread evenly over the months after it; comments
follow their post and replies their comment within days. Comments per post and posts per user obey power laws.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from srp_assets.errors import InvalidInput
from srp_assets.samples.dirt import MOVE_DAYS, Fate, fates
from srp_assets.samples.draws import Draws, Flags, Ids, Reals
from srp_assets.samples.plants import COMMENT_SCENARIOS, POST_LURES, POST_TOPICS, USER_SCENARIOS, weights
from srp_assets.samples.vocabulary import CITIES, TAGS

SMALLEST = 1_000
"""With fewer rows some planted things would not occur at all."""

SHARE_OF_PRODUCT = {"aurora": 0.6, "lotus": 0.4}
SHARE_OF_USERS, SHARE_OF_POSTS, SHARE_OF_COMMENTS = 0.1, 0.2, 0.5  # of a product's rows; the rest are replies

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000  # microseconds
FIRST_MONTH = 31 * DAY
MONTH = 30 * DAY

NULL = -1
"""Stands for null in arrays of whole numbers."""


@dataclass(frozen=True)
class Users:
    """Rows of users, one array for each column; see `Posts` for what is said there."""

    ids: Ids
    fate: Ids
    created_at: Ids
    updated_at: Ids
    age_group: Ids
    city: Ids
    follower_count: Ids
    scenario: Ids
    without_bio: Flags


@dataclass(frozen=True)
class Posts:
    """Rows of posts, one array for each column.

    Times are microseconds since 1970; enums are places in the tuples of `vocabulary.py`; flags are 0 or 1; -1 is null everywhere, and NaN
    in `scores`, which has a column for each name of `SCORES`; `tags` has up to three places in `TAGS`, -1 after the last.
    """

    ids: Ids
    fate: Ids
    user_id: Ids
    created_at: Ids
    updated_at: Ids
    hidden: Ids
    view_count: Ids
    like_count: Ids
    scores: Reals
    without_scores: Flags
    tags: Ids
    without_tags: Flags
    is_promoted: Ids
    risk_level: Ids
    city: Ids
    device: Ids
    topic: Ids
    lure: Ids


@dataclass(frozen=True)
class Comments:
    """Rows of comments and replies (`parent_id` is -1 for a comment); `thread` is the comment that a reply hangs under, or itself."""

    ids: Ids
    fate: Ids
    post_id: Ids
    parent_id: Ids
    sibling_id: Ids
    thread: Ids
    user_id: Ids
    created_at: Ids
    updated_at: Ids
    hidden: Ids
    like_count: Ids
    city: Ids
    device: Ids
    scenario: Ids


SCORES = ("adult", "quality", "spam")


class ProductWorld:
    """One product of a world. Ids count from 1 in every product; comments come before replies."""

    def __init__(self, product: str, rows: int, seed: int, months: int) -> None:
        self.product = product
        self.seed = seed
        self.users_count = max(10, int(rows * SHARE_OF_USERS))
        self.posts_count = max(20, int(rows * SHARE_OF_POSTS))
        self.top_comments_count = max(50, int(rows * SHARE_OF_COMMENTS))
        self.comments_count = self.top_comments_count + max(20, rows - self.users_count - self.posts_count - self.top_comments_count)
        self._first = int(START.timestamp()) * 1_000_000
        self._posting = months * MONTH

    def draws(self, entity: str) -> Draws:
        """The chance of one entity."""
        return Draws(self.seed, self.product, entity)

    def count(self, entity: str) -> int:
        """How many rows of an entity there are."""
        return {"user": self.users_count, "post": self.posts_count, "comment": self.comments_count}[entity]

    def fate(self, entity: str, ids: Ids) -> Ids:
        """What befalls rows of an entity: a `Fate` each."""
        return fates(self.draws(entity), ids, may_hide=entity != "user")

    @cached_property
    def posts_from(self) -> int:
        """When the first post may be published."""
        return self._first + FIRST_MONTH

    def users(self, ids: Ids, *, replaced: bool = False) -> Users:
        """Rows of users; `replaced` gives the version before the newest."""
        draws, version = self.draws("user"), "old" if replaced else "new"
        fate = self.fate("user", ids)
        part = (ids - 1 + draws.uniform("created", ids)) / self.users_count
        created_at = self._first + np.where(
            part < 1 / 3, part * 3 * FIRST_MONTH, FIRST_MONTH + (part - 1 / 3) * 1.5 * self._posting
        ).astype(np.int64)
        created_at, updated_at = self._versioned(draws, ids, fate, created_at, replaced=replaced)
        scenario = draws.choice(f"{version}/scenario", ids, weights(USER_SCENARIOS, replaced=replaced))
        return Users(
            ids=ids,
            fate=fate,
            created_at=created_at,
            updated_at=updated_at,
            age_group=_or_null(draws, "age", ids, draws.choice("age_group", ids, np.array([2.0, 4.0, 3.0, 1.0])), 0.04),
            city=_or_null(draws, "city", ids, draws.below("city", ids, len(CITIES[self.product])), 0.05),
            follower_count=_heavy_tail(draws, f"{version}/followers", ids, 8),
            scenario=scenario,
            without_bio=draws.chance("without bio", ids, 0.3) & (scenario == 0),
        )

    def posts(self, ids: Ids, *, replaced: bool = False) -> Posts:
        """Rows of posts; `replaced` gives the version before the newest."""
        draws, version = self.draws("post"), "old" if replaced else "new"
        fate = self.fate("post", ids)
        original = self._post_time(ids)
        created_at, updated_at = self._versioned(draws, ids, fate, original, replaced=replaced)
        view_count = _heavy_tail(draws, f"{version}/views", ids, 20)
        scores = np.stack([draws.uniform(f"{version}/score {name}", ids) ** 3 for name in SCORES], axis=1)
        for place, present in enumerate((0.3, 0.7, 0.9)):
            scores[~draws.chance(f"{version}/has score {place}", ids, present), place] = np.nan
        tags = np.stack([draws.below(f"tag {place}", ids, len(TAGS[self.product])) for place in range(3)], axis=1)
        tags[np.arange(3) >= draws.below("tags", ids, 4)[:, None]] = NULL
        return Posts(
            ids=ids,
            fate=fate,
            user_id=self._author(draws, ids, original),
            created_at=created_at,
            updated_at=updated_at,
            hidden=_hidden(draws, ids, fate, replaced=replaced),
            view_count=_or_null(draws, "views", ids, view_count, 0.01),
            like_count=_or_null(draws, "likes", ids, (view_count * draws.uniform(f"{version}/likes", ids) * 0.2).astype(np.int64), 0.02),
            scores=scores,
            without_scores=draws.chance("without scores", ids, 0.03),
            tags=tags,
            without_tags=draws.chance("without tags", ids, 0.05),
            is_promoted=_or_null(draws, "promoted", ids, draws.chance("promoted", ids, 0.08).astype(np.int64), 0.04),
            risk_level=_or_null(draws, "risk", ids, draws.choice(f"{version}/risk", ids, np.array([8.0, 2.0, 1.0])), 0.1),
            city=_or_null(draws, "city", ids, draws.below("city", ids, len(CITIES[self.product])), 0.05),
            device=_or_null(draws, "device", ids, draws.choice("device", ids, np.array([6.0, 2.0, 3.0, 0.5])), 0.03),
            topic=draws.choice(f"{version}/topic", ids, weights(POST_TOPICS, replaced=replaced)),
            lure=draws.choice(f"{version}/lure", ids, weights(POST_LURES, replaced=replaced)),
        )

    def comments(self, ids: Ids, *, replaced: bool = False) -> Comments:
        """Rows of comments and replies; `replaced` gives the version before the newest."""
        draws, version = self.draws("comment"), "old" if replaced else "new"
        fate = self.fate("comment", ids)
        is_reply = ids > self.top_comments_count
        under = np.where(is_reply, self._replied_to(draws, ids), ids)
        answers_reply = under > self.top_comments_count
        thread = np.where(answers_reply, self._thread(draws, under), under)
        named_twice = is_reply & ~answers_reply & draws.chance("named twice", ids, 0.1)
        original = self._comment_time(draws, ids, under, thread)
        created_at, updated_at = self._versioned(draws, ids, fate, original, replaced=replaced)
        return Comments(
            ids=ids,
            fate=fate,
            post_id=self._post_of(draws, thread),
            parent_id=np.where(is_reply, under, NULL),
            sibling_id=np.where(answers_reply | named_twice, thread, NULL),
            thread=thread,
            user_id=self._author(draws, ids, original),
            created_at=created_at,
            updated_at=updated_at,
            hidden=_hidden(draws, ids, fate, replaced=replaced),
            like_count=_or_null(draws, "likes", ids, _heavy_tail(draws, f"{version}/likes", ids, 1), 0.02),
            city=_or_null(draws, "city", ids, draws.below("city", ids, len(CITIES[self.product])), 0.05),
            device=_or_null(draws, "device", ids, draws.choice("device", ids, np.array([6.0, 2.0, 3.0, 0.5])), 0.03),
            scenario=draws.choice(f"{version}/scenario", ids, weights(COMMENT_SCENARIOS, replaced=replaced)),
        )

    def _post_time(self, ids: Ids) -> Ids:
        part = (ids - 1 + self.draws("post").uniform("created", ids)) / self.posts_count
        return self.posts_from + (part * self._posting).astype(np.int64)

    def _post_of(self, draws: Draws, comments: Ids) -> Ids:
        rank = draws.power_law("post", comments, self.posts_count, exponent=3)
        return 1 + _shuffled(rank, self.posts_count)

    def _replied_to(self, draws: Draws, replies: Ids) -> Ids:
        """What a reply answers: mostly a comment, else a reply that itself answers a comment."""
        comment = 1 + _shuffled(draws.power_law("comment", replies, self.top_comments_count, exponent=2), self.top_comments_count)
        other = 1 + self.top_comments_count + draws.below("reply", replies, self.comments_count - self.top_comments_count)
        answers_reply = draws.chance("answers reply", replies, 0.3) & ~draws.chance("answers reply", other, 0.3)
        return np.where(answers_reply, other, comment)

    def _thread(self, draws: Draws, direct_replies: Ids) -> Ids:
        return 1 + _shuffled(draws.power_law("comment", direct_replies, self.top_comments_count, exponent=2), self.top_comments_count)

    def _comment_time(self, draws: Draws, ids: Ids, under: Ids, thread: Ids) -> Ids:
        """A comment waits for days after its post, a reply for hours after what it answers."""
        after_post = draws.exponential("wait", thread, 2 * DAY, 14 * DAY)
        after_thread = np.where(under != thread, draws.exponential("wait", under, DAY / 2, 5 * DAY), 0)
        after_that = np.where(ids != under, draws.exponential("wait", ids, DAY / 2, 5 * DAY), 0)
        return self._post_time(self._post_of(draws, thread)) + (after_post + after_thread + after_that).astype(np.int64)

    def _author(self, draws: Draws, ids: Ids, at: Ids) -> Ids:
        """Somebody who has an account by then; the first users write most."""
        part = np.minimum(1 / 3 + (at - self.posts_from) / (1.5 * self._posting), 1.0)
        existing = np.maximum((part * self.users_count).astype(np.int64), 1)
        return 1 + draws.power_law("author", ids, existing, exponent=2)

    def _versioned(self, draws: Draws, ids: Ids, fate: Ids, original: Ids, *, replaced: bool) -> tuple[Ids, Ids]:
        """(publish time, time of the last change) of the newest version, or of the one before."""
        changed_at = original + 20 * DAY + (draws.uniform("changed", ids) * 5 * DAY).astype(np.int64)
        if replaced:
            back = original - MOVE_DAYS * DAY
            moved_from = np.where(back >= self.posts_from, back, original + MOVE_DAYS * DAY)
            return np.where(fate == Fate.MOVED, moved_from, original), changed_at - 10 * DAY
        touched = draws.chance("touched", ids, 0.15)
        return original, np.where((fate >= Fate.UPDATED) | touched, changed_at, original)


class World:
    """A sample world.

    Args:
        rows: how many rows all entities of both products have together, their repeated, replaced and broken rows not counted.
        seed: another seed gives another world.
        months: over how many months posts are published, after a first month in which only accounts are opened.
    """

    def __init__(self, rows: int, seed: int = 1, months: int = 5) -> None:
        if rows < SMALLEST:
            raise InvalidInput(f"a sample world cannot have {rows} rows", remedy=f"ask for {SMALLEST} or more")
        if months < 1:
            raise InvalidInput(f"a sample world cannot last {months} months", remedy="ask for 1 or more")
        self.rows = rows
        self.seed = seed
        self.months = months
        self.products = {name: ProductWorld(name, int(rows * share), seed, months) for name, share in SHARE_OF_PRODUCT.items()}


def _or_null(draws: Draws, name: str, ids: Ids, values: Ids, probability: float) -> Ids:
    return np.where(draws.chance(f"no {name}", ids, probability), NULL, values)


def _heavy_tail(draws: Draws, name: str, ids: Ids, scale: int) -> Ids:
    """Whole numbers whose tail falls off like x ** -1.5, at most a million times the scale."""
    return (scale * ((1 - draws.uniform(name, ids)) ** (-1 / 1.5) - 1)).clip(max=scale * 1e6).astype(np.int64)


def _hidden(draws: Draws, ids: Ids, fate: Ids, *, replaced: bool) -> Ids:
    usual = _or_null(draws, "hidden", ids, draws.chance("hidden", ids, 0.04).astype(np.int64), 0.06)
    return np.where(fate == Fate.HIDDEN_AGAIN, 0 if replaced else 1, usual)


def _shuffled(ranks: Ids, count: int) -> Ids:
    """The same ranks spread over [0, count) one to one, so that frequent ones are not neighbours."""
    step = next(step for step in range(int(count * 0.618) | 1, count * 2 + 3) if np.gcd(step, count) == 1)
    return ranks * step % count
