"""The planted truth agrees with what the naive evaluator of word lists finds in the texts themselves."""

from itertools import product as pairs

import numpy as np
import pytest
import yaml

from srp_assets.samples.batches import rows
from srp_assets.samples.plants import COMMENT_SCENARIOS, PLANTS, POST_LURES, POST_TOPICS, USER_SCENARIOS, hit_by
from srp_assets.samples.vocabulary import LANGUAGES
from srp_assets.samples.world import World
from srp_assets.settings import PROJECT_ROOT
from srp_assets.wordlists import reference
from srp_assets.wordlists.checks import check_words
from srp_assets.wordlists.model import WordList, resolve
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.syntax import parse
from srp_assets.wordlists.transforms import fold_of

POST_FEATURES = [
    ("title",),
    ("body",),
    ("ocr_text",),
    ("asr_text",),
    ("title", "body"),
    ("title", "body", "ocr_text", "asr_text"),
]


@pytest.fixture(scope="module")
def word_lists() -> dict[str, ResolvedList]:
    text = (PROJECT_ROOT / "examples" / "sample" / "strategies" / "word_lists.yaml").read_text(encoding="utf-8")
    declared = [WordList.model_validate(document) for document in yaml.safe_load_all(text)]
    by_id = {word_list.id: word_list for word_list in declared}
    for word_list in declared:
        check_words(word_list)
    return {word_list.id: resolve(word_list, 1, by_id) for word_list in declared}


def hits(word_list: ResolvedList, table, parts) -> np.ndarray:
    columns = [table[part].to_pylist() for part in parts]
    return np.array([bool(reference.hits(word_list, texts)) for texts in zip(*columns, strict=True)])


@pytest.mark.parametrize("product", LANGUAGES)
def test_every_phrase_hits_its_lists_and_no_others(product: str, word_lists: dict[str, ResolvedList]) -> None:
    for name, plant in PLANTS.items():
        for phrase in getattr(plant, product):
            found = {id_ for id_, word_list in word_lists.items() if reference.hits(word_list, [phrase])}
            assert found - {"study-groups"} == plant.hits, f"{name}: {phrase}"


def segments_in(word_list: ResolvedList, text: str) -> set[str]:
    """The parts of words that stand in a text."""
    fold = fold_of(word_list.transforms, word_list.case_sensitive)
    folded = fold(text)
    return {segment for word in word_list.words for segment in parse(word).texts if fold(segment) in folded}


@pytest.mark.parametrize("product", LANGUAGES)
def test_neighbouring_words_make_no_part_of_a_listed_word(product: str, word_lists: dict[str, ResolvedList]) -> None:
    language = LANGUAGES[product]
    planted = [phrase for plant in PLANTS.values() for phrase in getattr(plant, product)]
    neutral = language.separator.join(first + language.separator + second for first, second in pairs(language.words, language.words))
    beside = language.separator.join(
        neighbours[0] + language.separator + neighbours[1] for pair in pairs(language.words, planted) for neighbours in (pair, pair[::-1])
    )
    for id_, word_list in word_lists.items():
        assert segments_in(word_list, neutral) == set(), id_
        assert segments_in(word_list, beside) == set().union(*(segments_in(word_list, phrase) for phrase in planted)), id_


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("product", LANGUAGES)
def test_planted_truth_equals_what_the_texts_hold(product: str, replaced: bool, word_lists: dict[str, ResolvedList]) -> None:
    world = World(2_000, seed=11).products[product]

    ids = np.arange(1, world.posts_count + 1)
    posts, table = world.posts(ids, replaced=replaced), rows(world, "post", ids, replaced=replaced)
    for parts in POST_FEATURES:
        for id_ in ("fitness", "travel", "cooking", "homework", "scam", "contact", "brand"):
            expected = hit_by(POST_TOPICS, posts.topic, parts, id_) | hit_by(POST_LURES, posts.lure, parts, id_)
            np.testing.assert_array_equal(hits(word_lists[id_], table, parts), expected, err_msg=f"{id_} in {parts}")
    assert hit_by(POST_TOPICS, posts.topic, ("title", "body"), "fitness").any()

    ids = np.arange(1, world.comments_count + 1)
    comments, table = world.comments(ids, replaced=replaced), rows(world, "comment", ids, replaced=replaced)
    for id_ in ("praise", "scam", "contact", "homework", "fitness"):
        expected = hit_by(COMMENT_SCENARIOS, comments.scenario, ("text",), id_)
        assert expected.any()
        np.testing.assert_array_equal(hits(word_lists[id_], table, ("text",)), expected, err_msg=id_)

    ids = np.arange(1, world.users_count + 1)
    users, table = world.users(ids, replaced=replaced), rows(world, "user", ids, replaced=replaced)
    expected = hit_by(USER_SCENARIOS, users.scenario, ("bio",), "tutor")
    assert expected.any()
    np.testing.assert_array_equal(hits(word_lists["tutor"], table, ("bio",)), expected)
