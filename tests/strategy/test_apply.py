"""Versions, references, archiving and deleting, and what a call of apply stores."""

import json
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import Connection, create_engine

from srp_assets.errors import Conflict, InvalidInput, NotFound
from srp_assets.strategy import written
from srp_assets.strategy.apply import Applied, apply_documents
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.registry import (
    StoredDocument,
    archive_document,
    delete_document,
    document_table,
    find_document,
    list_documents,
    metadata,
    show_document,
    store_version,
    versions_of,
)
from srp_assets.warehouse.catalogue import Catalogue
from support.documents import apply_text, write

DOCUMENTS = dedent("""
    kind: strategy
    id: greetings
    topic: politeness
    products: "*"
    objects:
      post:
        all:
          - {feature: view_count, match: ">=", value: {value: popular}}
          - {rule: spam-free}
          - {feature: title-ocr, match: matches, value: {word_list: hello}}
    recall: post
    ---
    {kind: rule, id: spam-free, entity: post, logic: {feature: scores, key: spam, match: "<", value: 0.5}}
    ---
    {kind: value, id: popular, value: 100}
    ---
    {kind: feature, id: title-ocr, entity: post, concat: [title, ocr_text]}
    ---
    {kind: word_list, id: hello, owner: greeter, words: [hello, hi], exempt: [{word_list: farewell}]}
    ---
    {kind: word_list, id: farewell, words: [bye]}
""")


