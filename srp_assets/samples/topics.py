"""Texts about a planted topic, with known truth: what word recommendation is measured on.

Whoever writes about the topic uses several of its words, some often, some seldom. Some of its words have another meaning too, and stand in
texts about another matter, which has words of its own; and anybody may use one of them in passing. So a list of some of the words finds
texts of which most are right, each beside words that the list lacks, and beside words that would be wrong.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from srp_assets.samples.vocabulary import CHINESE, ENGLISH

Words = tuple[str, ...]


def _phrases(text: str) -> Words:
    return tuple(phrase.strip() for phrase in text.split("/"))


@dataclass(frozen=True)
class Topic:
    """The words of a topic in one language, those of them that mean something else too, and the words of that other matter."""

    words: Words
    ambiguous: Words
    other: Words


GAMBLING = {
    "aurora": Topic(
        words=_phrases(
            "casino / roulette / jackpot / free spins / slot machine / poker / blackjack / baccarat / wager / betting odds / bookmaker / "
            "sportsbook / high roller / croupier / winning streak / payout / house edge / sure bet / all in / bonus code / cash out / "
            "dealer / chips / parlay / bankroll / double down / lottery / scratchcard / bingo / dice"
        ),
        ambiguous=_phrases("dealer / chips / dice / all in / payout"),
        other=_phrases("recipe book / frying pan / kitchen knife / oven / tablespoon / simmer / olive oil / chopped / crispy / seasoning"),
    ),
    "lotus": Topic(
        words=_phrases(
            "赌场 / 轮盘 / 老虎机 / 百家乐 / 下注 / 彩金 / 庄家 / 荷官 / 德州扑克 / 二十一点 / "
            "赔率 / 返水 / 开奖 / 六合彩 / 押大小 / 博彩 / 筹码 / 注码 / 滚球 / 上分 / "
            "包赢 / 稳赚 / 提款秒到 / 首存 / 洗码 / 电子游艺 / 捕鱼达人 / 骰子 / 中奖 / 买马"
        ),
        ambiguous=_phrases("筹码 / 骰子 / 中奖 / 上分 / 轮盘"),
        other=_phrases("桌游 / 棋盘 / 卡牌 / 回合 / 玩家 / 规则书 / 扩展包 / 聚会 / 骰塔 / 人偶"),
    ),
}
"""By product, in whose language its texts are."""

ABOUT_TOPIC, ABOUT_OTHER, IN_PASSING = 0.05, 0.015, 0.01
"""The shares of texts that are about the topic, about the other matter with ambiguous words, and that use an ambiguous word in passing."""

NEUTRAL_WORDS = (8, 24)
TOPIC_WORDS = (2, 6)
WORD_EXPONENT = 2.0


@dataclass(frozen=True, eq=False)
class TopicTexts:
    """Generated texts: `texts` (string), and whether each is about the topic."""

    texts: pa.Array
    is_right: NDArray[np.bool_]
    words: Words


def topic_texts(product: str, count: int, seed: int) -> TopicTexts:
    """Texts of which some are about the topic.

    Args:
        product: whose language they are in.
        count: how many.
        seed: another seed gives other texts.
    """
    random = np.random.default_rng(seed)
    topic = GAMBLING[product]
    neutral, separator = (ENGLISH, " ") if product == "aurora" else (CHINESE, "")
    kinds = random.choice(4, count, p=[1 - ABOUT_TOPIC - ABOUT_OTHER - IN_PASSING, ABOUT_TOPIC, ABOUT_OTHER, IN_PASSING])
    lengths = random.integers(*NEUTRAL_WORDS, size=count)
    drawn = (random.random(int(lengths.sum())) ** WORD_EXPONENT * len(neutral)).astype(np.int64)
    ends = np.cumsum(lengths)
    # Each seed has its own usual and seldom words.
    often = random.permutation(len(topic.words))
    weights = 1 / np.sqrt(1 + np.arange(len(topic.words)))
    texts = []
    for number in range(count):
        words = [neutral[place] for place in drawn[ends[number] - lengths[number] : ends[number]]]
        planted: list[str] = []
        if kinds[number] == 1:
            several = int(random.integers(*TOPIC_WORDS))
            chosen = random.choice(often, several, replace=False, p=weights / weights.sum())
            planted = [topic.words[place] for place in chosen]
        elif kinds[number] == 2:
            planted = [str(random.choice(topic.ambiguous)), *random.choice(topic.other, 3, replace=False).tolist()]
        elif kinds[number] == 3:
            planted = [str(random.choice(topic.ambiguous))]
        for word in planted:
            words.insert(int(random.integers(len(words) + 1)), word)
        texts.append(separator.join(words))
    return TopicTexts(pa.array(texts, pa.string()), kinds == 1, topic.words)
