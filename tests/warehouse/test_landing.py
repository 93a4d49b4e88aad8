"""Landing as its users see it: real data, summaries, one step that all see or none, turns, and refusals in one line."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import yaml

from srp_assets.errors import Conflict, InvalidInput, Unavailable
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse import landing, registry, stage
from srp_assets.warehouse.catalogue import Catalogue, load_catalogue
from srp_assets.warehouse.landing import ingest, land_batches
from srp_assets.warehouse.landing_files import read_rejects
from srp_assets.warehouse.periods import UNKNOWN


def lines(path: Path, *rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def post(number, **columns):
    return {"post_id": number, "created_at": "2024-01-05", **columns}


def comment(number, on, **columns):
    return {"comment_id": number, "on_id": on, "created_at": "2024-02-05", **columns}


@pytest.fixture
def land(engine, storage, town, tmp_path):
    def _land(entity, *rows, product="alpha"):
        path = lines(tmp_path / "rows.jsonl", *rows)
        return ingest(engine, storage, town, reader="jsonl", source=path, product=product, entity=entity)

    return _land


def stored_rows(engine, storage, entity, product="alpha"):
    with engine.connect() as connection:
        keys = [(entity, product, period) for period in registry.landed_periods(connection, entity, product)]
        files = registry.landing_files(connection, keys, registry.last_ingest(connection))
    return [row for paths in files.values() for path in paths for row in storage.read(path).to_pylist()]


def ingest_states(connection):
    return connection.execute(sa.select(registry.ingest.c.state).order_by(registry.ingest.c.ingest_id)).scalars().all()


def test_the_summary_tells_each_row_once(engine, land):
    first = land("comment", comment(1, 7), comment(2, 8), comment(2, 8), {"comment_id": None})
    assert first.as_dict() == {
        "product": "alpha",
        "landed": {"comment": 0},
        "duplicates": 1,
        "pending": 2,
        "rejected": {"missing key": 1},
    }
    second = land("post", post(7), post(7), post(9, level="middle"))
    assert second.as_dict() == {
        "product": "alpha",
        "landed": {"comment": 1, "post": 1},
        "duplicates": 1,
        "pending": 0,
        "rejected": {"not an allowed value: level": 1},
    }
    assert second.resolved == 1
    with engine.connect() as connection:
        assert registry.last_ingest(connection) == second.ingest_id
        assert registry.products(connection) == ["alpha"]
        assert registry.landed_periods(connection, "comment") == ["2024-02"]
        assert registry.landed_periods(connection, "comment", "beta") == []


def test_a_row_that_waited_keeps_when_it_landed_and_where_it_is_from(engine, storage, land, tmp_path):
    first = land("comment", comment(1, 5, text="early"))
    land("answer", {"answer_id": 5, "post_id": 3, "created_at": "2024-01-01"})
    (row,) = stored_rows(engine, storage, "comment")
    with engine.connect() as connection:
        query = sa.select(registry.ingest.c.landed_at).where(registry.ingest.c.ingest_id == first.ingest_id)
        assert row["landed_at"] == connection.execute(query).scalar_one()
    assert (row["post_id"], row["answer_id"], row["parent_id"], row["text"]) == (3, 5, None, "early")
    assert (row["source"], row["source_row"]) == (str(tmp_path / "rows.jsonl"), 1)


def test_products_do_not_share_keys_or_roots(land):
    land("post", post(1), product="alpha")
    assert land("post", post(1), product="beta").landed == {"post": 1}
    assert land("post", post(2), product="gamma").landed == {"post": 1}
    assert land("comment", comment(1, 1), product="gamma").pending == 1


def test_rejects_keep_reason_source_and_raw_text(storage, land, tmp_path):
    path = tmp_path / "rows.jsonl"
    summary = land("post", post(1), post("x"), post(2, created_at="1999-01-01"), post(3, level="middle"))
    rejects = read_rejects(storage, summary.reject_files).to_pylist()
    assert [(row["reason"], row["period"], row["source_row"]) for row in rejects] == [
        ("wrong type: post_id", "2024-01", 2),
        ("time out of range: created_at", UNKNOWN, 3),
        ("not an allowed value: level", "2024-01", 4),
    ]
    assert {row["source"] for row in rejects} == {str(path)}
    assert [row["raw_text"] for row in rejects] == path.read_text().splitlines()[1:]
    assert {(row["ingest_id"], row["entity"], row["product"]) for row in rejects} == {(summary.ingest_id, "post", "alpha")}


def test_arrow_batches_land_as_they_are(engine, storage, town):
    batch = pa.record_batch(
        {"post_id": [1, 2, None], "created_at": pa.array([datetime(2024, 3, 1, tzinfo=UTC)] * 3), "title": ["a", "b", "c"]}
    )
    summary = land_batches(engine, storage, town, product="alpha", batches=[("post", batch)], source="a program", reader="samples")
    assert summary.landed == {"post": 2}
    assert summary.rejected == {"missing key": 1}
    assert {row["source"] for row in stored_rows(engine, storage, "post")} == {"a program"}


def test_the_real_dumps(engine, storage, shared_data):
    catalogue = load_catalogue(PROJECT_ROOT / "examples" / "stackexchange" / "catalogue.yaml")
    for site in ("quantumcomputing", "french.meta", "conlang.meta"):
        folder = shared_data / "stackexchange" / site
        files = {name: list(ElementTree.parse(folder / f"{name}.xml").getroot()) for name in ("Posts", "Comments", "Users")}
        types = Counter(row.get("PostTypeId") for row in files["Posts"])
        first = ingest(engine, storage, catalogue, reader="stackexchange", source=folder, product=site)
        assert first.landed == {"post": types["1"], "answer": types["2"], "comment": len(files["Comments"]), "user": len(files["Users"])}
        assert first.rejected == {"unknown post type": len(files["Posts"]) - types["1"] - types["2"]}
        assert (first.duplicates, first.pending) == (0, 0)
        assert [Path(path).name for path in first.ignored] == ["Tags.xml", "Votes.xml"]

        questions = {row.get("Id") for row in files["Posts"] if row.get("PostTypeId") == "1"}
        parents = {row.get("Id"): row.get("ParentId") for row in files["Posts"] if row.get("PostTypeId") == "2"}
        expected = {int(row.get("Id")): int(parents.get(row.get("PostId"), row.get("PostId"))) for row in files["Comments"]}
        found = stored_rows(engine, storage, "comment", site)
        assert {row["comment_id"]: row["post_id"] for row in found} == expected
        assert all((str(row["on_id"]) in questions) == (row["answer_id"] is None) for row in found)

        again = ingest(engine, storage, catalogue, reader="stackexchange", source=folder, product=site)
        assert sum(again.landed.values()) == 0
        assert again.duplicates == sum(first.landed.values())


SHOP_LINE = {
    "invoice": {"kind": "id", "required": True, "sources": ["Invoice", "InvoiceNo"], "description": "invoice"},
    "stock_code": {"kind": "id", "required": True, "sources": ["StockCode"], "description": "article"},
    "quantity": {"kind": "metric", "required": True, "sources": ["Quantity"], "description": "pieces"},
    "price": {"kind": "metric", "type": "float64", "sources": ["Price", "UnitPrice"], "description": "pounds"},
    "customer": {"kind": "id", "sources": ["CustomerID"], "description": "who bought"},
    "country": {"kind": "enum", "sources": ["Country"], "description": "where to"},
    "sold_at": {"kind": "time", "required": True, "sources": ["InvoiceDate"], "formats": ["%m/%d/%y %H:%M"], "description": "when"},
}


def shop(**changes) -> Catalogue:
    line = {"description": "an invoice line", "key": ["invoice", "stock_code"], "bucket_key": "invoice", "publish_time": "sold_at"}
    declared = {
        "name": "shop",
        "products": ["uk"],
        "partition_unit": "month",
        "first_period": "2009-12",
        "entities": {"line": line | {"columns": SHOP_LINE}},
        "objects": {"line": {"entity": "line"}},
        "patterns": [{"objects": ["line"]}],
    }
    return Catalogue.model_validate(declared | changes)


def test_real_invoices(engine, storage, shared_data, tmp_path):
    tables = [pq.read_table(path) for path in sorted((shared_data / "online_retail").glob("*.parquet"))]
    rows = 0
    for number, table in enumerate(tables):
        pq.write_table(table.slice(table.num_rows - 20_000), tmp_path / f"{number}.parquet")
        rows += 20_000
    summary = ingest(engine, storage, shop(), reader="parquet", source=tmp_path, product="uk")
    assert summary.rejected == {}
    assert summary.landed["line"] + summary.duplicates == rows
    landed = stored_rows(engine, storage, "line", "uk")
    assert len(landed) == summary.landed["line"]
    raw = [row for table in tables for row in table.slice(table.num_rows - 20_000).to_pylist()]
    wanted = {
        (row.get("Invoice") or row["InvoiceNo"], row["StockCode"], str(int(row["CustomerID"])))
        for row in raw
        if row["CustomerID"] is not None and row["CustomerID"] == row["CustomerID"]
    }
    assert {(row["invoice"], row["stock_code"], row["customer"]) for row in landed if row["customer"]} == wanted
    formats = ["%Y-%m-%d %H:%M:%S"] * 20_000 + ["%m/%d/%y %H:%M"] * 20_000
    sold = {datetime.strptime(row["InvoiceDate"], format_).replace(tzinfo=UTC) for row, format_ in zip(raw, formats, strict=True)}
    assert {row["sold_at"] for row in landed} == sold


def test_nothing_is_visible_of_an_ingest_that_fails(engine, storage, town, land, tmp_path, monkeypatch):
    land("post", post(1))
    before = stored_rows(engine, storage, "post")
    files_before = sorted(path for path in Path(storage.location).rglob("*") if path.is_file())
    monkeypatch.setattr(landing, "commit_ingest", failing_commit)
    with pytest.raises(RuntimeError, match="in the last moment"):
        land("post", post(2), post("x"))
    monkeypatch.undo()
    assert stored_rows(engine, storage, "post") == before
    assert sorted(path for path in Path(storage.location).rglob("*") if path.is_file()) == files_before
    with engine.connect() as connection:
        assert connection.execute(sa.select(registry.ingest.c.state).order_by(registry.ingest.c.ingest_id)).scalars().all() == [
            "committed",
            "failed",
        ]
        assert registry.last_ingest(connection) == 1
    assert land("post", post(2)).landed == {"post": 1}


def failing_commit(*_arguments, **_named):
    raise RuntimeError("in the last moment")


DYING = """
import sys
from pathlib import Path
from resources.registry_database import open_registry
from srp_assets.settings import Settings
from srp_assets.warehouse import landing, stage
from srp_assets.warehouse.catalogue import load_catalogue
from srp_assets.warehouse.storage import Storage

