"""Whatever a file holds: it is applied, or refused with a place; nothing else ever happens."""

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, StaticPool, create_engine

from srp_assets.errors import InvalidInput
from srp_assets.settings import PROJECT_ROOT
from srp_assets.strategy.apply import Applied, apply_documents
from srp_assets.strategy.loading import load_file
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.registry import metadata
from srp_assets.warehouse.catalogue import load_catalogue

SAMPLE = load_catalogue(PROJECT_ROOT / "examples" / "sample" / "catalogue.yaml")
GOOD = list(
    yaml.safe_load_all("""
kind: strategy
id: s
owner: o
topic: t
products: [aurora]
objects:
  post:
    all:
      - {feature: view_count, match: between, value: [1, 5]}
      - {any: [{rule: r}, {not: {feature: f, match: matches, value: {word_list: l}}}]}
      - {feature: scores, key: spam, match: "<", value: {value: v}}
  comment: {}
recall: comment
---
{kind: rule, id: r, owner: o, entity: post, logic: {feature: tags, match: contains_any, value: [a, b]}}
---
{kind: value, id: v, owner: o, value: 0.5}
---
{kind: feature, id: f, owner: o, entity: post, concat: [title, ocr_text]}
---
{kind: word_list, id: l, owner: o, words: ["a&b", "c"], transforms: [normalize], exempt: [d, {word_list: m}]}
---
{kind: word_list, id: m, owner: o, words: [e]}
""")
)
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    0.5,
    "",
    " ",
    "*",
    "post",
    "user",
    "s",
    "all",
    "nothing known",
    "&",
    "a" * 300,
    "\x00",
    [],
    [None],
    [[]],
    {},
    {"all": []},
    {"not": None},
    {"rule": "r"},
    {"word_list": "l"},
    {"value": {"value": "v"}},
    {"feature": "title"},
    ["aurora", "aurora"],
    "2024-01-01",
)
KEYS = ("id", "owner", "topic", "kind", "value", "all", "any", "not", "rule", "key", "match", "feature", "recall", "objects", "odd")


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything inside a document."""
    children = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(found for key, child in children for found in places(child, (*path, key)))]


def spoil(content: Any, random: Random) -> Any:
    """The document with one thing in it replaced, added, removed or moved to where something else was."""
    content = copy.deepcopy(content)
    path = random.choice(places(content)[1:])
    parent = content
    for key in path[:-1]:
        parent = parent[key]
    action = random.randrange(4)
    if action == 0:
        del parent[path[-1]]
    elif action == 1 and isinstance(parent, dict):
        parent[random.choice(KEYS)] = copy.deepcopy(random.choice(JUNK))
    elif action == 2:
        donor = random.choice(GOOD)
        for key in random.choice(places(donor)):
            donor = donor[key]
        parent[path[-1]] = copy.deepcopy(donor)
    else:
        parent[path[-1]] = copy.deepcopy(random.choice(JUNK))
    return content


@pytest.fixture(scope="module")
def registry() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


@given(seed=st.integers(0, 2**32 - 1), mistakes=st.integers(0, 4))
def test_spoilt_documents_are_refused_or_stored(registry: Connection, tmp_path: Path, seed: int, mistakes: int) -> None:
    random = Random(seed)
    documents = list(GOOD)
    for _ in range(mistakes):
        number = random.randrange(len(documents))
        documents[number] = spoil(documents[number], random)
    random.shuffle(documents)
    path = tmp_path / "spoilt.json"
    path.write_text(json.dumps(documents), encoding="utf-8")
    applied: list[Applied] = []
    problems: tuple[InvalidInput, ...] = ()
    with registry.begin_nested() as transaction:
        try:
            applied = apply_documents(registry, SAMPLE, [path], owner="o")
            again = {done.action for done in apply_documents(registry, SAMPLE, [path], owner="o")}
        except InvalidDocuments as error:
            problems = error.problems
        transaction.rollback()
    if problems:
        assert mistakes > 0
        assert all(str(problem).startswith(str(path)) and problem.message for problem in problems)
    else:
        assert len(applied) == len(documents)
        assert again == {"unchanged"}


YAML_PIECES = st.sampled_from(
    [
        "a",
        "b: ",
        "- ",
        "? ",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "\n",
        "\n  ",
        "&x ",
        "*x",
        "!t ",
        "'",
        '"',
        "|\n",
        ">\n",
        "# ",
        "---\n",
        "...\n",
        "%",
        "~",
        "\t",
        "é",
        "\x07",
        "1e9",
    ]
)


@given(content=st.binary(max_size=60) | st.lists(YAML_PIECES, max_size=25).map(lambda pieces: "".join(pieces).encode()))
@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_any_bytes_are_read_or_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bytes{suffix}"
    path.write_bytes(content)
    refusal, documents = "", []
    try:
        documents = load_file(path)
    except InvalidInput as error:
        refusal = str(error)
    assert bool(documents) != bool(refusal)
    assert not refusal or refusal.startswith(str(path))
    assert all(json.loads(json.dumps(document.content)) == document.content for document in documents)
