"""Three real Stack Exchange sites from their dumps to cases, compared with a brute-force reading of the XML that shares no code with it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from srp_assets.settings import PROJECT_ROOT, Settings
from tests.support.command_line import INCOMPLETE, ids_of, recalled, srp

pytestmark = pytest.mark.publishes_views

SITES = ("quantumcomputing", "french.meta", "conlang.meta")
EXAMPLE = PROJECT_ROOT / "examples" / "stackexchange"

Attributes = dict[str, str]


class Site:
    """One site's dump in dictionaries."""

    def __init__(self, folder: Path) -> None:
        self.posts = self._rows(folder / "Posts.xml")
        self.comments = self._rows(folder / "Comments.xml")
        self.users = {row["Id"]: row for row in self._rows(folder / "Users.xml")}
        self.questions = {row["Id"]: row for row in self.posts if row["PostTypeId"] == "1"}
        self.answers = {row["Id"]: row for row in self.posts if row["PostTypeId"] == "2"}
        self.open = {id_: row for id_, row in self.questions.items() if "ClosedDate" not in row}

    @staticmethod
    def _rows(path: Path) -> list[Attributes]:
        return [dict(row.attrib) for row in ElementTree.parse(path).getroot()]

    def root(self, comment: Attributes) -> Attributes | None:
        """The open question that a comment belongs to, directly or through an answer."""
        answer = self.answers.get(comment["PostId"])
        return self.open.get(answer["ParentId"] if answer else comment["PostId"])


def said(*texts: str | None) -> list[str]:
    return [text.lower() for text in texts if text is not None]


def holds(texts: list[str], *words: str) -> bool:
    """Whether one of the words stands in one of the texts."""
    return any(word in text for word in words for text in texts)


def homework_words(texts: list[str]) -> set[str]:
    """The words of the list that hit, also where an exemption silences them."""
    solved_exercise = holds(texts, "exercise", "assignment") and holds(texts, "solve", "solution", "answer")
    from_a_book = holds(texts, "textbook") and holds(texts, "problem")
    found = {
        "homework": holds(texts, "homework"),
        "exercise|assignment&solve|solution|answer": solved_exercise,
        "textbook&problem": from_a_book,
    }
    return {word for word, hits in found.items() if hits}


def is_homework(texts: list[str]) -> bool:
    return not holds(texts, "not homework") and bool(homework_words(texts))


def is_thanks(texts: list[str]) -> bool:
    if holds(texts, "thanks but", "merci mais", "please don't thank"):
        return False
    praise = holds(texts, "great", "good", "nice") and holds(texts, "answer") and not holds(texts, "not a good answer")
    return holds(texts, "thank", "merci") or praise


def is_closing(texts: list[str]) -> bool:
    plain = holds(texts, "duplicate", "off-topic", "too broad")
    unclear = holds(texts, "unclear") and not holds(texts, "not unclear")
    return plain or unclear or (holds(texts, "opinion") and holds(texts, "based"))


def is_dispute(texts: list[str]) -> bool:
    plain = holds(texts, "disagree", "incorrect", "misleading", "are you sure")
    wrong = holds(texts, "wrong") and not holds(texts, "not wrong")
    return plain or wrong or (holds(texts, "d'accord") and not holds(texts, "pas d'accord"))


def is_programming(texts: list[str]) -> bool:
    return holds(texts, "qiskit", "q#", "pyquil", "<code>") or (holds(texts, "code") and holds(texts, "python"))


def is_newcomer(user: Attributes) -> bool:
    return int(user["Reputation"]) < 50 and user["Id"] != "-1"


def time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def homework_questions(site: Site) -> Iterator[str]:
    for id_, question in site.open.items():
        if is_homework(said(question.get("Title"), question.get("Body"))):
            yield id_


def thanks_under_seen_questions(site: Site) -> Iterator[str]:
    for comment in site.comments:
        question = site.root(comment)
        if question and int(question["ViewCount"]) >= 100 and is_thanks(said(comment["Text"])) and int(comment["Score"]) < 1:
            yield comment["Id"]


