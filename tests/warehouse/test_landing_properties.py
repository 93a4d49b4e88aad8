"""Landing against the naive evaluator on generated ingests: versions that change, move, revert, tie, come late, wait for their root or
are wrong."""

import json
from collections import Counter
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.warehouse import key_index, landing_files, registry, stage
from srp_assets.warehouse.landing import ingest
from srp_assets.warehouse.landing_files import read_rejects
from srp_assets.warehouse.reference import DAWN, Warehouse
from srp_assets.warehouse.schema import landing_schema

NUMBERS = count()
DAYS = ["2024-01-31T23:59:59", "2024-02-01", "2024-02-01T00:00:00Z", "2024-03-05T10:00:00+02:00"]
WRONG_DAYS = ["1999-01-01", "9999-01-01", "yesterday", None, 5]
IDS = [1, 2, 3, "3", 4.0]


def rows_of(entity, /, **columns):
    return st.tuples(st.just(entity), st.fixed_dictionaries(columns) | st.fixed_dictionaries({}, optional=columns))


def mostly(good, bad):
    return st.sampled_from([value for value in good for _ in range(6)] + list(bad))


POSTS = rows_of(
    "post",
    post_id=mostly(IDS, ["x", None]),
    title=st.sampled_from(["a", "b", None, 7]),
    level=mostly(["low", "high", None], ["middle"]),
    tags=mostly([["a", "b"], [], None], ["a"]),
    scores=mostly([{"b": 1, "a": 0.5}, {}, None], [{"a": "much"}]),
    hidden=st.sampled_from([True, False, None]),
    created_at=mostly([*DAYS, "28/02/2024 13:30"], WRONG_DAYS),
    updated_at=mostly(["2024-05-01", "2024-06-01", None], ["2999-01-01"]),
)
ANSWERS = rows_of(
    "answer",
    answer_id=st.sampled_from([5, 6]),
    post_id=st.sampled_from([1, 2]),
    likes=st.sampled_from([0, 1, -1]),
    created_at=mostly(DAYS, WRONG_DAYS),
)
COMMENTS = rows_of(
    "comment",
    comment_id=st.sampled_from([7, 8, 9]),
    on_id=mostly([1, 2, 5, 6, 7, 8, 9, 99], [None]),
    post_id=mostly([None], [1]),
    text=st.sampled_from(["a", "b"]),
    created_at=mostly(DAYS, WRONG_DAYS),
)
MEMBERS = rows_of(
    "member",
    town=st.sampled_from(["a", "ab", 1]),
    name=st.sampled_from(["b", "", 2.0]),
    age=mostly([1, 2.5, "30", float("nan"), None], ["old", True]),
    joined_at=mostly(DAYS, WRONG_DAYS),
)
FEW_ANSWERS = rows_of(
    "answer",
    answer_id=st.just(5),
    post_id=st.just(1),
    likes=st.sampled_from([0, 1]),
    created_at=st.sampled_from(["2024-01-01", "2024-02-01"]),
)
FEW_COMMENTS = rows_of(
    "comment",
    comment_id=st.just(7),
    on_id=st.sampled_from([1, 5]),
    text=st.sampled_from(["a", "b"]),
    created_at=st.sampled_from(["2024-01-01", "2024-02-01"]),
)
FEW_POSTS = rows_of(
    "post",
    post_id=st.just(1),
    created_at=st.sampled_from(["2024-01-01", "2024-02-01"]),
    updated_at=st.sampled_from([None, "2024-03-01", "2024-04-01"]),
)
VERSIONS_OF_ONE_KEY = st.lists(st.lists(FEW_ANSWERS | FEW_COMMENTS | FEW_POSTS, max_size=3), min_size=2, max_size=6)
INGESTS = st.lists(st.lists(POSTS | ANSWERS | COMMENTS | MEMBERS, max_size=12), min_size=1, max_size=5)


