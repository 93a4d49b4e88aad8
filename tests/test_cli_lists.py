"""`srp lists check` and `srp lists try`: what they tell people and machines, and that nothing is stored."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from srp_assets.cli import run
from srp_assets.settings import Settings

Srp = Callable[..., tuple[int, str, str]]

LISTS = """
kind: word_list
id: homework
owner: ops
transforms: [normalize]
words:
- homework&help
- Éssay
exempt: [not homework, {word_list: irony}]
---
kind: word_list
id: irony
owner: ops
type: regex
words: ["ha(ha)+"]
---
{kind: strategy, id: broken}
"""

WRONG = """
kind: word_list
id: wrong
words:
- good
- bad&
- good
- " blank"
---
kind: word_list
id: pattern
type: regex
words:
- a+
- "(a+)+"
exempt: [{word_list: nobody}]
---
kind: word_list
id: formless
words: [a, 1]
---
{kind: word_list, id: wrong, words: [a]}
---
{id: nothing}
"""


@pytest.fixture
def srp(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Srp:
    """Runs a command on the test's home; its exit code, standard output and standard error."""
    assert settings.home

    def call(*arguments: object) -> tuple[int, str, str]:
        code = run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


def written(folder: Path, text: str, name: str = "lists.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def answered(result: tuple[int, str, str], code: int = 0) -> Any:
    assert result[0] == code
    return json.loads(result[1])


def test_good_lists_are_told_with_their_warnings_and_not_stored(srp: Srp, tmp_path: Path) -> None:
    path = written(tmp_path, LISTS)
    told = answered(srp("lists", "check", path, "--json"))
    homework, irony = told["lists"]
    assert (homework["id"], homework["type"], homework["words"], homework["problems"]) == ("homework", "simple", 2, [])
    assert (irony["id"], irony["type"], irony["problems"], irony["warnings"]) == ("irony", "regex", [], [])
    (warning,) = homework["warnings"]
    assert (warning["number"], warning["line"], warning["word"], warning["remedy"]) == (2, 8, "Éssay", None)
    assert warning["message"] == "the list's transforms read 'Éssay' as 'Essay'"
    assert "error" not in told
    assert answered(srp("list", "word_list", "--json"))["documents"] == []
    code, out, err = srp("lists", "check", tmp_path)
    assert code == 0
    assert "homework" in out
    assert "warning: " in err


def test_everything_that_is_wrong_is_told_word_by_word(srp: Srp, tmp_path: Path) -> None:
    path = written(tmp_path, WRONG)
    told = answered(srp("lists", "check", path, "--json"), code=1)
    lists = {(one["id"], one["words"]): one for one in told["lists"]}
    assert [(problem["number"], problem["line"], problem["message"].split(":")[0]) for problem in lists["wrong", 4]["problems"]] == [
        (2, 6, "operator & beside another operator or at the end leaves an empty segment"),
        (3, 7, "the word stands there already as number 1"),
    ]
    assert [warning["line"] for warning in lists["wrong", 4]["warnings"]] == [8]
    nobody, loop = lists["pattern", 2]["problems"]
    assert nobody["message"] == "there is no word list 'nobody'"
    assert (loop["number"], loop["line"]) == (2, 15)
    assert loop["message"].startswith("position 1, '(a+)+': this repetition can read the same characters in more than one way")
    assert loop["where"] == f"{path}:10: word_list pattern: words: number 2, '(a+)+', line 15"
    assert [problem["message"] for problem in lists["formless", 0]["problems"]] == ["1 is not a text"]
    assert [problem["message"] for problem in lists["wrong", 0]["problems"]] == ["the list stands there twice"]
    assert [problem["message"] for problem in told["problems"]] == ["key 'kind' is missing"]
    assert told["error"]["code"] == "invalid"
    assert told["error"]["message"].startswith("the word lists have 7 problems; the first: ")
    code, _, err = srp("lists", "check", path)
    assert code == 1
    assert err.count("error: ") == 7


def test_long_lists_of_errors_are_cut_short_for_people(srp: Srp, tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"kind": "word_list", "id": "l", "words": [f"{number}&" for number in range(30)]}), "lists.json")
    code, _, err = srp("lists", "check", path)
    assert code == 1
    assert err.count("error: ") == 20
    assert "10 more errors and 0 more warnings" in err
    assert len(answered(srp("lists", "check", path, "--json"), code=1)["lists"][0]["problems"]) == 30


