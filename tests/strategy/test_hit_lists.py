"""The feature `hit_lists`: rules on standing lists become rules on texts; lists that are none are refused with the nearest that is."""

from pathlib import Path

import pytest
from sqlalchemy import Connection

from srp_assets.errors import Conflict
from srp_assets.strategy.features import text_features_of
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.reference import matches_row
from srp_assets.strategy.registry import archive_document
from srp_assets.strategy.resolve import resolve
from srp_assets.strategy.resolved import AllOf, AnyOf, Node, Rule
from srp_assets.warehouse.catalogue import Catalogue
from support.documents import apply_text

LISTS = """
{kind: word_list, id: homework, owner: ops, words: [homework], standing: true}
---
{kind: word_list, id: thanks, owner: ops, words: [thanks], standing: true}
---
{kind: word_list, id: insults, owner: ops, words: [fool]}
"""


@pytest.fixture(autouse=True)
def _applied(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    apply_text(connection, sample_catalogue, tmp_path, LISTS)


def strategy(rule: str, object_name: str = "post") -> str:
    """A strategy of one rule."""
    return f"{{kind: strategy, id: it, owner: ops, products: '*', objects: {{{object_name}: {rule}}}, recall: {object_name}}}"


def resolved(connection: Connection, catalogue: Catalogue, folder: Path, rule: str, object_name: str = "post") -> Node:
    """The logic of such a strategy."""
    apply_text(connection, catalogue, folder, strategy(rule, object_name))
    node = resolve(connection, catalogue, "it").objects[object_name]
    assert node is not None
    return node


def any_text(catalogue: Catalogue, entity: str, key: str) -> tuple[Rule, ...]:
    """Rules on every text of an entity."""
    return tuple(Rule(feature=feature, match="matches", value=key) for feature in text_features_of(catalogue.entities[entity]))


def test_rules_on_hit_lists_are_rules_on_texts(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    """Any list in any text; all lists, each in any text; the versions are pinned."""
    homework, thanks = (any_text(sample_catalogue, "post", f"{id_}@1") for id_ in ("homework", "thanks"))
    assert len(homework) > 2
    rule = "{feature: hit_lists, match: contains_any, value: [homework, thanks]}"
    assert resolved(connection, sample_catalogue, tmp_path, rule) == AnyOf(any=homework + thanks)
    pinned = resolve(connection, sample_catalogue, "it")
    assert set(pinned.lists) == {"homework@1", "thanks@1"}
    assert pinned.documents == {"strategy/it": 1, "word_list/homework": 1, "word_list/thanks": 1}
    rule = "{feature: hit_lists, match: contains_all, value: [homework, thanks]}"
    both = resolved(connection, sample_catalogue, tmp_path, rule)
    assert both == AllOf(all=(AnyOf(any=homework), AnyOf(any=thanks)))
    lists = resolve(connection, sample_catalogue, "it").lists
    row = {"title": "homework", "body": "many thanks"}
    assert matches_row(both, row, lists)
    assert not matches_row(both, row | {"body": None}, lists)
    rule = "{feature: hit_lists, match: contains_all, value: [homework]}"
    assert resolved(connection, sample_catalogue, tmp_path, rule) == AnyOf(any=homework)
    rule = "{not: {feature: hit_lists, match: contains_any, value: [thanks]}}"
    assert (
        any_text(sample_catalogue, "comment", "thanks@1")[0].model_dump_json()
        in resolved(connection, sample_catalogue, tmp_path, rule, "comment").model_dump_json()
    )


def test_a_value_document_may_name_the_lists(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    apply_text(connection, sample_catalogue, tmp_path, "{kind: value, id: watched, owner: ops, value: [homework, thanks]}")
    rule = "{feature: hit_lists, match: contains_any, value: {value: watched}}"
    homework, thanks = (any_text(sample_catalogue, "post", f"{id_}@1") for id_ in ("homework", "thanks"))
    assert resolved(connection, sample_catalogue, tmp_path, rule) == AnyOf(any=homework + thanks)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{feature: hit_lists, match: contains_any, value: [homewrk]}", "value.0.: there is no standing word list 'homewrk'.*'homework'"),
        (
            "{feature: hit_lists, match: contains_any, value: [thanks, insults]}",
            "value.1.: word list 'insults' is not standing",
        ),
        ("{feature: hit_lists, match: contains_any, value: homework}", "takes a list of values"),
        ("{feature: hit_lists, match: contains_any, value: {word_list: homework}}", "takes a list of values .write .homework."),
        ("{feature: hit_lists, match: matches, value: {word_list: homework}}", "match 'matches' does not fit feature 'hit_lists'"),
        ("{feature: hit_list, match: contains_any, value: [homework]}", "has no feature 'hit_list' .*'hit_lists'"),
    ],
)
def test_what_is_refused(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path, rule: str, message: str) -> None:
    with pytest.raises(InvalidDocuments, match=message):
        apply_text(connection, sample_catalogue, tmp_path, strategy(rule))


def test_lists_that_rules_name_stay_standing(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    """Such a list can neither be archived nor lose its standing, and no shared feature can take the name."""
    apply_text(connection, sample_catalogue, tmp_path, strategy("{feature: hit_lists, match: contains_any, value: [thanks]}"))
    with pytest.raises(Conflict, match="strategy it refers to it"):
        archive_document(connection, "word_list", "thanks")
    with pytest.raises(InvalidDocuments, match="word list 'thanks' is not standing"):
        apply_text(connection, sample_catalogue, tmp_path, "{kind: word_list, id: thanks, owner: ops, words: [thanks]}")
    feature = "{kind: feature, id: hit_lists, owner: ops, entity: post, concat: [title, body]}"
    with pytest.raises(InvalidDocuments, match="has a feature 'hit_lists' already"):
        apply_text(connection, sample_catalogue, tmp_path, feature)


def test_too_many_rules_are_refused(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    names = [f"list-{number}" for number in range(400)]
    documents = "\n---\n".join(f"{{kind: word_list, id: {name}, owner: ops, words: [a], standing: true}}" for name in names)
    rule = strategy(f"{{feature: hit_lists, match: contains_any, value: [{', '.join(names)}]}}")
    with pytest.raises(InvalidDocuments, match="the logic has more than 1,000 rules"):
        apply_text(connection, sample_catalogue, tmp_path, f"{documents}\n---\n{rule}")
