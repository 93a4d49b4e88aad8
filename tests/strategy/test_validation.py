"""Bad documents: each line of the tables is one mistake, and what its writer is told."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from srp_assets.strategy.model import MAX_DEPTH, MAX_RULES
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.warehouse.catalogue import Catalogue
from support.documents import apply_text

SHARED = """
{kind: word_list, id: homework, owner: ops, words: [homework]}
---
{kind: rule, id: fresh, owner: ops, entity: comment, logic: {feature: created_at, match: ">=", value: 2024-02-01}}
---
{kind: value, id: some-ids, owner: ops, value: [1, 2]}
---
{kind: feature, id: title-ocr, owner: ops, entity: post, concat: [title, ocr_text]}
"""

STRATEGY = """
kind: strategy
id: tried
owner: ops
products: {products}
objects: {objects}
recall: {recall}
{more}
"""


def strategy(*, products: str = '"*"', objects: str = "", recall: str = "post", more: str = "", rule: str = "") -> str:
    return STRATEGY.format(products=products, objects=objects or f"{{post: {rule}}}", recall=recall, more=more)


@pytest.fixture
def refuse(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> Any:
    """Applies shared documents and then bad ones; returns the problems without the name of their file."""

    def refused(text: str) -> list[str]:
        apply_text(connection, sample_catalogue, tmp_path, SHARED)
        with pytest.raises(InvalidDocuments) as caught:
            apply_text(connection, sample_catalogue, tmp_path, text)
        file = f"{tmp_path / 'documents.yaml'}:"
        assert all(str(problem).startswith(file) for problem in caught.value.problems)
        return [str(problem).removeprefix(file).split(": ", 1)[1] for problem in caught.value.problems]

    return refused


GOOD = '{feature: view_count, match: ">=", value: 1}'

NEITHER = "this is neither a rule nor one of all, any, not, rule (write feature, match and value, or exactly one of all, any, not, rule)"

FORMS = [
    ("{id: x}", "key 'kind' is missing (valid: feature, rule, strategy, value, word_list)"),
    ("{kind: wordlist, id: x}", "kind: 'wordlist' is no kind of document (did you mean 'word_list'?)"),
    ("{kind: 3, id: x}", "kind: 3 is no kind of document (valid: feature, rule, strategy, value, word_list)"),
    ("{kind: value, value: 1}", "value: key 'id' is missing (give it a name, like id: homework)"),
    ("{kind: value, id: 7, value: 1}", "value: 7 is not a text (give it a name, like id: homework)"),
    (
        "{kind: value, id: a/b, value: 1}",
        "value a/b: id: 'a/b' is no valid name (use letters, digits, '.', '_' and '-', a letter or digit first)",
    ),
    ("{kind: value, id: x, value: 1, valu: 2}", "value x: unknown key 'valu' (did you mean 'value'?)"),
    ("{kind: value, id: x}", "value x: key 'value' is missing (add value: ...)"),
    ("{kind: value, id: x, value: }", "value x: value: a value is a text, a number, true or false, or a list of these"),
    ("{kind: value, id: x, value: {a: 1}}", "value x: value: a value is a text, a number, true or false, or a list of these"),
    ("{kind: value, id: x, value: [[1]]}", "value x: value: a value is a text, a number, true or false, or a list of these"),
    ("{kind: value, id: x, value: []}", "value x: value: the list is empty (give it at least one value)"),
    (
        "{kind: value, id: x, value: 1, owner: 3}",
        "value x: owner: 3 is not a text (write one text, in quotes if it looks like a number or a flag)",
    ),
    (
        "{kind: feature, id: f, entity: post, concat: [title]}",
        "feature f: concat: at least 2 entries are needed here (add what is missing)",
    ),
    (
        "{kind: feature, id: f, entity: post, concat: title}",
        "feature f: concat: 'title' is not a list (write [...], or lines that begin with a dash)",
    ),
    ("{kind: feature, id: f, entity: pst, concat: [title, body]}", "feature f: entity: there is no entity 'pst' (did you mean 'post'?)"),
    (
        "{kind: feature, id: body, entity: post, concat: [title, ocr_text]}",
        "feature body: id: entity post has a feature 'body' already (choose another id)",
    ),
    (
        "{kind: feature, id: title_body, entity: post, concat: [title, ocr_text]}",
        "feature title_body: id: entity post has a feature 'title_body' already (choose another id)",
    ),
    ("{kind: feature, id: f, entity: post, concat: [title, title]}", "feature f: concat[1]: 'title' stands there twice (remove one)"),
    (
        "{kind: feature, id: f, entity: post, concat: [titel, body]}",
        "feature f: concat[0]: there is no 'titel'; only text columns of entity post can be joined (did you mean 'title'?)",
    ),
    (
        "{kind: feature, id: f, entity: user, concat: [name, city]}",
        "feature f: concat[1]: 'city' is of kind enum; only text columns of entity user can be joined (valid: bio, name)",
    ),
    ("{kind: rule, id: r, entity: pst, logic: {rule: fresh}}", "rule r: entity: there is no entity 'pst' (did you mean 'post'?)"),
    (
        "{kind: rule, id: r, entity: post, logic: {rule: fresh}}",
        "rule r: logic: rule 'fresh' is for entity comment, not post (use a rule for post)",
    ),
    (
        "{kind: rule, id: r, entity: post, logic: {rule: r}}",
        "rule r: logic: rule 'r' refers to itself: r -> r (remove one of the references)",
    ),
    (
        "{kind: rule, id: r, entity: post, logic: {}}",
        f"rule r: logic: {NEITHER}",
    ),
    (
        "{kind: word_list, id: l, words: [a, a]}",
        "word_list l: words: number 2, 'a': the word stands there already as number 1 (remove one of them)",
    ),
    ("{kind: word_list, id: l, words: []}", "word_list l: words: at least 1 entry is needed here (add what is missing)"),
    ("{kind: word_list, id: l}", "word_list l: key 'words' is missing (add words: ...)"),
    (
        "{kind: word_list, id: l, words: [007, 12]}",
        "word_list l: words[1]: 12 is not a text (write one text, in quotes if it looks like a number or a flag)",
    ),
    (
        "{kind: word_list, id: l, words: [a], transforms: [normalise]}",
        "word_list l: transforms[0]: 'normalise' is not valid (did you mean 'normalize'?)",
    ),
    (
        "{kind: word_list, id: l, words: [a], case_sensitive: maybe}",
        "word_list l: case_sensitive: 'maybe' is not a flag (write true or false)",
    ),
    (
        "{kind: word_list, id: l, words: [a], exempt: [{word_list: homwork}]}",
        "word_list l: exempt: there is no word list 'homwork' (did you mean 'homework'?)",
    ),
    (
        "{kind: word_list, id: l, words: [a], type: regexp}",
        "word_list l: type: 'regexp' is not valid (did you mean 'regex'?)",
    ),
    (
        "{kind: word_list, id: l, words: [a, (a], type: regex}",
        r"word_list l: words: number 2, '(a': position 1, '(': this parenthesis is not closed"
        r" (close it, or write \( if the character itself is meant)",
    ),
    (
        "{kind: word_list, id: l, words: [a], type: similar}",
        "word_list l: a list of type similar needs a threshold above 0, at which every text would hit, up to 1, like threshold: 0.8",
    ),
    (
        "kind: word_list\nid: l\nwords:\n- a\n\n- |\n  b\n- a\nexempt: [b, c&]",
        "word_list l: words: number 3, 'a', line 8: the word stands there already as number 1; 1 more words of the list are wrong"
        " (remove one of them)",
    ),
    (
        "kind: word_list\nid: l\nwords: [b]\nexempt:\n- {word_list: homework}\n- c&",
        "word_list l: exempt: number 2, 'c&', line 6: operator & beside another operator or at the end leaves an empty segment"
        r" (remove it, or write \& if the character itself is meant)",
    ),
]


@pytest.mark.parametrize(("text", "problem"), FORMS, ids=[problem.split(" (")[0][:60] for _, problem in FORMS])
def test_a_document_with_a_mistake_is_refused(refuse: Any, text: str, problem: str) -> None:
    assert refuse(text) == [problem]


STRATEGIES = [
    (strategy(rule=GOOD, products="[aurora, lotos]"), "products[1]: there is no product 'lotos' (did you mean 'lotus'?)"),
    (strategy(rule=GOOD, products="[aurora, aurora]"), "products[1]: product 'aurora' stands there twice (remove one)"),
    (strategy(rule=GOOD, products="aurora"), 'products: products is a list of names, or "*" for all of them'),
    (strategy(rule=GOOD, products="[]"), 'products: products is a list of names, or "*" for all of them'),
    (strategy(rule=GOOD, products='["*", aurora]'), 'products: products is a list of names, or "*" for all of them'),
    (strategy(rule=GOOD, recall="pst"), "recall: 'pst' is not among the objects (did you mean 'post'?)"),
    (strategy(rule=GOOD, recall="user"), "recall: 'user' is not among the objects (valid: post)"),
    (strategy(rule=GOOD, more="limit: 3"), "unknown key 'limit' (valid: id, kind, objects, owner, products, recall, topic)"),
    (strategy(objects="{}"), "objects: at least 1 entry is needed here (add what is missing)"),
    (strategy(objects="[post]"), "objects: ['post'] is not a mapping (write keys with their values)"),
    (strategy(objects="{post: {}}"), "objects: the strategy has no rule: it would recall every row (give an object at least one rule)"),
    (strategy(objects=f"{{post: {GOOD}, coment: {{}}}}"), "objects.coment: there is no object 'coment' (did you mean 'comment'?)"),
    (
        strategy(objects=f"{{post: {GOOD}, reply: {{}}}}"),
        "objects: post+reply is no declared pattern (the nearest are post, reply, post+comment)",
    ),
    (
        strategy(objects=f"{{post: {GOOD}, comment: }}"),
        "objects.comment: this is neither a rule nor one of all, any, not, rule (write {} for an object that only joins)",
    ),
]


@pytest.mark.parametrize(("text", "problem"), STRATEGIES, ids=[problem.split(" (")[0][:60] for _, problem in STRATEGIES])
def test_a_strategy_with_a_mistake_is_refused(refuse: Any, text: str, problem: str) -> None:
    assert refuse(text) == [f"strategy tried: {problem}"]


RULES = [
    ('{feature: view_cnt, match: ">=", value: 1}', ".feature: entity post has no feature 'view_cnt' (did you mean 'view_count'?)"),
    ("{feature: title-ocrr, match: contains, value: a}", ".feature: entity post has no feature 'title-ocrr' (did you mean 'title-ocr'?)"),
    (
        '{feature: view_count, match: "=>", value: 1}',
        ".match: match '=>' does not fit feature 'view_count' of kind metric (valid: =, !=, <, <=, >, >=, between)",
    ),
    (
        "{feature: title, match: contain, value: a}",
        ".match: match 'contain' does not fit feature 'title' of kind text (did you mean 'contains'?)",
    ),
    ('{feature: city, match: "!=", value: a}', ".match: match '!=' does not fit feature 'city' of kind enum (valid: =, in)"),
    (
        "{feature: view_count, match: matches, value: {word_list: homework}}",
        ".match: match 'matches' does not fit feature 'view_count' of kind metric (valid: !=, <, <=, =, >, >=, between)",
    ),
    ("{feature: cover, match: is, value: a}", ".match: feature 'cover' is of kind media, which no rule can ask (use another feature)"),
    ('{feature: scores, match: ">", value: 1}', ".match: feature 'scores' is a map and needs a key (name the entry, like key: spam)"),
    (
        '{feature: view_count, match: ">", value: 1, key: a}',
        ".match: feature 'view_count' is of kind metric and takes no key (leave the key out)",
    ),
    ('{feature: view_count, match: ">", value: "1"}', ".value: '1' does not fit type int64 (write a whole number, like 100)"),
    (
        '{feature: view_count, match: ">", value: {value: some-ids}}',
        ".value: match '>' takes one value, not a list (write a whole number, like 100)",
    ),
    ('{feature: view_count, match: ">", value: {value: some-id}}', ".value.value: there is no value 'some-id' (did you mean 'some-ids'?)"),
    (
        '{feature: created_at, match: ">", value: 2024-13-01}',
        ".value: '2024-13-01' does not fit type timestamp (write a time, like 2024-03-09 or 2024-03-09T14:30:00Z)",
    ),
    ('{feature: risk_level, match: "=", value: hihg}', ".value: 'hihg' is not among the declared values (did you mean 'high'?)"),
    ("{feature: is_promoted, match: is, value: yes}", ".value: 'yes' does not fit type bool (write true or false)"),
    ("{feature: title, match: matches, value: homework}", ".value: match 'matches' takes a word list (write value: {word_list: homework})"),
    (
        "{feature: title, match: matches, value: other}",
        ".value: match 'matches' takes a word list (write value: {word_list: ID}, or use match: contains for one text)",
    ),
    ("{feature: title, match: contains, value: {word_list: homework}}", ".value: match 'contains' takes no word list (use match: matches)"),
    (
        "{feature: title, match: matches, value: {word_list: homwork}}",
        ".value.word_list: there is no word list 'homwork' (did you mean 'homework'?)",
    ),
    ("{rule: frsh}", ": there is no rule 'frsh' (did you mean 'fresh'?)"),
    ("{rule: fresh}", ": rule 'fresh' is for entity comment, not post (use a rule for post)"),
    ("{feature: title, match: contains}", ": key 'value' is missing (add value: ...)"),
    ("{feature: title, mtch: contains, match: contains, value: a}", ": unknown key 'mtch' (did you mean 'match'?)"),
    ("{feature: title, match: contains, value: {wordlist: a, value: b}}", ".value: unknown key 'wordlist' (valid: value)"),
    ("{feature: title, match: contains, value: }", ".value: a value is a text, a number, true or false, or a list of these"),
    ("{all: [], any: []}", f": {NEITHER}"),
    ("{all: []}", ".all: at least 1 entry is needed here (add what is missing)"),
    (
        "{any: {feature: title, match: contains, value: a}}",
        ".any: {'feature': 'title', 'match': 'contains', 'value': 'a'} is not a list (write [...], or lines that begin with a dash)",
    ),
    ("{alll: []}", f": {NEITHER}"),
    ("{}", f": {NEITHER}"),
    ("text", f": {NEITHER}"),
]


@pytest.mark.parametrize(("rule", "problem"), RULES, ids=[rule[:60] for rule, _ in RULES])
def test_a_rule_with_a_mistake_is_refused_where_it_stands(refuse: Any, rule: str, problem: str) -> None:
    text = strategy(objects=f"{{post: {{any: [{GOOD}, {{not: {rule}}}]}}}}")
    assert refuse(text) == [f"strategy tried: objects.post.any[1].not{problem}"]


def test_a_rule_alone_may_be_the_logic(refuse: Any) -> None:
    assert refuse(strategy(rule='{feature: view_cnt, match: ">=", value: 1}')) == [
        "strategy tried: objects.post.feature: entity post has no feature 'view_cnt' (did you mean 'view_count'?)"
    ]


def test_what_refers_to_a_document_that_cannot_be_read_is_not_blamed(refuse: Any) -> None:
    uses = "{all: [{feature: title, match: matches, value: {word_list: torn}}, {feature: torn, match: contains, value: a}, {rule: torn}]}"
    torn = "\n---\n".join(f"{{kind: {kind}, id: torn, unknown: 1}}" for kind in ("word_list", "feature", "rule"))
    problems = refuse(strategy(rule=uses) + "---\n" + torn)
    assert all(problem.startswith(("word_list torn", "feature torn", "rule torn")) for problem in problems)
    assert len({problem.split(":")[0] for problem in problems}) == 3


def test_all_mistakes_are_told_at_once_and_each_once(refuse: Any) -> None:
    broken = '{kind: rule, id: broken, entity: post, logic: {feature: view_cnt, match: "<", value: 1}}'
    twice = "{all: [{rule: broken}, {rule: broken}, {feature: title, match: matches, value: {word_list: x}}]}"
    problems = refuse(f"{strategy(rule=twice, recall='user')}---\n{broken}")
    assert problems == [
        "strategy tried: recall: 'user' is not among the objects (valid: post)",
        "rule broken: logic.feature: entity post has no feature 'view_cnt' (did you mean 'view_count'?)",
        "strategy tried: objects.post.all[2].value.word_list: there is no word list 'x' (valid: homework)",
    ]


def nested(depth: int) -> str:
    return "{not: " * depth + GOOD + "}" * depth


def test_logic_nests_as_deep_as_is_allowed(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path, refuse: Any) -> None:
    apply_text(connection, sample_catalogue, tmp_path, strategy(rule=nested(MAX_DEPTH)))
    (problem,) = refuse(strategy(rule=nested(MAX_DEPTH + 1)))
    assert problem.endswith("not: the logic nests deeper than 16 levels of all, any and not (write it flatter)")


def test_shared_rules_count_towards_depth_and_number(refuse: Any) -> None:
    deep = f"{{kind: rule, id: deep, entity: post, logic: {nested(MAX_DEPTH)}}}"
    assert "nests deeper than 16 levels" in refuse(strategy(rule="{not: {rule: deep}}") + "---\n" + deep)[0]
    many = f"{{kind: rule, id: many, entity: post, logic: {{any: [{', '.join([GOOD] * MAX_RULES)}]}}}}"
    assert refuse(strategy(rule=f"{{all: [{{rule: many}}, {GOOD}]}}") + "---\n" + many) == [
        "strategy tried: objects.post: the logic has more than 1,000 rules (use match: in with several values, or several strategies)"
    ]


def test_an_open_catalogue_takes_any_product(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue = sample_catalogue.model_copy(update={"products": "open"})
    (done,) = apply_text(connection, catalogue, tmp_path, strategy(rule=GOOD, products="[french.meta]"))
    assert done.action == "created"
