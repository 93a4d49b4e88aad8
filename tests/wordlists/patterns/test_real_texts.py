"""Patterns and similar words made of real word lists, over real texts: the scanner and the reference agree."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import regex

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ResolvedList

TEXTS = 200
WORDS = 40
SHORT = 150
"""Characters of a text: the reference compares similar texts cell by cell."""


def weibo_comments(shared_data: Path) -> list[str]:
    with (shared_data / "swsr" / "SexComment.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["comment_text"] for row in islice(csv.DictReader(file), TEXTS)]


def exchange_comments(shared_data: Path) -> list[str]:
    rows = ElementTree.parse(shared_data / "stackexchange" / "quantumcomputing" / "Comments.xml").getroot()
    return [row.get("Text", "")[:SHORT] for row in islice(rows, TEXTS)]


def words_of(path: Path) -> list[str]:
    lines = dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.isalnum()][:WORDS]


def spaced(word: str) -> str:
    return r"[\W_]*".join(map(regex.escape, word))


def frequent(texts: Sequence[str]) -> Iterator[str]:
    """Words that stand in the texts, so that there is something to be found."""
    seen = dict.fromkeys(word for text in texts for word in regex.findall(r"\p{L}{4,}", text))
    return islice(seen, 0, None, 7)


def agree(lists: Sequence[ResolvedList], texts: Sequence[str]) -> set[int]:
    hits = scanner.compile(lists).scan(pa.array(texts))
    found = list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True))
    assert found == reference.scan(lists, [[text] for text in texts])
    return set(hits.list.tolist())


def test_chinese(shared_data: Path) -> None:
    texts = weibo_comments(shared_data)
    words = words_of(shared_data / "word_lists" / "sexhatelex_zh" / "SexHateLex.txt")
    places = [regex.sub(r"\W", "", text)[:3] for text in texts if len(text) > 6]
    lists = [
        ResolvedList(id="spaced", version=1, type="regex", words=tuple(map(spaced, words)), transforms=("simplify",)),
        ResolvedList(
            id="near",
            version=1,
            type="regex",
            words=tuple(f"{a}.{{0,5}}{b}" for a, b in zip("女男不他我你她", "人的是们了也要", strict=True)),
        ),
        ResolvedList(id="chars", version=1, type="similar_char", words=("女,男", "人,的,权"), transforms=("normalize",)),
        ResolvedList(id="acrostic", version=1, type="acrostic", words=tuple(",".join(place) for place in places if len(place) > 1)),
        ResolvedList(
            id="similar",
            version=1,
            type="similar",
            threshold=0.5,
            words=tuple(islice((text[1:] + "吧" for text in texts if 3 < len(text) < 20), 10)),
        ),
    ]
    assert agree(lists, texts) >= {1, 2, 4}


def test_english(shared_data: Path) -> None:
    texts = exchange_comments(shared_data)
    words = [*words_of(shared_data / "word_lists" / "better_profanity" / "profanity_wordlist.txt"), *islice(frequent(texts), WORDS)]
    lists = [
        ResolvedList(id="spaced", version=1, type="regex", words=tuple(map(spaced, words)), transforms=("normalize",)),
        ResolvedList(
            id="rules",
            version=1,
            type="regex",
            words=(r"https?://\S+", r"@\w+", r"(\w)\1{2,}", r"\b(\w+) \1\b", r"\?\s*$", r"(?<!not )\bsure\b"),
        ),
        ResolvedList(id="chars", version=1, type="similar_char", words=("i,you,we", "can,could,am,have")),
        ResolvedList(id="acrostic", version=1, type="acrostic", words=("t,i,a", "w,t,q", "Y,c")),
        ResolvedList(
            id="similar", version=1, type="similar", threshold=0.6, words=tuple(islice((text[2:] for text in texts if len(text) < 60), 5))
        ),
    ]
    assert agree(lists, texts) == {0, 1, 2, 3, 4}