def contested_questions(site: Site) -> Iterator[str]:
    for comment in site.comments:
        question = site.root(comment)
        if question and int(question["Score"]) > 0 and is_closing(said(comment["Text"])):
            yield question["Id"]


def disputed_answers(site: Site) -> Iterator[str]:
    for comment in site.comments:
        answer, question = site.answers.get(comment["PostId"]), site.root(comment)
        if (
            answer
            and question
            and int(answer["Score"]) >= 1
            and 1 <= int(question["AnswerCount"]) <= 5
            and is_dispute(said(comment["Text"]))
        ):
            yield answer["Id"]


def answers_with_code(site: Site) -> Iterator[str]:
    for answer in site.answers.values():
        question = site.open.get(answer["ParentId"])
        tags = set(question["Tags"].strip("<>").split("><")) if question else set()
        if tags & {"programming", "qiskit", "q#", "quantum-enhanced-machine-learning"} and is_programming(said(answer["Body"])):
            yield answer["Id"]


def newcomers_who_thank(site: Site) -> Iterator[str]:
    for comment in site.comments:
        user = site.users.get(comment.get("UserId", ""))
        if user and is_newcomer(user) and is_thanks(said(comment["Text"])):
            yield user["Id"]


def known_authors_on_algorithms(site: Site) -> Iterator[str]:
    for answer in site.answers.values():
        user = site.users.get(answer.get("OwnerUserId", ""))
        named = any(name in answer["Body"] for name in ("Shor", "Grover", "Deutsch"))
        if user and named and int(user["Reputation"]) >= 500 and time(answer["CreationDate"]) < datetime(2018, 8, 1, tzinfo=UTC):
            yield user["Id"]


def newcomers_questions(site: Site) -> Iterator[str]:
    for id_, question in site.open.items():
        user = site.users.get(question.get("OwnerUserId", ""))
        if user and is_newcomer(user) and (int(question["Score"]) <= 0 or int(question.get("FavoriteCount", 0)) < 1):
            yield id_


def closed_questions(site: Site) -> Iterator[str]:
    yield from site.questions.keys() - site.open.keys()


BRUTE_FORCE: dict[str, Callable[[Site], Iterator[str]]] = {
    "homework-questions": homework_questions,
    "thanks-under-seen-questions": thanks_under_seen_questions,
    "contested-questions": contested_questions,
    "disputed-answers": disputed_answers,
    "answers-with-code": answers_with_code,
    "newcomers-who-thank": newcomers_who_thank,
    "known-authors-on-algorithms": known_authors_on_algorithms,
    "newcomers-questions": newcomers_questions,
    "closed-questions": closed_questions,
}
ONE_SITE_ALONE = {"answers-with-code": ("quantumcomputing",)}


@pytest.fixture
def sites(shared_data: Path) -> dict[str, Site]:
    return {site: Site(shared_data / "stackexchange" / site) for site in SITES}


