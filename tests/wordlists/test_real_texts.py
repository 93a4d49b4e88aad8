"""The scanner and the reference on real word lists over real texts."""

import csv
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from srp_assets.wordlists import reference, scanner
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.syntax import WordError, parse, rule_of
from srp_assets.wordlists.transforms import fold_of

TEXTS = 250
WORDS = 150


def weibo_comments(shared_data: Path) -> list[str | None]:
    with (shared_data / "swsr" / "SexComment.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row["comment_text"] for row in islice(csv.DictReader(file), TEXTS)]


def exchange_comments(shared_data: Path) -> list[str | None]:
    rows = ElementTree.parse(shared_data / "stackexchange" / "french.meta" / "Comments.xml").getroot()
    return [row.get("Text") for row in islice(rows, TEXTS)]


def real_list(path: Path, *transforms: str) -> ResolvedList:
    """A list's first words, operators escaped, without those that the transforms empty."""
    fold = fold_of(transforms, case_sensitive=False)
    lines = dict.fromkeys(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    words = ["".join(f"\\{character}" if character in "&~|\\" else character for character in line) for line in lines]
    return ResolvedList(id=path.name, version=1, words=tuple(islice((w for w in words if has_rule(w, fold)), WORDS)), transforms=transforms)


def has_rule(word: str, fold) -> bool:
    try:
        rule_of(parse(word), fold)
    except WordError:
        return False
    return True


@pytest.mark.parametrize(
    ("texts", "lists"),
    [
        (weibo_comments, [("sexhatelex_zh/SexHateLex.txt", ()), ("fwwdn_zh/广告.txt", ("simplify", "delete", "normalize"))]),
        (weibo_comments, [("ldnoobw/zh", ("pinyin",)), ("ldnoobw/zh", ("pinyin_char",))]),
        (exchange_comments, [("ldnoobw/fr", ("normalize",)), ("better_profanity/profanity_wordlist.txt", ())]),
    ],
)
def test_scanner_and_reference_agree(shared_data: Path, texts, lists: list[tuple[str, tuple[str, ...]]]) -> None:
    rows = texts(shared_data)
    resolved = [real_list(shared_data / "word_lists" / name, *transforms) for name, transforms in lists]
    hits = scanner.compile(resolved).scan(pa.array(rows))
    found = list(zip(hits.row.tolist(), hits.list.tolist(), hits.word.tolist(), strict=True))
    assert found == reference.scan(resolved, [[row] for row in rows])
    assert found
