"""The naive evaluator on cases that can be checked by eye; it is the oracle of everything that is faster."""

from datetime import UTC, datetime
from typing import Any

import pytest

from srp_assets.strategy.reference import evaluate, matches_row
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Node, Not, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList

JANUARY, FEBRUARY, MARCH = (datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3))

GREETINGS = ResolvedList(id="greetings", version=3, words=("hello", "good&day", "hi"), exempt=(ExemptGroup(words=("hello kitty",)),))
LISTS = {"greetings@3": GREETINGS}

TYPES = {
    "count": ("metric", "int64"),
    "share": ("metric", "float64"),
    "number": ("id", "int64"),
    "level": ("enum", "string"),
    "title": ("text", "string"),
    "tags": ("array", "list<string>"),
    "scores": ("map", "map<string,float64>"),
    "at": ("time", "timestamp"),
    "is_new": ("flag", "bool"),
}


def rule(name: str, match: str, value: Any, key: str | None = None) -> Rule:
    kind, type_ = TYPES[name]
    return Rule(feature=Feature(name=name, kind=kind, type=type_, parts=(name,)), match=match, value=value, key=key)


@pytest.mark.parametrize(
    ("name", "match", "value", "found", "holds"),
    [
        ("count", "=", 3, 3, True),
        ("count", "!=", 3, 3, False),
        ("count", "!=", 3, 4, True),
        ("count", "<", 3, 3, False),
        ("count", "<=", 3, 3, True),
        ("count", ">", 3, 3, False),
        ("count", ">=", 3, 3, True),
        ("count", "between", (3, 5), 3, True),
        ("count", "between", (3, 5), 5, True),
        ("count", "between", (3, 5), 6, False),
        ("count", "between", (3, 5), 2, False),
        ("share", ">", 0.5, 0.5, False),
        ("share", ">", 0.5, 0.5000001, True),
        ("number", "=", 7, 7, True),
        ("number", "in", (7, 8), 8, True),
        ("number", "in", (7, 8), 9, False),
        ("level", "=", "low", "Low", False),
        ("level", "in", ("low", "high"), "high", True),
        ("title", "contains", "Cat", "a Cat", True),
        ("title", "contains", "Cat", "a cat", False),
        ("title", "contains", "%", "50%", True),
        ("title", "contains", ".", "50%", False),
        ("title", "matches", "greetings@3", "HELLO there", True),
        ("title", "matches", "greetings@3", "a good long day", True),
        ("title", "matches", "greetings@3", "a good night", False),
        ("title", "matches", "greetings@3", "hello kitty", False),
        ("title", "matches", "greetings@3", "", False),
        ("tags", "contains_any", ("a", "b"), ["b", "c"], True),
        ("tags", "contains_any", ("a", "b"), ["ab"], False),
        ("tags", "contains_any", ("a",), [], False),
        ("tags", "contains_any", ("a",), [None, "a"], True),
        ("tags", "contains_all", ("a", "b"), ["b", "c", "a", "a"], True),
        ("tags", "contains_all", ("a", "b"), ["a", "a"], False),
        ("at", "=", "2024-02-01T00:00:00Z", FEBRUARY, True),
        ("at", "<", "2024-02-01T00:00:00Z", FEBRUARY, False),
        ("at", "<", "2024-02-01T00:00:00.000001Z", FEBRUARY, True),
        ("at", "between", ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z"), FEBRUARY, True),
        ("is_new", "is", True, True, True),
        ("is_new", "is", True, False, False),
        ("is_new", "is", False, False, True),
    ],
)
def test_a_rule_compares_what_it_finds(name: str, match: str, value: Any, found: Any, holds: bool) -> None:
    assert matches_row(rule(name, match, value), {name: found}, LISTS) is holds
    assert matches_row(Not(not_=rule(name, match, value)), {name: found}, LISTS) is not holds


@pytest.mark.parametrize(
    ("name", "match", "value"),
    [
        ("count", "=", 0),
        ("count", "!=", 0),
        ("count", "<", 0),
        ("count", "between", (0, 1)),
        ("share", ">=", 0.0),
        ("number", "in", (0,)),
        ("level", "=", ""),
        ("title", "contains", "a"),
        ("title", "matches", "greetings@3"),
        ("tags", "contains_any", ("a",)),
        ("at", "!=", "2024-01-01T00:00:00Z"),
        ("is_new", "is", False),
    ],
)
def test_a_rule_on_null_is_false_and_its_negation_true(name: str, match: str, value: Any) -> None:
    for row in ({name: None}, {}):
        assert matches_row(rule(name, match, value), row, LISTS) is False
        assert matches_row(Not(not_=rule(name, match, value)), row, LISTS) is True


@pytest.mark.parametrize(
    ("match", "value", "scores", "holds"),
    [
        (">", 0.5, {"spam": 0.6}, True),
        (">", 0.5, [("toxic", 0.1), ("spam", 0.6)], True),
        (">", 0.5, {"toxic": 0.6}, False),
        ("!=", 0.5, {}, False),
        ("<", 0.5, {"spam": None}, False),
        ("<", 0.5, None, False),
    ],
)
def test_a_map_is_asked_by_its_key(match: str, value: float, scores: Any, holds: bool) -> None:
    assert matches_row(rule("scores", match, value, "spam"), {"scores": scores}, {}) is holds


COMPOSITE = Feature(name="both", kind="text", type="string", parts=("title", "body"))


@pytest.mark.parametrize(
    ("match", "value", "title", "body", "holds"),
    [
        ("contains", "lo", "hello", "x", True),
        ("contains", "lo", "hel", "lo", True),
        ("contains", "hello", "hel", "lo", False),
        ("contains", "l\nl", "hel", "lo", False),
        ("contains", "lo", None, "hello", True),
        ("contains", "lo", None, None, False),
        ("matches", "greetings@3", "hel", "lo", False),
        ("matches", "greetings@3", "good", "day", True),
        ("matches", "greetings@3", None, "hi", True),
        ("matches", "greetings@3", None, None, False),
    ],
)
def test_nothing_but_segments_of_a_word_spans_the_parts_of_a_composite_text(
    match: str, value: str, title: str | None, body: str | None, holds: bool
) -> None:
    assert matches_row(Rule(feature=COMPOSITE, match=match, value=value), {"title": title, "body": body}, LISTS) is holds


YES, NO = rule("is_new", "is", True), rule("is_new", "is", False)


@pytest.mark.parametrize(
    ("node", "holds"),
    [
        (AllOf(all=(YES, YES)), True),
        (AllOf(all=(YES, NO)), False),
        (AnyOf(any=(NO, YES)), True),
        (AnyOf(any=(NO, NO)), False),
        (Not(not_=Not(not_=YES)), True),
        (AllOf(all=(YES, Not(not_=AnyOf(any=(NO, AllOf(all=(YES, NO))))))), True),
        (None, True),
    ],
)
def test_logic_combines_rules(node: Node | None, holds: bool) -> None:
    assert matches_row(node, {"is_new": True}, {}) is holds


# --- strategies over joined objects ---------------------------------------------------------------------------------------------


def post(post_id: int, title: str | None = "a title", *, user_id: int = 1, **columns: Any) -> dict[str, Any]:
    return {"product": "aurora", "post_id": post_id, "user_id": user_id, "title": title, "created_at": JANUARY, **columns}


def comment(comment_id: int, post_id: int | None, text: str | None = "a text", **columns: Any) -> dict[str, Any]:
    return {"product": "aurora", "comment_id": comment_id, "post_id": post_id, "text": text, "created_at": JANUARY, **columns}


def text_rule(name: str, *, match: str = "contains", value: str = "a") -> Rule:
    return Rule(feature=Feature(name=name, kind="text", type="string", parts=(name,)), match=match, value=value)


def strategy(recall: str, **objects: Node | None) -> ResolvedStrategy:
    return ResolvedStrategy(id="tried", version=1, products="*", recall=recall, objects=objects, lists=LISTS)


def recalled(cases: list[dict[str, Any]]) -> list[str]:
    return [case["id"] for case in cases]


def test_a_case_tells_what_led_to_it(sample_catalogue: Catalogue) -> None:
    tried = strategy(
        "comment",
        post=AllOf(all=(text_rule("title", match="matches", value="greetings@3"), text_rule("body"))),
        comment=AnyOf(any=(text_rule("text", match="matches", value="greetings@3"), Not(not_=text_rule("text", value="nothing")))),
    )
    rows = {
        "post": [post(5, "hi, hello", body="a body"), post(6, "hello", body=None)],
        "comment": [comment(10, 5, "hi and good day", like_count=2), comment(9, 5, None), comment(8, 6, "hi")],
    }
    assert evaluate(tried, sample_catalogue, rows, ["aurora"]) == [
        {
            "product": "aurora",
            "object": "comment",
            "id": "9",
            "hits": [
                {"object": "post", "feature": "title", "list": "greetings", "word": "hello", "spans": [[4, 9]]},
                {"object": "post", "feature": "title", "list": "greetings", "word": "hi", "spans": [[0, 2]]},
            ],
            "texts": {"post.title": "hi, hello", "post.body": "a body"},
            "extra": {"like_count": None, "created_at": "2024-01-01T00:00:00Z"},
            "joined": {"post": {"rows": 1, "keys": ["5"]}},
        },
        {
            "product": "aurora",
            "object": "comment",
            "id": "10",
            "hits": [
                {"object": "post", "feature": "title", "list": "greetings", "word": "hello", "spans": [[4, 9]]},
                {"object": "post", "feature": "title", "list": "greetings", "word": "hi", "spans": [[0, 2]]},
                {"object": "comment", "feature": "text", "list": "greetings", "word": "good&day", "spans": [[7, 11], [12, 15]]},
                {"object": "comment", "feature": "text", "list": "greetings", "word": "hi", "spans": [[0, 2]]},
            ],
            "texts": {"post.title": "hi, hello", "post.body": "a body", "comment.text": "hi and good day"},
            "extra": {"like_count": 2, "created_at": "2024-01-01T00:00:00Z"},
            "joined": {"post": {"rows": 1, "keys": ["5"]}},
        },
    ]


def test_composite_texts_show_their_parts_on_lines(sample_catalogue: Catalogue) -> None:
    tried = strategy("post", post=Rule(feature=COMPOSITE, match="contains", value="a"))
    (case,) = evaluate(tried, sample_catalogue, {"post": [post(1, "alpha", body="beta", like_count=1)]}, ["aurora"])
    assert case["texts"] == {"post.both": "alpha\nbeta", "post.title": "alpha"}
    assert case["extra"] == {"like_count": 1, "view_count": None, "city": None, "created_at": "2024-01-01T00:00:00Z"}
    assert case["joined"] == {}


def test_spans_of_composite_texts_name_their_part_and_tell_of_words_that_cross_the_seam(sample_catalogue: Catalogue) -> None:
    tried = strategy("post", post=Rule(feature=COMPOSITE, match="matches", value="greetings@3"))
    rows = {"post": [post(1, "a good one", body="hi, the day"), post(2, None, body="good day")]}
    both = {"object": "post", "feature": "both", "list": "greetings"}
    crossing, whole = evaluate(tried, sample_catalogue, rows, ["aurora"])
    assert crossing["hits"] == [
        {**both, "word": "good&day", "spans": [[2, 6], [19, 22]], "parts": ["title", "body"], "crosses": True},
        {**both, "word": "hi", "spans": [[11, 13]], "parts": ["body"], "crosses": False},
    ]
    text = crossing["texts"]["post.both"]
    assert [[text[start:end] for start, end in hit["spans"]] for hit in crossing["hits"]] == [["good", "day"], ["hi"]]
    assert whole["hits"] == [{**both, "word": "good&day", "spans": [[0, 4], [5, 8]], "parts": ["body", "body"], "crosses": False}]


def test_joined_rows_are_counted_once_and_ordered_by_their_typed_keys(sample_catalogue: Catalogue) -> None:
    tried = strategy("post", post=text_rule("title"), comment=text_rule("text", match="matches", value="greetings@3"), comment_user=None)
    rows = {
        "post": [post(1), post(2), post(3)],
        "comment": [comment(number, 1, f"hello {number}", user_id=4 + number % 2) for number in (100, 20, 3, 11)]
        + [comment(5, 2, "hello", user_id=99), comment(6, 3, "goodbye", user_id=4)],
        "user": [{"product": "aurora", "user_id": number, "created_at": JANUARY} for number in (4, 5)],
    }
    (case,) = evaluate(tried, sample_catalogue, rows, ["aurora"])
    assert case["id"] == "1"
    assert case["joined"] == {"comment": {"rows": 4, "keys": ["3", "11", "20"]}, "comment_user": {"rows": 2, "keys": ["4", "5"]}}
    # Hits and texts of another object are those of its first joined row; an object without rules has none.
    assert case["texts"] == {"post.title": "a title", "comment.text": "hello 3"}


def test_hidden_rows_are_seen_by_the_objects_that_see_all(sample_catalogue: Catalogue) -> None:
    rows = {"post": [post(1, hidden=True), post(2, hidden=False), post(3, hidden=None)]}
    assert recalled(evaluate(strategy("post", post=text_rule("title")), sample_catalogue, rows, ["aurora"])) == ["2", "3"]
    assert recalled(evaluate(strategy("all_post", all_post=text_rule("title")), sample_catalogue, rows, ["aurora"])) == ["1", "2", "3"]


def test_a_hidden_post_hides_its_comments_from_a_join_only(sample_catalogue: Catalogue) -> None:
    rows = {"post": [post(1, hidden=True)], "comment": [comment(7, 1)]}
    assert recalled(evaluate(strategy("comment", comment=text_rule("text")), sample_catalogue, rows, ["aurora"])) == ["7"]
    joined = strategy("comment", post=None, comment=text_rule("text"))
    assert evaluate(joined, sample_catalogue, rows, ["aurora"]) == []


def test_a_role_decides_which_rows_an_object_has(sample_catalogue: Catalogue) -> None:
    rows = {"comment": [comment(1, 1), comment(2, 1, parent_id=1)]}
    assert recalled(evaluate(strategy("comment", comment=text_rule("text")), sample_catalogue, rows, ["aurora"])) == ["1"]
    assert recalled(evaluate(strategy("reply", reply=text_rule("text")), sample_catalogue, rows, ["aurora"])) == ["2"]


def test_a_reply_joins_by_parent_or_by_sibling_under_the_same_post(sample_catalogue: Catalogue) -> None:
    rows = {
        "comment": [
            comment(1, 50),
            comment(2, 50),
            comment(11, 50, parent_id=1, sibling_id=1),
            comment(12, 50, parent_id=11, sibling_id=1),
            comment(13, 50, parent_id=11),
            comment(14, 51, parent_id=1, sibling_id=1),
        ]
    }
    (case,) = evaluate(strategy("comment", comment=text_rule("text"), reply=None), sample_catalogue, rows, ["aurora"])
    assert (case["id"], case["joined"]) == ("1", {"reply": {"rows": 2, "keys": ["11", "12"]}})


def test_a_null_joins_nothing(sample_catalogue: Catalogue) -> None:
    rows = {"post": [post(1, user_id=None)], "user": [{"product": "aurora", "user_id": None, "created_at": JANUARY}]}
    assert evaluate(strategy("post", post=text_rule("title"), post_user=None), sample_catalogue, rows, ["aurora"]) == []


def test_rows_of_different_products_never_join(sample_catalogue: Catalogue) -> None:
    rows = {
        "post": [post(1), post(2) | {"product": "lotus"}],
        "comment": [comment(7, 1) | {"product": "lotus"}, comment(8, 2) | {"product": "lotus"}],
    }
    tried = strategy("post", post=text_rule("title"), comment=None)
    cases = evaluate(tried, sample_catalogue, rows, ["lotus", "aurora", "lotus"])
    assert [(case["product"], case["id"]) for case in cases] == [("lotus", "2")]
    assert evaluate(tried, sample_catalogue, rows, ["aurora"]) == []


def test_from_and_to_limit_the_recalled_object_alone(sample_catalogue: Catalogue) -> None:
    rows = {
        "post": [post(1, created_at=JANUARY)],
        "comment": [comment(7, 1, created_at=JANUARY), comment(8, 1, created_at=FEBRUARY), comment(9, 1, created_at=MARCH)],
    }
    tried = strategy("comment", post=text_rule("title"), comment=None)
    assert recalled(evaluate(tried, sample_catalogue, rows, ["aurora"], FEBRUARY, MARCH)) == ["8"]
    assert recalled(evaluate(tried, sample_catalogue, rows, ["aurora"], FEBRUARY)) == ["8", "9"]
    assert recalled(evaluate(tried, sample_catalogue, rows, ["aurora"], None, FEBRUARY)) == ["7"]
    posts = strategy("post", post=text_rule("title"), comment=None)
    assert evaluate(posts, sample_catalogue, rows, ["aurora"], FEBRUARY) == []
    (case,) = evaluate(posts, sample_catalogue, rows, ["aurora"], None, FEBRUARY)
    assert case["joined"]["comment"]["rows"] == 3


def test_the_same_word_of_a_list_is_told_once_for_a_feature(sample_catalogue: Catalogue) -> None:
    twice = text_rule("title", match="matches", value="greetings@3")
    tried = strategy("post", post=AnyOf(any=(twice, Not(not_=twice))))
    (case,) = evaluate(tried, sample_catalogue, {"post": [post(1, "hello hello")]}, ["aurora"])
    assert [hit["word"] for hit in case["hits"]] == ["hello"]


def test_objects_that_are_no_pattern_cannot_be_evaluated(sample_catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match=r"post\+reply is no declared pattern"):
        evaluate(strategy("post", post=None, reply=None), sample_catalogue, {}, ["aurora"])
