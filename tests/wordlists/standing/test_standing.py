"""Hits of standing lists: what is recorded, when they are stale, what an interrupted run leaves, what the retention takes away."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from os import utime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from resources.registry_database import open_registry
from srp_assets.errors import Conflict, Unavailable
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import Build, BuildFile, current_builds, forget_builds, record_builds
from srp_assets.warehouse.schema import entity_schema
from srp_assets.warehouse.storage import Storage
from srp_assets.wordlists.registry import StandingHits, current_hits, stale_hits
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList
from srp_assets.wordlists.standing.hit_files import read_hits
from srp_assets.wordlists.standing.keeping import bring_hits_up_to_date, delete_old_hits, pieces_of
from srp_assets.wordlists.standing.lists import entities_with_texts, hits_digest, list_digest, text_features
from support.recall import START
from support.standing import write_hits_here
from support.world import comment

THANKS = ResolvedList(id="thanks", version=1, words=("thanks", "merci"))
PRAISE = ResolvedList(id="praise", version=4, words=("great",))


@pytest.fixture(autouse=True)
def _without_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srp_assets.wordlists.standing.plan_hits.write_hits", write_hits_here)


@pytest.fixture
def built(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> list[Build]:
    """Comments of January in two files and of February in one; nothing in March."""
    texts = [[["Thanks", "no"], ["merci, thanks", None]], [["great"]], []]
    return [record(engine, storage, sample_catalogue, f"2024-0{month}", files) for month, files in enumerate(texts, 1)]


def record(engine: Engine, storage: Storage, catalogue: Catalogue, period: str, files: Sequence[Sequence[str | None]]) -> Build:
    """A build of comments with these texts, file by file."""
    schema = entity_schema(catalogue.entities["comment"])
    written = []
    for number, texts in enumerate(files):
        path = f"builds/comment/run/{period}-{number}.parquet"
        storage.write(path, pa.Table.from_pylist([comment(place, 1, text=text) for place, text in enumerate(texts)], schema=schema))
        written.append(BuildFile(path, True, number, len(texts), 1))
    rows = sum(file.rows for file in written)
    build = Build(0, "comment", "aurora", period, 1, rows, 0, 0, 0, tuple(written), START, None)
    with engine.begin() as connection:
        return record_builds(connection, [build])[0]


def keep(
    engine: Engine, storage: Storage, catalogue: Catalogue, lists: Sequence[ResolvedList], periods: Sequence[str] = (), **more: Any
) -> list[StandingHits]:
    """Looks for lists in the comments of periods, of all by default."""
    chosen = periods or ["2024-01", "2024-02", "2024-03"]
    return bring_hits_up_to_date(lambda: None, engine, storage, catalogue, "comment", chosen, lists, **more)  # type: ignore[arg-type, return-value]


def stale(engine: Engine, catalogue: Catalogue, lists: Sequence[ResolvedList]) -> list[str]:
    """The periods whose hits are not those of the lists."""
    digest = hits_digest(text_features(catalogue.entities["comment"]), lists)
    with engine.connect() as connection:
        return [key.period for key in stale_hits(connection, entity="comment", digest=digest)]


def test_hits_are_kept_by_build_and_file(engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """A record says what was looked for in how many rows; a file has the hits of all files of its build; one without hits is not there."""
    january, february, march = keep(engine, storage, sample_catalogue, [THANKS, PRAISE], run_id="run")
    assert [(hits.build_id, hits.rows, hits.hits, len(hits.files)) for hits in (january, february, march)] == [
        (built[0].build_id, 4, 3, 1),
        (built[1].build_id, 1, 1, 1),
        (built[2].build_id, 0, 0, 0),
    ]
    assert [(mark.id, mark.version) for mark in january.lists] == [("thanks", 1), ("praise", 4)]
    assert january.features == text_features(sample_catalogue.entities["comment"])
    assert january.run_id == "run"
    path = january.path_of(0)
    assert path is not None
    assert path == january.path_of(1)
    found = [read_hits(storage, path, file).to_pylist() for file in (0, 1)]
    names = ("file", "row", "feature", "list", "word")
    assert found == [
        [dict(zip(names, (0, 0, "text", "thanks", 0), strict=True))],
        [dict(zip(names, (1, 0, "text", "thanks", word), strict=True)) for word in (0, 1)],
    ]


def test_a_large_build_has_its_hits_in_several_files(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One Spark task never has to read much more than another; the record knows which file is about which."""
    monkeypatch.setattr("srp_assets.wordlists.standing.keeping.SLOT_BYTES", 1)
    assert [piece.files for piece in pieces_of(built, "hits/comment/run")] == [(0,), (1,), (0,)]
    january, *_ = keep(engine, storage, sample_catalogue, [THANKS])
    assert [file.built_files for file in january.files] == [(0,), (1,)]
    assert january.path_of(0) != january.path_of(1)