@pytest.fixture
def _stackexchange(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_CATALOGUE", str(EXAMPLE / "catalogue.yaml"))


@pytest.mark.usefixtures("_stackexchange")
@pytest.mark.timeout(900)
def test_strategies_over_real_sites_recall_what_brute_force_finds(sites: dict[str, Site], shared_data: Path) -> None:
    for name, site in sites.items():
        expect_everything_lands(name, site, shared_data)
    srp("apply", EXAMPLE / "strategies")
    srp("build")

    cases = recalled(list(BRUTE_FORCE))

    for strategy, brute_force in BRUTE_FORCE.items():
        expected = {name: set(brute_force(sites[name])) for name in ONE_SITE_ALONE.get(strategy, SITES)}
        assert ids_of(cases[strategy]) == {name: ids for name, ids in expected.items() if ids}, strategy
        assert cases[strategy], f"{strategy} finds nothing, which would prove nothing"
    expect_joined_comments(sites, cases["contested-questions"])
    expect_statistics(sites)


def expect_everything_lands(name: str, site: Site, shared_data: Path) -> None:
    wikis = len(site.posts) - len(site.questions) - len(site.answers)
    first = srp("ingest", "stackexchange", shared_data / "stackexchange" / name, "--product", name, code=INCOMPLETE)
    entities = {"post": len(site.questions), "answer": len(site.answers), "comment": len(site.comments), "user": len(site.users)}
    assert first == {"product": name, "landed": entities, "duplicates": 0, "pending": 0, "rejected": {"unknown post type": wikis}}
    again = srp("ingest", "stackexchange", shared_data / "stackexchange" / name, "--product", name, code=INCOMPLETE)
    assert again["landed"] == dict.fromkeys(entities, 0)
    assert again["duplicates"] == sum(entities.values())


def expect_joined_comments(sites: dict[str, Site], cases: list[dict[str, Any]]) -> None:
    """Every case names how many comments led to it and the first three of them."""
    led: dict[tuple[str, str], list[int]] = defaultdict(list)
    for name, site in sites.items():
        for comment in site.comments:
            question = site.root(comment)
            if question and int(question["Score"]) > 0 and is_closing(said(comment["Text"])):
                led[name, question["Id"]].append(int(comment["Id"]))
    for case in cases:
        keys = sorted(led[case["product"], case["id"]])
        assert case["joined"] == {"comment": {"rows": len(keys), "keys": [str(key) for key in keys[:3]]}}
        assert {hit["list"] for hit in case["hits"]} == {"closing"}
    assert max(Counter(map(len, led.values()))) > 1


def expect_statistics(sites: dict[str, Site]) -> None:
    """The statistics of the questions about homework are those of the XML."""
    tasks = {task["strategy"]: task["task_id"] for task in srp("tasks")["tasks"]}
    found = srp("statistics", tasks["homework-questions"])
    texts = {
        (name, id_): said(question.get("Title"), question.get("Body"))
        for name, site in sites.items()
        for id_, question in site.open.items()
    }
    cases = {row: sites[row[0]].open[row[1]] for row, of_row in texts.items() if is_homework(of_row)}
    assert found["cases"] == len(cases)
    assert names_of(found["products"]) == Counter(name for name, _ in cases)
    assert names_of(found["periods"]) == Counter(case["CreationDate"][:7] for case in cases.values())
    words = {row: homework_words(texts[row]) for row in cases}
    assert names_of(found["words"]) == Counter(word for of_case in words.values() for word in of_case)
    pairs = Counter(pair for of_case in words.values() for pair in combinations(sorted(of_case), 2))
    assert {(pair["first"][1], pair["second"][1]): pair["cases"] for pair in found["word_pairs"]} == pairs
    views = next(metric for metric in found["metrics"] if metric["column"] == "view_count")
    counted = {
        (bucket["lower"], bucket["upper"]): sum(
            (bucket["lower"] is None or int(case["ViewCount"]) >= bucket["lower"])
            and (bucket["upper"] is None or int(case["ViewCount"]) < bucket["upper"])
            for case in cases.values()
        )
        for bucket in views["buckets"]
    }
    assert {(bucket["lower"], bucket["upper"]): bucket["cases"] for bucket in views["buckets"]} == counted
    others = {
        name: {(site, id_) for site in sites for id_ in BRUTE_FORCE[name](sites[site])}
        for name in ("contested-questions", "newcomers-questions")
    }
    shared = {other["strategy"]: other["shared"] for other in found["shared"]}
    assert shared == {name: len(rows & cases.keys()) for name, rows in others.items() if rows & cases.keys()}
    silenced = {row for row, of_row in texts.items() if homework_words(of_row) and not is_homework(of_row)}
    assert [(of_list["cases"], of_list["hit"]) for of_list in found["silenced"]] == [(len(silenced), len(cases))]
    assert found["silenced"][0]["exemptions"] == ([["not homework", len(silenced)]] if silenced else [])
    assert {(case["product"], case["id"]) for case in found["silenced"][0]["samples"]} <= silenced


def names_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    """The cases of lines by the last part of their names."""
    return {line["name"][-1]: line["cases"] for line in lines}