def test_a_list_is_tried_on_texts(srp: Srp, tmp_path: Path) -> None:
    path = written(tmp_path, LISTS.replace("{kind: strategy, id: broken}", ""))
    assert srp("apply", path)[0] == 0
    texts = "my Ｈomework: help!", "no", "help with homework, hahaha", "\x1b[31m essay"
    told = answered(srp("lists", "try", "homework", *texts, "--json"))
    assert (told["list"], told["version"]) == ("homework", 1)
    first, second, third, fourth = told["texts"]
    assert first == {
        "text": texts[0],
        "hits": [{"number": 1, "word": "homework&help", "spans": [[3, 11], [13, 17]]}],
        "silenced": [],
        "exempt": [],
        "html": "my <mark>Ｈomework</mark>: <mark>help</mark>!",
    }
    assert (second["hits"], second["silenced"], second["exempt"]) == ([], [], [])
    assert third["hits"] == []
    assert third["silenced"] == [{"number": 1, "word": "homework&help", "spans": [[0, 4], [10, 18]]}]
    assert third["exempt"] == [{"number": 1, "word": "ha(ha)+", "spans": [[20, 26]]}]
    assert fourth["hits"][0]["spans"] == [[6, 11]]
    code, out, _ = srp("lists", "try", "homework", *texts)
    assert code == 0
    assert "hit: homework&help (number 1) at 3-11, 13-17" in out
    assert "homework does not hit" in out
    assert "silenced: homework&help" in out
    assert "exempt by: ha(ha)+ at 20-26" in out
    assert "\x1b" not in out


def test_a_list_of_a_file_is_tried_without_being_stored(srp: Srp, tmp_path: Path) -> None:
    path = written(tmp_path, LISTS)
    told = answered(srp("lists", "try", path, "hahaha", "--list", "irony", "--json"))
    assert (told["list"], told["version"]) == ("irony", None)
    assert told["texts"][0]["hits"] == [{"number": 1, "word": "ha(ha)+", "spans": [[0, 6]]}]
    similar = written(
        tmp_path,
        '{kind: word_list, id: chars, type: similar_char, words: ["hello,hallo,hollo,hi", "word,world,wrd,🌍", "!,?,~"]}',
        "one.yaml",
    )
    texts = answered(srp("lists", "try", similar, "helloworld!", "hollowrd?", "hi🌍~", "hello", "--json"))["texts"]
    assert [len(text["hits"]) for text in texts] == [1, 1, 1, 0]
    assert texts[2]["hits"] == [{"number": 1, "word": "hello,hallo,hollo,hi word,world,wrd,🌍 !,?,~", "spans": [[0, 2], [2, 3], [3, 4]]}]


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        (["nobody", "text"], "there is no word list 'nobody'", "name a file"),
        (["lists.yaml", "text"], "the file holds several word lists", "--list homework"),
        (["lists.yaml", "text", "--list", "irny"], "the file holds no word list irny", "did you mean 'irony'"),
        (["nobody.yaml", "text", "--list", "irony"], "there is no such file", "leave --list out"),
        (["wrong.yaml", "text", "--list", "pattern"], "there is no word list 'nobody'", "valid: "),
        (["wrong.yaml", "text", "--list", "pattern"], "position 1, '(a+)+'", "repeat what is inside"),
        (["wrong.yaml", "text", "--list", "formless"], "1 is not a text", "write one text"),
        (["broken.yaml", "text"], "this is no YAML", "correct the file"),
    ],
)
def test_what_cannot_be_tried_is_an_error(
    srp: Srp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str, remedy: str
) -> None:
    written(tmp_path, LISTS)
    written(tmp_path, WRONG, "wrong.yaml")
    written(tmp_path, "words: [a", "broken.yaml")
    monkeypatch.chdir(tmp_path)
    error = answered(srp("lists", "try", *arguments, "--json"), code=1)["error"]
    told = [error, *error.get("problems", ())]
    assert any(message in one["message"] and remedy in str(one["remedy"]) for one in told)


def test_a_list_is_tried_on_at_least_one_text(srp: Srp) -> None:
    assert answered(srp("lists", "try", "homework", "--json"), code=2)["error"]["code"] == "usage"