@pytest.fixture
def applied(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> list[Applied]:
    return apply_text(connection, sample_catalogue, tmp_path, DOCUMENTS)


def actions(results: list[Applied]) -> dict[str, tuple[int, str]]:
    return {f"{done.kind} {done.id}": (done.version, done.action) for done in results}


@pytest.mark.usefixtures("applied")
def test_a_document_keeps_what_was_written(connection: Connection) -> None:
    stored = show_document(connection, "strategy", "greetings")
    assert (stored.version, stored.owner, stored.topic, stored.is_archived) == (1, "tester", "politeness", False)
    assert stored.body["objects"]["post"]["all"][1] == {"rule": "spam-free"}
    assert abs((datetime.now(UTC) - stored.created_at).total_seconds()) < 60
    assert show_document(connection, "word_list", "hello").owner == "greeter"


def test_documents_may_refer_to_each_other_in_any_order(applied: list[Applied]) -> None:
    assert set(actions(applied).values()) == {(1, "created")}
    assert [done.id for done in applied] == ["greetings", "spam-free", "popular", "title-ocr", "hello", "farewell"]


@pytest.mark.usefixtures("applied")
def test_applying_again_changes_nothing(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    before = [list_documents(connection, kind) for kind in ("strategy", "word_list")]
    assert set(actions(apply_text(connection, sample_catalogue, tmp_path, DOCUMENTS)).values()) == {(1, "unchanged")}
    assert [list_documents(connection, kind) for kind in ("strategy", "word_list")] == before


@pytest.mark.usefixtures("applied")
def test_the_order_of_keys_is_no_change(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    assert actions(apply_text(connection, sample_catalogue, tmp_path, "{value: 100, id: popular, kind: value}")) == {
        "value popular": (1, "unchanged")
    }


@pytest.mark.usefixtures("applied")
def test_a_changed_document_is_a_new_version_and_the_old_one_stays(
    connection: Connection, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    assert actions(apply_text(connection, sample_catalogue, tmp_path, "{kind: value, id: popular, value: 200}")) == {
        "value popular": (2, "changed")
    }
    assert [version.body["value"] for version in versions_of(connection, "value", "popular")] == [100, 200]
    assert show_document(connection, "value", "popular").version == 2
    assert show_document(connection, "value", "popular", 1).body["value"] == 100
    assert [(found.id, found.version) for found in list_documents(connection, "value")] == [("popular", 2)]
    # Going back to the old content is a change as well.
    assert actions(apply_text(connection, sample_catalogue, tmp_path, "{kind: value, id: popular, value: 100}")) == {
        "value popular": (3, "changed")
    }


def test_a_dry_run_says_what_would_happen_and_stores_nothing(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    results = apply_text(connection, sample_catalogue, tmp_path, DOCUMENTS, dry_run=True)
    assert set(actions(results).values()) == {(1, "created")}
    assert list_documents(connection, "strategy") == []


def test_nothing_is_stored_unless_all_is_good(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    good = write(tmp_path, "{kind: value, id: good, value: 1}", "good.yaml")
    write(tmp_path / "more", "{kind: value, id: bad, value: []}\n---\n{kind: vlue, id: x}", "bad.yaml")
    write(tmp_path / "more", "kind: [", "worse.yaml")
    with pytest.raises(InvalidDocuments) as caught:
        apply_documents(connection, sample_catalogue, [good, tmp_path / "more"])
    assert list_documents(connection, "value") == []
    places = sorted(str(problem.where).removeprefix(f"{tmp_path}/more/") for problem in caught.value.problems)
    assert places == ["bad.yaml:1: value bad: value", "bad.yaml:3: kind", "worse.yaml:2"]
    assert "2 more problems" in str(caught.value)


def test_a_document_that_stands_twice_is_refused(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(InvalidDocuments, match="documents.yaml:3: value a: the document stands twice in this call .see .*documents.yaml:1"):
        apply_text(connection, sample_catalogue, tmp_path, "{kind: value, id: a, value: 1}\n---\n{kind: value, id: a, value: 2}")


def test_json_files_are_applied_too(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text(json.dumps([{"kind": "value", "id": "a", "owner": "o", "value": [1, 2]}, {"kind": "value", "id": "b", "value": "x"}]))
    assert [done.id for done in apply_documents(connection, sample_catalogue, [path])] == ["a", "b"]


def test_owner_is_kept_given_or_whoever_applies(
    connection: Connection, sample_catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "{kind: value, id: a, value: 1}")
    monkeypatch.setenv("LOGNAME", "anna")
    apply_documents(connection, sample_catalogue, [path])
    assert show_document(connection, "value", "a").owner == "anna"
    monkeypatch.setenv("LOGNAME", "ben")
    assert apply_documents(connection, sample_catalogue, [path])[0].action == "unchanged"
    write(tmp_path, "{kind: value, id: a, value: 2}")
    apply_documents(connection, sample_catalogue, [path], owner="chris")
    assert show_document(connection, "value", "a").owner == "anna"
    write(tmp_path, "{kind: value, id: a, owner: dora, value: 2}")
    assert apply_documents(connection, sample_catalogue, [path])[0].action == "changed"
    assert show_document(connection, "value", "a").owner == "dora"


def test_without_any_owner_a_document_is_refused(
    connection: Connection, sample_catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_user() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr(written.getpass, "getuser", no_user)
    with pytest.raises(InvalidDocuments, match="value a: key 'owner' is missing"):
        apply_documents(connection, sample_catalogue, [write(tmp_path, "{kind: value, id: a, value: 1}")])


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("{kind: value, id: popular, value: many}", "strategy greetings: objects.post.all[0].value: 'many' does not fit type int64"),
        (
            "{kind: rule, id: spam-free, entity: user, logic: {feature: name, match: contains, value: x}}",
            "strategy greetings: objects.post.all[1]: rule 'spam-free' is for entity user, not post",
        ),
        (
            "{kind: feature, id: title-ocr, entity: user, concat: [name, bio]}",
            "strategy greetings: objects.post.all[2].feature: feature 'title-ocr' is of entity user, not post",
        ),
        (
            "{kind: word_list, id: farewell, words: [bye], exempt: [bye now]}",
            "word_list hello: exempt: word list 'farewell' has exemptions itself",
        ),
    ],
)
def test_a_change_must_not_break_what_refers_to_it(
    connection: Connection, sample_catalogue: Catalogue, tmp_path: Path, change: str, problem: str
) -> None:
    with pytest.raises(InvalidDocuments) as caught:
        apply_text(connection, sample_catalogue, tmp_path, change)
    assert problem in [str(found).split(" (")[0].removeprefix("stored: ") for found in caught.value.problems]
    # Together with a referrer that fits again it is accepted.
    if "many" in change:
        fitting = DOCUMENTS.replace('match: ">=", value: {value: popular}', 'match: ">=", value: 5')
        fitting = fitting.replace("{kind: value, id: popular, value: 100}", change)
        assert actions(apply_text(connection, sample_catalogue, tmp_path, fitting))["value popular"] == (2, "changed")


@pytest.mark.usefixtures("applied")
def test_what_is_referred_to_can_be_neither_archived_nor_deleted(connection: Connection) -> None:
    for kind, id_, user in (
        ("value", "popular", "strategy greetings"),
        ("rule", "spam-free", "strategy greetings"),
        ("feature", "title-ocr", "strategy greetings"),
        ("word_list", "hello", "strategy greetings"),
        ("word_list", "farewell", "word_list hello"),
    ):
        with pytest.raises(Conflict, match=f"{kind} {id_} cannot be archived: {user} refers to it"):
            archive_document(connection, kind, id_)
        with pytest.raises(Conflict, match=rf"{kind} {id_} cannot be deleted: {user} \(version 1\) refers to it"):
            delete_document(connection, kind, id_)
        assert not show_document(connection, kind, id_).is_archived


@pytest.mark.usefixtures("applied")
def test_after_its_users_are_archived_a_document_can_be_archived_but_not_deleted(connection: Connection) -> None:
    archive_document(connection, "strategy", "greetings")
    archived = archive_document(connection, "value", "popular")
    assert archived.is_archived
    assert archive_document(connection, "value", "popular").archived_at == archived.archived_at
    assert list_documents(connection, "value") == []
    assert [found.id for found in list_documents(connection, "value", include_archived=True)] == ["popular"]
    with pytest.raises(Conflict, match="cannot be deleted"):
        delete_document(connection, "value", "popular")
    delete_document(connection, "strategy", "greetings")
    delete_document(connection, "value", "popular")
    assert find_document(connection, "value", "popular") is None
    with pytest.raises(NotFound, match="there is no value 'popular'"):
        delete_document(connection, "value", "popular")


@pytest.mark.usefixtures("applied")
def test_only_an_old_version_refers(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    apply_text(connection, sample_catalogue, tmp_path, "{kind: word_list, id: hello, owner: greeter, words: [hello, hi]}")
    with pytest.raises(Conflict, match=r"word_list hello \(version 1\) refers to it"):
        delete_document(connection, "word_list", "farewell")
    assert archive_document(connection, "word_list", "farewell").is_archived


@pytest.mark.usefixtures("applied")
def test_nothing_new_may_refer_to_an_archived_document(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    archive_document(connection, "strategy", "greetings")
    archive_document(connection, "word_list", "hello")
    user = """
        kind: strategy
        id: new
        products: "*"
        objects: {post: {feature: title, match: matches, value: {word_list: hello}}}
        recall: post
    """
    with pytest.raises(InvalidDocuments, match="objects.post.value.word_list: word list 'hello' is archived"):
        apply_text(connection, sample_catalogue, tmp_path, user)
    restored = "\n---\n{kind: word_list, id: hello, owner: greeter, words: [hello, hi], exempt: [{word_list: farewell}]}"
    write(tmp_path, restored, "list.yaml")
    write(tmp_path, user, "user.yaml")
    paths = [tmp_path / "user.yaml", tmp_path / "list.yaml"]
    assert actions(apply_documents(connection, sample_catalogue, paths, dry_run=True))["word_list hello"] == (1, "restored")
    assert show_document(connection, "word_list", "hello").is_archived
    assert actions(apply_documents(connection, sample_catalogue, paths))["word_list hello"] == (1, "restored")
    assert not show_document(connection, "word_list", "hello").is_archived


@pytest.mark.usefixtures("applied")
def test_a_new_version_makes_an_archived_document_active(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    archive_document(connection, "strategy", "greetings")
    archive_document(connection, "value", "popular")
    apply_text(connection, sample_catalogue, tmp_path, "{kind: value, id: popular, value: 5}")
    assert [found.is_archived for found in versions_of(connection, "value", "popular")] == [False, False]


def test_unknown_kinds_documents_and_versions_are_named(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    apply_text(connection, sample_catalogue, tmp_path, DOCUMENTS)
    with pytest.raises(InvalidInput, match="'strategies' is no kind of document .did you mean 'strategy'"):
        list_documents(connection, "strategies")
    with pytest.raises(NotFound, match="there is no strategy 'greeting' .did you mean 'greetings'"):
        show_document(connection, "strategy", "greeting")
    with pytest.raises(NotFound, match="strategy greetings has no version 7 .its newest version is 1"):
        show_document(connection, "strategy", "greetings", 7)


@pytest.mark.usefixtures("applied")
def test_a_version_that_somebody_else_stored_first_is_refused(connection: Connection) -> None:
    stored = show_document(connection, "value", "popular")
    with pytest.raises(Conflict, match="somebody else stored version 1 of value popular"):
        store_version(connection, StoredDocument(**stored.__dict__), [])


def test_warnings_of_word_lists_are_handed_back(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    text = "{kind: word_list, id: full, transforms: [normalize], words: [１００, plain]}"
    (done,) = apply_text(connection, sample_catalogue, tmp_path, text)
    assert len(done.warnings) == 1
    assert done.warnings[0].startswith("word 1, '１００': ")


def test_an_alias_bomb_of_references_is_cut_short(connection: Connection, sample_catalogue: Catalogue, tmp_path: Path) -> None:
    """Rules that double twenty times would be a million; reading stops at the bound."""
    rules = ["{kind: rule, id: r0, entity: post, logic: {feature: title, match: contains, value: x}}"]
    rules += [
        f"{{kind: rule, id: r{place + 1}, entity: post, logic: {{any: [{{rule: r{place}}}, {{rule: r{place}}}]}}}}" for place in range(11)
    ]
    with pytest.raises(InvalidDocuments, match="rule r10: logic: the logic has more than 1,000 rules"):
        apply_text(connection, sample_catalogue, tmp_path, "\n---\n".join(rules))


@pytest.mark.usefixtures("applied")
def test_documents_are_the_same_on_postgresql(
    connection: Connection, postgres_database: str, sample_catalogue: Catalogue, tmp_path: Path
) -> None:
    """Unicode, escapes and key order survive; archiving and deleting are refused alike."""
    text = DOCUMENTS + '\n---\n{kind: word_list, id: odd, words: ["北京 😀", "tab\\there", "nul\\0"]}'
    apply_text(connection, sample_catalogue, tmp_path, text)
    engine = create_engine(postgres_database.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as other:
            metadata.create_all(other)
            apply_text(other, sample_catalogue, tmp_path, text)
            assert set(actions(apply_text(other, sample_catalogue, tmp_path, text)).values()) == {(1, "unchanged")}
            for kind in ("strategy", "word_list", "value"):
                ours, theirs = ([(found.id, dict(found.body)) for found in list_documents(each, kind)] for each in (connection, other))
                assert ours == theirs
            with pytest.raises(Conflict, match="strategy greetings refers to it"):
                archive_document(other, "value", "popular")
            delete_document(other, "strategy", "greetings")
            assert other.execute(document_table.select().where(document_table.c.kind == "strategy")).all() == []
    finally:
        engine.dispose()