def commit_never(*arguments, **named):
    print("at the commit", flush=True)
    sys.stdin.read()

landing.commit_ingest = commit_never
stage.MEMORY_BYTES = 1
settings = Settings()
landing.ingest(
    open_registry(settings), Storage(settings.warehouse_location), load_catalogue(Path(sys.argv[1])),
    reader="jsonl", source=Path(sys.argv[2]), product="alpha", entity="post",
)
"""


def test_a_killed_ingest_leaves_nothing_visible_and_nobody_waiting(engine, storage, town, land, tmp_path):
    catalogue = tmp_path / "town.yaml"
    catalogue.write_text(yaml.safe_dump(town.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    source = lines(tmp_path / "doomed.jsonl", post(1), post(2))
    command = [sys.executable, "-c", DYING, str(catalogue), str(source)]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline().strip() == "at the commit"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert stored_rows(engine, storage, "post") == []
    assert land("post", post(1)).landed == {"post": 1}
    with engine.connect() as connection:
        assert connection.execute(sa.select(registry.ingest.c.state).order_by(registry.ingest.c.ingest_id)).scalars().all() == [
            "failed",
            "committed",
        ]


def test_two_at_once_take_turns(engine, storage, town, tmp_path):
    start = Barrier(2)
    summaries = []

    def run(number):
        path = lines(tmp_path / f"{number}.jsonl", *(post(key, title=str(number)) for key in range(50)))
        start.wait()
        summaries.append(ingest(engine, storage, town, reader="jsonl", source=path, product="alpha", entity="post"))

    threads = [Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [summary.landed for summary in summaries] == [{"post": 50}, {"post": 50}]
    with engine.connect() as connection:
        times = connection.execute(sa.select(registry.ingest.c.landed_at).order_by(registry.ingest.c.ingest_id)).scalars().all()
    assert times == sorted(set(times))


def test_landing_times_ascend_even_if_the_clock_does_not(engine, land):
    land("post", post(1))
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with engine.begin() as connection:
        connection.execute(registry.ingest.update().values(landed_at=ahead))
    land("post", post(1, title="newer"))
    with engine.connect() as connection:
        times = connection.execute(sa.select(registry.ingest.c.landed_at).order_by(registry.ingest.c.ingest_id)).scalars().all()
    assert times[1] == ahead + timedelta(microseconds=1)


@pytest.mark.parametrize("memory", [stage.MEMORY_BYTES, 1], ids=["in memory", "on disk"])
def test_a_place_that_cannot_be_written_is_one_clear_line(engine, storage, land, monkeypatch, memory):
    monkeypatch.setattr(stage, "MEMORY_BYTES", memory)
    Path(storage.location).parent.mkdir(parents=True, exist_ok=True)
    Path(storage.location).write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot write") as caught:
        land("post", post(1))
    assert "\n" not in str(caught.value)
    assert "SRP_HOME" in str(caught.value)
    with engine.connect() as connection:
        assert ingest_states(connection) == ["failed"]


def test_a_registry_that_cannot_be_written_is_one_clear_line(settings, storage, town, tmp_path, engine):
    read_only = sa.create_engine(f"sqlite:///file:{settings.home_folder / 'registry.sqlite'}?mode=ro&uri=true")
    with pytest.raises(Unavailable, match="the registry cannot be written"):
        ingest(read_only, storage, town, reader="jsonl", source=lines(tmp_path / "a.jsonl", post(1)), product="alpha", entity="post")
    read_only.dispose()


def test_unknown_products_and_entities_are_refused(engine, storage, tmp_path, town):
    source = lines(tmp_path / "a.jsonl", post(1))
    with pytest.raises(InvalidInput, match="unknown product"):
        ingest(engine, storage, shop(), reader="jsonl", source=source, product="us")
    with pytest.raises(InvalidInput, match="did you mean 'post'"):
        land_batches(engine, storage, town, product="a", batches=[("pots", pa.record_batch({"post_id": [1]}))], source="s", reader="r")


def test_a_home_is_bound_to_its_catalogue(engine, storage, land, tmp_path, town):
    land("post", post(1))
    source = lines(tmp_path / "a.jsonl", {"InvoiceNo": 1})
    with pytest.raises(Conflict, match="bound to the catalogue 'town'"):
        ingest(engine, storage, shop(), reader="jsonl", source=source, product="uk")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"products": ["uk", "us"]}, None),
        ({"first_period": "2009-11"}, None),
        ({"objects": {"line": {"entity": "line"}, "any_line": {"entity": "line", "visibility": "all"}}}, None),
        ({"first_period": "2010-01"}, "first_period"),
        ({"partition_unit": "year", "first_period": "2009"}, "partition_unit"),
        ({"entities": {"line": {**shop().model_dump()["entities"]["line"], "buckets": 2}}}, "entities.line.buckets"),
        (
            {"entities": {"line": {**shop().model_dump()["entities"]["line"], "columns": dict(list(SHOP_LINE.items())[::-1])}}},
            "entities.line.columns",
        ),
    ],
)
def test_a_catalogue_may_change_where_nothing_must_be_built_again(engine, changes, refused):
    with engine.begin() as connection:
        registry.bind_catalogue(connection, shop())
        if refused is None:
            registry.bind_catalogue(connection, shop(**changes))
            assert connection.execute(sa.select(registry.home.c.catalogue_digest)).scalar_one() == shop(**changes).digest
        else:
            with pytest.raises(Conflict, match=refused):
                registry.bind_catalogue(connection, shop(**changes))
