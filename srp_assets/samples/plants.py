"""What is planted into the texts of the sample world, and which word lists of `examples/sample` it hits: the truth, by construction.

A *plant* is a phrase put between neutral words; beside phrases that hit there are near misses (one half of a logical word, a negated or an
exempt phrase). A *scenario* says which plants the texts of one row hold. Every row draws its scenarios by a weight.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from srp_assets.samples.draws import Flags, Ids

Slot = Literal["front half", "back half", "first", "last"]
"""Where in a text a plant stands. The rows' topics use the front half and their lures the back half, so that both fit into one text."""


@dataclass(frozen=True)
class Plant:
    """Phrases in the two languages, and the lists that a text with one of them hits.

    `half_of` names the list of which it is one half of a logical word: a composite feature that holds both halves hits.
    """

    aurora: tuple[str, ...]
    lotus: tuple[str, ...]
    hits: frozenset[str] = frozenset()
    half_of: str | None = None


def _plant(aurora: str, lotus: str, *hits: str, half_of: str | None = None) -> Plant:
    return Plant(tuple(aurora.split(" / ")), tuple(lotus.split(" / ")), frozenset(hits), half_of)


PLANTS: dict[str, Plant] = {
    "fitness": _plant("workout / Dumbbell / gym with a training plan", "健身 / 哑铃 / 跑步再训练", "fitness"),
    "fitness left": _plant("gym", "跑步", half_of="fitness"),
    "fitness right": _plant("training plan", "训练", half_of="fitness"),
    "fitness before seam": _plant("half", "马拉"),
    "fitness after seam": _plant("marathon", "松"),
    "travel": _plant("itinerary / Boarding Pass / passport by the window seat", "旅行 / 登机牌 / 护照靠窗", "travel"),
    "travel left": _plant("passport", "护照", half_of="travel"),
    "travel right": _plant("window seat", "靠窗", half_of="travel"),
    "cooking": _plant("recipe / sourdough / roast in marinade / GRILL and marinade", "食谱 / 酵母 / 炖过腌料 / 煎过腌料", "cooking"),
    "cooking left": _plant("roast / grill", "炖 / 煎", half_of="cooking"),
    "cooking right": _plant("marinade", "腌料", half_of="cooking"),
    "homework": _plant("essay for you / Homework with all answers / finalise my assignment", "代写 / 作业附答案 / 论文代笔", "homework"),
    "homework left": _plant("homework", "作业", half_of="homework"),
    "homework right": _plant("answers", "答案", half_of="homework"),
    "homework exempt": _plant("homework club answers", "作业互助答案"),
    "homework negated": _plant("solve my assignment as group assignment", "论文代笔互评"),
    "praise": _plant("love this / Brilliant / wow oh wow / so helpful", "太棒 / 超赞 / 给力 / 哇呀哇", "praise"),
    "praise negated": _plant("not brilliant / wow", "不给力 / 哇"),
    "scam": _plant(
        "guaranteed profit / Guaranteed*Profit / wire-transfer-fee / ｇｕａｒａｎｔｅｅｄ profit",
        "免费领取 / 免費領取 / 刷*单*返*利 / 刷單 返利",
        "scam",
    ),
    "scam near": _plant("guaranteed / transfer fee", "免费 / 返利"),
    "contact": _plant("message me on", "加微信 / 加薇信 / 佳卫欣", "contact"),
    "brand": _plant("AURA", "AURA", "brand"),
    "brand in small letters": _plant("Aura / aura", "Aura / aura"),
    "tutor": _plant("private tutor", "家教", "tutor"),
    "tutor near": _plant("private / tutored", "家"),
}
PLANT_NAMES = tuple(PLANTS)


@dataclass(frozen=True)
class Planted:
    """One plant in one text of a row."""

    text: str
    plant: str
    slot: Slot


@dataclass(frozen=True)
class Scenario:
    """What is planted into the texts of one row, drawn with `weight`."""

    weight: float
    planted: tuple[Planted, ...] = field(default=())

    def hits(self, parts: tuple[str, ...], word_list: str) -> bool:
        """Whether a feature made of these texts hits the list."""
        plants = [PLANTS[planted.plant] for planted in self.planted if planted.text in parts]
        halves = [plant for plant in plants if plant.half_of == word_list]
        return any(word_list in plant.hits for plant in plants) or len(halves) == 2