def land(engine, storage, catalogue, folder, product, rows):
    """Lands rows of several entities in one ingest, by way of the reader of JSON Lines for each."""
    from srp_assets.warehouse import landing
    from srp_assets.warehouse.readers import json_lines
    from srp_assets.warehouse.readers.base import Request

    def read(request):
        for name in catalogue.entities:
            path = folder / f"{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for entity, row in rows if entity == name), encoding="utf-8")
            yield from json_lines.read(Request(path, catalogue, name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing, "reader_named", lambda _: read)
        return ingest(engine, storage, catalogue, reader="several", source=folder, product=product)


def landed_at_of(engine, ingest_id):
    with engine.connect() as connection:
        query = sa.select(registry.ingest.c.landed_at).where(registry.ingest.c.ingest_id == ingest_id)
        return connection.execute(query).scalar_one()


def landing_rows(engine, product, ingest_id=None):
    table = registry.landing
    query = sa.select(table).where(table.c.product == product)
    if ingest_id is not None:
        query = query.where(table.c.ingest_id == ingest_id)
    with engine.connect() as connection:
        return connection.execute(query).all()


def totals(engine, product):
    sums = {}
    for row in landing_rows(engine, product):
        counts = sums.setdefault((row.entity, row.product, row.period), Counter())
        counts.update({name: getattr(row, name) for name in ("landed", "stored", "tombstones", "duplicate", "pending", "rejected")})
    return {key: {name: value for name, value in counts.items() if value} for key, counts in sums.items()}


def expected_totals(world):
    return {
        key: {name: value for name, value in counts.items() if value}
        for key, partition in world.partitions.items()
        if (
            counts := {
                "landed": partition.landed,
                "stored": len(partition.stored),
                "tombstones": len(partition.tombstones),
                "duplicate": partition.duplicate,
                "pending": partition.pending,
                "rejected": partition.rejected,
            }
        )["landed"]
        or counts["tombstones"]
    }


def built_from_files(engine, storage, catalogue, product, key):
    """The table of a period as its landing files say: rows by key, newest first wins, tombstones win without a row."""
    entity = catalogue.entities[key[0]]
    with engine.connect() as connection:
        files = registry.landing_files(connection, [key], registry.last_ingest(connection))[key]
    newest = {}
    for path in files:
        table = storage.read(path)
        assert table.schema.equals(landing_schema(entity))
        for row in table.to_pylist(maps_as_pydicts="strict"):
            updated_at = (entity.updated_at and row[entity.updated_at]) or DAWN
            order = (updated_at, row["landed_at"], row["row_hash"])
            identity = tuple(row[name] for name in entity.key)
            if identity not in newest or order > newest[identity][0]:
                newest[identity] = (order, row)
    rows = [row for _, row in newest.values() if row["moved_to"] is None]
    own = [*entity.columns, "landed_at"]
    return sorted(({name: row[name] for name in own} for row in rows), key=lambda row: [row[name] for name in entity.key])


@pytest.fixture(params=["in memory", "in small pieces"])
def sizes(request, monkeypatch):
    if request.param == "in small pieces":
        monkeypatch.setattr(stage, "MEMORY_BYTES", 300)
        monkeypatch.setattr(landing_files, "BUFFERED_BYTES", 300)
        monkeypatch.setattr(landing_files, "REJECTS_BUFFERED", 2)
        monkeypatch.setattr(key_index, "MOST_RUNS", 2)
        monkeypatch.setattr(key_index, "MERGED_RUNS", 2)
        monkeypatch.setattr(key_index, "RUN_ROWS", 5)


@given(ingests=INGESTS | VERSIONS_OF_ONE_KEY)
def test_landing_does_what_the_reference_says(engine, storage, town, tmp_path, sizes, ingests):
    follows_the_reference(engine, storage, town, tmp_path, ingests)


def follows_the_reference(engine, storage, town, tmp_path, ingests):
    product = f"p{next(NUMBERS)}"
    world = Warehouse(town)
    reject_files = []
    for rows in [*ingests, ingests[-1]]:
        summary = land(engine, storage, town, tmp_path, product, rows)
        reject_files += summary.reject_files
        reopened = world.ingest(product, landed_at_of(engine, summary.ingest_id), rows)
        changed = landing_rows(engine, product, summary.ingest_id)
        assert {(row.entity, row.product, row.period) for row in changed if row.stored or row.tombstones} == reopened
        assert totals(engine, product) == expected_totals(world)
        settled = sum(summary.landed.values()) + summary.duplicates + summary.pending + sum(summary.rejected.values())
        assert settled == len(rows) + summary.resolved
    assert summary.resolved == 0 or sum(summary.landed.values())
    for key, partition in world.partitions.items():
        expected = [{name: value for name, value in row.items() if name != "visible"} for row in partition.table()]
        assert built_from_files(engine, storage, town, product, key) == expected
        assert partition.balanced
    kept = read_rejects(storage, reject_files)
    found = Counter(zip(*(kept.column(name).to_pylist() for name in ("entity", "product", "period", "reason")), strict=True))
    assert found == Counter(reject[:4] for reject in world.rejects)


LIKES_0, LIKES_1 = ({"answer_id": 5, "post_id": 1, "likes": likes, "created_at": "2024-01-01"} for likes in (0, 1))
ANSWER_OF_MARCH = {"answer_id": 5, "post_id": 1, "likes": 9, "created_at": "2024-03-01"}
WAITING = [{"comment_id": 7, "on_id": 1, "text": text, "created_at": day} for text in "ab" for day in ("2024-01-01", "2024-02-01")]
ROOT = {"post_id": 1, "created_at": "2024-01-01"}
ANSWER_OF_1, ANSWER_OF_2 = ({"answer_id": 5, "post_id": post_id, "created_at": "2024-01-01"} for post_id in (1, 2))
ON_ANSWER = {"comment_id": 7, "on_id": 5, "text": "a", "created_at": "2024-01-01"}


@pytest.mark.parametrize(
    "ingests",
    [
        pytest.param([[("answer", LIKES_0)], [("answer", LIKES_0), ("answer", LIKES_1)]], id="beside its like, first"),
        pytest.param([[("answer", LIKES_1)], [("answer", LIKES_0), ("answer", LIKES_1)]], id="beside its like, second"),
        pytest.param([[("answer", LIKES_0)], [("answer", ANSWER_OF_MARCH)], [("answer", LIKES_0)]], id="moves there and back"),
        pytest.param([[("answer", LIKES_0)], [("answer", LIKES_1)], [("answer", LIKES_0)]], id="reverts"),
        pytest.param([[("answer", LIKES_0)] * 3 + [("answer", LIKES_1)] * 3], id="several copies at once"),
        pytest.param([[("answer", ANSWER_OF_1)], [("answer", ANSWER_OF_2)], [("comment", ON_ANSWER)]], id="root moved to 2"),
        pytest.param([[("answer", ANSWER_OF_2)], [("answer", ANSWER_OF_1)], [("comment", ON_ANSWER)]], id="root moved to 1"),
        *(
            pytest.param([[("comment", row)] for row in order] + [[("post", ROOT)]], id=f"waits in order {number}")
            for number, order in enumerate([WAITING, WAITING[::-1], [WAITING[0], WAITING[1], WAITING[0]]])
        ),
    ],
)
def test_stories_that_chance_rarely_tells(engine, storage, town, tmp_path, ingests):
    follows_the_reference(engine, storage, town, tmp_path, ingests)


@given(rows=INGESTS | VERSIONS_OF_ONE_KEY)
def test_the_same_dump_again_changes_nothing(engine, storage, town, tmp_path, rows):
    product = f"q{next(NUMBERS)}"
    dump = [row for ingest_rows in rows for row in ingest_rows]
    land(engine, storage, town, tmp_path, product, dump)
    again = land(engine, storage, town, tmp_path, product, dump[::-1])
    assert not any(row.stored or row.tombstones or row.pending for row in landing_rows(engine, product, again.ingest_id))
    assert again.duplicates + sum(again.rejected.values()) == len(dump)