def test_what_makes_hits_stale(engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """Missing hits, a new build, another set of lists, other words, or other words of a list that it exempts by; not a new topic."""
    everything = ["2024-01", "2024-02", "2024-03"]
    assert stale(engine, sample_catalogue, []) == []
    assert stale(engine, sample_catalogue, [THANKS]) == everything
    keep(engine, storage, sample_catalogue, [THANKS], ["2024-01", "2024-03"])
    assert stale(engine, sample_catalogue, [THANKS]) == ["2024-02"]
    keep(engine, storage, sample_catalogue, [THANKS])
    assert stale(engine, sample_catalogue, [THANKS]) == []
    assert stale(engine, sample_catalogue, [THANKS.model_copy(update={"version": 2})]) == []
    exempt = THANKS.model_copy(update={"exempt": (ExemptGroup(words=("no thanks",)),)})
    for lists in ([], [PRAISE], [THANKS, PRAISE], [exempt], [THANKS.model_copy(update={"words": ("thanks",)})]):
        assert stale(engine, sample_catalogue, lists) == everything
    record(engine, storage, sample_catalogue, "2024-02", [["thanks"]])
    assert stale(engine, sample_catalogue, [THANKS]) == ["2024-02"]
    assert [hits.hits for hits in keep(engine, storage, sample_catalogue, [THANKS], only_changed=True)] == [3, 1, 0]
    assert stale(engine, sample_catalogue, [THANKS]) == []


def test_only_changed_scans_nothing_twice(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there is left alone; asked for without that, the same is found again; without lists all is taken out of use."""
    first = keep(engine, storage, sample_catalogue, [THANKS])
    again = keep(engine, storage, sample_catalogue, [THANKS])
    assert [hits.hits_id for hits in first] != [hits.hits_id for hits in again]
    assert [(hits.build_id, hits.rows, hits.hits, hits.digest) for hits in first] == [
        (hits.build_id, hits.rows, hits.hits, hits.digest) for hits in again
    ]
    monkeypatch.setattr("srp_assets.wordlists.standing.plan_hits.write_hits", None)
    assert keep(engine, storage, sample_catalogue, [THANKS], only_changed=True) == again
    assert keep(engine, storage, sample_catalogue, []) == []
    assert stale(engine, sample_catalogue, []) == []


@pytest.mark.parametrize("failure", [Unavailable("Spark died"), KeyboardInterrupt()])
def test_an_interrupted_run_leaves_what_was_kept(
    engine: Engine,
    storage: Storage,
    sample_catalogue: Catalogue,
    built: list[Build],
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    """Files that were written before go too, and the registry still names the old ones."""
    before = keep(engine, storage, sample_catalogue, [THANKS])

    def die(*arguments: Any) -> Any:
        write_hits_here(*arguments)
        raise failure

    monkeypatch.setattr("srp_assets.wordlists.standing.plan_hits.write_hits", die)
    folders = storage.folders("hits/comment")
    with pytest.raises(type(failure)):
        keep(engine, storage, sample_catalogue, [PRAISE])
    assert storage.folders("hits/comment") == folders
    with engine.connect() as connection:
        assert list(current_hits(connection, entity="comment").values()) == before


def test_lost_rows_are_refused(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hits of fewer rows than the build has never count."""

    def lose_one(*arguments: Any) -> Any:
        first, *others = write_hits_here(*arguments)
        return [first._replace(rows=first.rows - 1), *others]

    monkeypatch.setattr("srp_assets.wordlists.standing.plan_hits.write_hits", lose_one)
    with pytest.raises(Conflict, match="comment of aurora in 2024-01: 3 of 4 rows were scanned"):
        keep(engine, storage, sample_catalogue, [THANKS])
    assert storage.folders("hits/comment") == []
    with engine.connect() as connection:
        assert current_hits(connection, entity="comment") == {}


def test_retention(engine: Engine, storage: Storage, settings: Settings, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """Replaced hits stay for the scans that read them, then go; so do those of a build that is gone, and what broken-off runs left."""
    first = keep(engine, storage, sample_catalogue, [THANKS])
    second = keep(engine, storage, sample_catalogue, [THANKS, PRAISE])
    left = f"hits/comment/{'0' * 32}"
    storage.write(f"{left}/7/hits-00000.parquet", pa.table({"a": [1]}))
    old = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    for path in [*Path(storage.path(left)).rglob("*"), Path(storage.path(left))]:
        utime(path, (old, old))
    now = datetime.now(UTC)
    assert delete_old_hits(engine, storage, now - timedelta(hours=1)) == (0, 1)
    assert not storage.exists(left)
    assert all(storage.exists(file.path) for hits in first for file in hits.files)
    assert delete_old_hits(engine, storage, now + timedelta(hours=1)) == (3, 0)
    assert not any(storage.exists(file.path) for hits in first for file in hits.files)
    assert all(storage.exists(file.path) for hits in second for file in hits.files)
    record(engine, storage, sample_catalogue, "2024-01", [["thanks"]])
    with engine.begin() as connection:
        forget_builds(connection, [built[0]])
        assert built[0].build_id not in [build.build_id for build in current_builds(connection, entity="comment")]
    assert delete_old_hits(engine, storage, now - timedelta(hours=1)) == (1, 0)
    assert [storage.exists(file.path) for hits in second for file in hits.files] == [False, True]


def test_a_lost_file_of_hits_is_named(engine: Engine, storage: Storage, sample_catalogue: Catalogue, built: list[Build]) -> None:
    """Never silently no hits."""
    january, *_ = keep(engine, storage, sample_catalogue, [THANKS])
    path = str(january.path_of(0))
    Path(storage.path(path)).write_bytes(b"PAR1")
    with pytest.raises(Unavailable, match="the hits of standing lists cannot be read"):
        read_hits(storage, path, 0)


def test_what_is_looked_for(sample_catalogue: Catalogue) -> None:
    """Every text of every entity, composites of the catalogue among them; a digest is that of what is found, not of its name."""
    entity = sample_catalogue.entities["post"]
    features = text_features(entity)
    assert features["title"] == ("title",)
    assert features["title_body"] == ("title", "body")
    assert {name for name, parts in features.items() if len(parts) == 1} == {
        name for name, column in entity.columns.items() if column.kind == "text"
    }
    assert set(entities_with_texts(sample_catalogue)) <= set(sample_catalogue.entities)
    assert list_digest(THANKS) == list_digest(THANKS.model_copy(update={"id": "other", "version": 9}))
    assert hits_digest(features, [THANKS, PRAISE]) == hits_digest(features, [PRAISE, THANKS])
    assert hits_digest(features, []) is None
    assert hits_digest({}, [THANKS]) is None


def test_hits_are_switched_alike_on_postgresql(
    settings: Settings, postgres_database: str, storage: Storage, sample_catalogue: Catalogue
) -> None:
    """The other database of the registry keeps one current record a build too."""
    engine = open_registry(settings.model_copy(update={"database_url": SecretStr(postgres_database)}))
    build = record(engine, storage, sample_catalogue, "2024-01", [["thanks"], ["great"]])
    keep(engine, storage, sample_catalogue, [THANKS])
    (hits,) = keep(engine, storage, sample_catalogue, [THANKS, PRAISE])
    with engine.connect() as connection:
        assert current_hits(connection, entity="comment") == {build.build_id: hits}
    assert hits.hits == 2
    assert stale(engine, sample_catalogue, [THANKS]) == ["2024-01"]
    assert delete_old_hits(engine, storage, datetime.now(UTC) + timedelta(hours=1)) == (1, 0)
    engine.dispose()
