from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from srp_assets.errors import Conflict, NotFound
from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.registry import archive_document
from srp_assets.strategy.resolve import resolve
from srp_assets.strategy.resolved import AllOf, AnyOf, Feature, Not, ResolvedStrategy, Rule, rules_of
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from support.documents import apply_text
from support.generators import resolved_lists, resolved_strategies

DOCUMENTS = """
kind: strategy
id: polite
owner: ops
products: [lotus]
objects:
  comment_user: {}
  comment:
    all:
      - {feature: text, match: matches, value: {word_list: thanks}}
      - not: {rule: late}
  post:
    any:
      - {feature: title-ocr, match: contains, value: help}
      - {feature: post_id, match: in, value: {value: known}}
      - {feature: scores, key: spam, match: between, value: [0, 1]}
recall: comment
---
{kind: rule, id: late, owner: ops, entity: comment, logic: {feature: created_at, match: ">", value: "2024-02-01T08:00:00+08:00"}}
---
{kind: value, id: known, owner: ops, value: [7, 8]}
---
{kind: feature, id: title-ocr, owner: ops, entity: post, concat: [title, ocr_text]}
---
{kind: word_list, id: thanks, owner: ops, words: [thanks, merci], transforms: [normalize], exempt: [no thanks, {word_list: irony}]}
---
{kind: word_list, id: irony, owner: ops, words: [Thanks a lot], case_sensitive: true}
"""


@pytest.fixture(autouse=True)
def _applied(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    apply_text(connection, sample_catalogue, tmp_path, DOCUMENTS)


def basic(name: str, kind: str, type_: str) -> Feature:
    return Feature(name=name, kind=kind, type=type_, parts=(name,))


def test_a_resolved_strategy_holds_everything_it_needs(connection: Connection, sample_catalogue: Catalogue) -> None:
    resolved = resolve(connection, sample_catalogue, "polite")
    title_ocr = Feature(name="title-ocr", kind="text", type="string", parts=("title", "ocr_text"))
    late = Rule(feature=basic("created_at", "time", "timestamp"), match=">", value="2024-02-01T00:00:00Z")
    assert resolved == ResolvedStrategy(
        id="polite",
        version=1,
        products=("lotus",),
        recall="comment",
        objects={
            "post": AnyOf(
                any=(
                    Rule(feature=title_ocr, match="contains", value="help"),
                    Rule(feature=basic("post_id", "id", "int64"), match="in", value=(7, 8)),
                    Rule(feature=basic("scores", "map", "map<string,float64>"), match="between", value=(0.0, 1.0), key="spam"),
                )
            ),
            "comment": AllOf(all=(Rule(feature=basic("text", "text", "string"), match="matches", value="thanks@1"), Not(not_=late))),
            "comment_user": None,
        },
        lists={
            "thanks@1": ResolvedList(
                id="thanks",
                version=1,
                words=("thanks", "merci"),
                transforms=("normalize",),
                exempt=(
                    ExemptGroup(words=("no thanks",), transforms=("normalize",)),
                    ExemptGroup(words=("Thanks a lot",), case_sensitive=True),
                ),
            )
        },
        documents={
            "strategy/polite": 1,
            "feature/title-ocr": 1,
            "value/known": 1,
            "word_list/thanks": 1,
            "word_list/irony": 1,
            "rule/late": 1,
        },
    )
    assert list(resolved.objects) == ["post", "comment", "comment_user"]


def test_the_newest_versions_are_pinned(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    before = resolve(connection, sample_catalogue, "polite")
    apply_text(connection, sample_catalogue, tmp_path, "{kind: word_list, id: thanks, words: [gracias]}")
    after = resolve(connection, sample_catalogue, "polite")
    assert before.lists["thanks@1"].words == ("thanks", "merci")
    assert after.lists["thanks@2"].words == ("gracias",)
    assert [rule.value for rule in rules_of(after.objects["comment"])][0] == "thanks@2"
    assert (after.version, after.documents["word_list/thanks"]) == (1, 2)
    assert "word_list/irony" not in after.documents


def test_an_old_version_can_be_run_as_long_as_it_fits(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    simple = """
        kind: strategy
        id: polite
        products: "*"
        objects: {post: {feature: title, match: contains, value: a}}
        recall: post
    """
    apply_text(connection, sample_catalogue, tmp_path, simple)
    assert list(resolve(connection, sample_catalogue, "polite").objects) == ["post"]
    assert resolve(connection, sample_catalogue, "polite").products == "*"
    assert list(resolve(connection, sample_catalogue, "polite", 1).objects) == ["post", "comment", "comment_user"]
    archive_document(connection, "value", "known")
    with pytest.raises(InvalidDocuments, match="stored: strategy polite: objects.post.any.1..value.value: value 'known' is archived"):
        resolve(connection, sample_catalogue, "polite", 1)


def test_what_cannot_run_is_refused(connection: Connection, sample_catalogue: Catalogue) -> None:
    with pytest.raises(NotFound, match="there is no strategy 'polit' .did you mean 'polite'"):
        resolve(connection, sample_catalogue, "polit")
    archive_document(connection, "strategy", "polite")
    with pytest.raises(Conflict, match="strategy polite is archived"):
        resolve(connection, sample_catalogue, "polite")


@given(data=st.data())
def test_json_and_back_is_the_same(data: st.DataObject) -> None:
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
    strategy = data.draw(resolved_strategies(catalogue, data.draw(resolved_lists())))
    back = ResolvedStrategy.model_validate_json(strategy.model_dump_json())
    assert back == strategy
    assert list(back.objects) == list(strategy.objects)
    for name, node in strategy.objects.items():
        ours, theirs = list(rules_of(node)), list(rules_of(back.objects[name]))
        assert ours == theirs
        assert [type(rule.value) for rule in ours] == [type(rule.value) for rule in theirs]
        assert hash(node) == hash(back.objects[name])
