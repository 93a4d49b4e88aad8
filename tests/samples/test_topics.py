"""Texts with a planted topic: their truth is what was planted, and nothing else says a word of it."""

import pytest

from srp_assets.samples.topics import GAMBLING, topic_texts
from srp_assets.samples.vocabulary import CHINESE, ENGLISH


@pytest.mark.parametrize(("product", "neutral"), [("aurora", ENGLISH), ("lotus", CHINESE)])
def test_what_is_about_the_topic_holds_several_of_its_words(product: str, neutral: tuple[str, ...]) -> None:
    planted = topic_texts(product, 2_000, seed=1)
    topic = GAMBLING[product]
    assert not {word for word in neutral if word in topic.words or word in topic.other}
    for text, is_right in zip(planted.texts.to_pylist(), planted.is_right.tolist(), strict=True):
        held = {word for word in topic.words if word in text}
        assert len(held) >= 2 if is_right else held <= set(topic.ambiguous)
    assert 0.03 < planted.is_right.mean() < 0.07


def test_a_seed_gives_the_same_texts_and_another_one_others() -> None:
    assert topic_texts("lotus", 200, seed=4).texts.equals(topic_texts("lotus", 200, seed=4).texts)
    assert not topic_texts("lotus", 200, seed=4).texts.equals(topic_texts("lotus", 200, seed=5).texts)
