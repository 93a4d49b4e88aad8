"""The scanner and the reference on real word lists over real texts: all words of the lists, logical ones among them."""

import csv
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.syntax import Rule, WordError, parse, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

TEXTS = 500

Texts = list[tuple[str | None, ...]]
"""The parts of each row's text."""


def weibo_comments(shared_data: Path) -> Texts:
    with (shared_data / "swsr" / "SexComment.csv").open(encoding="utf-8-sig", newline="") as file:
        return [(row["comment_text"],) for row in islice(csv.DictReader(file), TEXTS)]


def exchange_comments(shared_data: Path) -> Texts:
    rows = ElementTree.parse(shared_data / "stackexchange" / "french.meta" / "Comments.xml").getroot()
    return [(row.get("Text"),) for row in islice(rows, TEXTS)]


def exchange_posts(shared_data: Path) -> Texts:
    rows = ElementTree.parse(shared_data / "stackexchange" / "quantumcomputing" / "Posts.xml").getroot()
    return [(row.get("Title"), row.get("Body")) for row in islice(rows, TEXTS // 4)]


def plain_words(path: Path) -> list[str]:
    """The lines of a list, operators escaped."""
    lines = dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return ["".join(f"\\{character}" if character in "&~|\\" else character for character in line) for line in lines]


def alternatives(path: Path) -> list[str]:
    """The words of a list that writes them with our operator for alternatives."""
    return [entry["match"] for entry in json.loads(path.read_text(encoding="utf-8"))]


def rule(word: str, fold: Fold) -> Rule | None:
    """What a word asks; None if it cannot be read, or the transforms empty it."""
    try:
        return rule_of(parse(word), fold)
    except WordError:
        return None


@pytest.mark.parametrize(
    ("texts", "lists"),
    [
        (weibo_comments, [("sexhatelex_zh/SexHateLex.txt", ()), ("fwwdn_zh/广告.txt", ("simplify", "delete", "normalize"))]),
        (weibo_comments, [("ldnoobw/zh", ("pinyin",)), ("ldnoobw/zh", ("pinyin_char",)), ("ldnoobw/zh", ("simplify",))]),
        (weibo_comments, [("dsojevic_profanity/emoji.json", ()), ("dsojevic_profanity/emoji.json", ("emoji",)), ("ldnoobw/en", ())]),
        (exchange_comments, [("ldnoobw/fr", ("normalize",)), ("ldnoobw/es", ("normalize", "delete")), ("ldnoobw/de", ())]),
        (exchange_comments, [("better_profanity/profanity_wordlist.txt", ()), ("dsojevic_profanity/en.json", ())]),
        (exchange_posts, [("dsojevic_profanity/en.json", ("delete",)), ("ldnoobw/en", ())]),
    ],
)
def test_scanner_and_reference_agree(shared_data: Path, texts: Callable[[Path], Texts], lists: list[tuple[str, tuple[str, ...]]]) -> None:
    rows = texts(shared_data)
    resolved, expected = [], []
    for number, (name, transforms) in enumerate(lists):
        fold = fold_of(transforms, case_sensitive=False)
        path = shared_data / "word_lists" / name
        written = alternatives(path) if path.suffix == ".json" else plain_words(path)
        rules = {word: found for word in written if (found := rule(word, fold)) is not None}
        resolved.append(ResolvedList(id=name, version=1, words=tuple(rules), transforms=transforms))
        # As `reference.words_hit` says, with each word read and each text transformed once.
        folded = [[fold(part) for part in row if part is not None] for row in rows]
        expected += [
            (row, number, word)
            for row, parts in enumerate(folded)
            for word, asked in enumerate(rules.values())
            if reference.rule_hits(asked, parts)
        ]
    hits = scanner.compile(resolved).scan_parts([pa.array(part, pa.string()) for part in zip(*rows, strict=True)])
    assert list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True)) == sorted(expected)
    assert expected