def _topic_scenarios(topic: str, weight: float) -> list[Scenario]:
    places = [Scenario(weight * share, (Planted(text, topic, "front half"),)) for text, share in _TOPIC_PLACES]
    return [
        *places,
        Scenario(weight * 0.1, (Planted("title", f"{topic} left", "front half"), Planted("body", f"{topic} right", "front half"))),
        Scenario(weight * 0.1, (Planted("title", f"{topic} left", "front half"),)),
    ]


_TOPIC_PLACES = (("title", 0.35), ("body", 0.25), ("ocr_text", 0.1), ("asr_text", 0.1))

POST_TOPICS: tuple[Scenario, ...] = (
    Scenario(0.75),
    *_topic_scenarios("fitness", 0.06),
    Scenario(0.01, (Planted("title", "fitness before seam", "last"), Planted("body", "fitness after seam", "first"))),
    *_topic_scenarios("travel", 0.06),
    *_topic_scenarios("cooking", 0.05),
    *_topic_scenarios("homework", 0.05),
    Scenario(0.01, (Planted("title", "homework exempt", "front half"),)),
    Scenario(0.01, (Planted("body", "homework negated", "front half"),)),
)
"""What a post is about. A topic with its halves apart hits in `title_body` alone; across the seam of two texts no plain word is found."""

POST_LURES: tuple[Scenario, ...] = (
    Scenario(0.93),
    Scenario(0.02, (Planted("ocr_text", "brand", "back half"),)),
    Scenario(0.01, (Planted("ocr_text", "brand in small letters", "back half"),)),
    Scenario(0.02, (Planted("body", "scam", "back half"),)),
    Scenario(0.01, (Planted("asr_text", "contact", "back half"),)),
    Scenario(0.01, (Planted("body", "scam near", "back half"),)),
)
"""What a post tries to sell."""

COMMENT_SCENARIOS: tuple[Scenario, ...] = (
    Scenario(0.78),
    Scenario(0.07, (Planted("text", "praise", "front half"),)),
    Scenario(0.02, (Planted("text", "praise negated", "front half"),)),
    Scenario(0.03, (Planted("text", "scam", "front half"),)),
    Scenario(0.01, (Planted("text", "scam near", "front half"),)),
    Scenario(0.02, (Planted("text", "contact", "front half"),)),
    Scenario(0.01, (Planted("text", "scam", "front half"), Planted("text", "contact", "back half"))),
    Scenario(0.02, (Planted("text", "homework", "front half"),)),
    Scenario(0.01, (Planted("text", "homework exempt", "front half"),)),
    Scenario(0.01, (Planted("text", "homework left", "front half"),)),
    Scenario(0.02, (Planted("text", "fitness", "front half"), Planted("text", "praise", "back half"))),
)
"""What a comment or a reply says."""

USER_SCENARIOS: tuple[Scenario, ...] = (
    Scenario(0.8),
    Scenario(0.15, (Planted("bio", "tutor", "front half"),)),
    Scenario(0.05, (Planted("bio", "tutor near", "front half"),)),
)
"""What users say about themselves."""


def weights(scenarios: tuple[Scenario, ...], *, replaced: bool) -> NDArray[np.float64]:
    """The weights of the scenarios.

    In versions that a later one replaces nearly everything is planted (`replaced`), so that whoever reads an old version gets wrong counts.
    """
    plain = np.array([scenario.weight for scenario in scenarios])
    if replaced:
        plain[0] = plain[1:].sum() / 4
    return plain


def hit_by(scenarios: tuple[Scenario, ...], drawn: Ids, parts: tuple[str, ...], word_list: str) -> Flags:
    """For every row whether its scenario makes a feature of these texts hit the list."""
    return np.array([scenario.hits(parts, word_list) for scenario in scenarios])[drawn]


def plants_in(scenarios: tuple[Scenario, ...], drawn: Ids, text: str) -> list[tuple[Ids, Slot]]:
    """What stands in one text of every row: for each slot in use the plant's place in `PLANT_NAMES`, or -1."""
    found: list[tuple[Ids, Slot]] = []
    slots = dict.fromkeys(planted.slot for scenario in scenarios for planted in scenario.planted if planted.text == text)
    for slot in slots:
        codes = [
            next((PLANT_NAMES.index(p.plant) for p in scenario.planted if p.text == text and p.slot == slot), -1) for scenario in scenarios
        ]
        found.append((np.array(codes, dtype=np.int64)[drawn], slot))
    return found
