"""Reports put together from what is kept: statistics, cases and marks, each where it lies; no Spark is needed for them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from sqlalchemy import Engine

from srp_assets.errors import Unavailable
from srp_assets.insights.intervals import Proportion
from srp_assets.insights.marks import CaseKey, Mark
from srp_assets.insights.recommend.proposal import ExpectedPrecision, Proposal, Recommendation
from srp_assets.insights.registry_marks import add_marks
from srp_assets.insights.registry_statistics import CountedTask, StatisticsRecord, record_statistics
from srp_assets.insights.report.building import Reports, write_page
from srp_assets.insights.statistics.keeping import OVERLAP_SCHEMA, OVERLAPS, SAMPLE_SCHEMA, SAMPLES, SILENCED, SILENCED_SCHEMA, TALLIES
from srp_assets.insights.statistics.tallies import Tallies
from srp_assets.recall import registry
from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage
from support.recall import add_task, later, popular

BATCH = "20260301-120000-abcd"
CASES = "cases/x/attempt-1/cases"
EXPECTED = ExpectedPrecision(Proportion(0.9, 0.8, 0.95, 80.0), "new rows", 90)
WHALE = Recommendation("whale", "add", 5.0, 10, 20, EXPECTED, ("a whale",), "more often than elsewhere", True)
PROPOSAL = Proposal("t-1", "animals", 1, (WHALE,), EXPECTED, 200, 1_000, 5_000, ())


@pytest.fixture
def task_id(engine: Engine, storage: Storage, sample_catalogue: Catalogue) -> str:
    """A finished task of three cases that was counted."""
    with engine.begin() as connection:
        task_id = add_task(connection, sample_catalogue, strategy=popular("post"))
        connection.execute(registry.recall_batch.insert().values(batch_id=BATCH, state="done", created_at=later(0), attempt=1))
        connection.execute(
            registry.recall_task.update()
            .where(registry.recall_task.c.task_id == task_id)
            .values(state="done", batch_id=BATCH, cases=3, complete=True, cases_folder=CASES, finished_at=later(9))
        )
    cases = pa.Table.from_pylist([_case(task_id, number) for number in range(3)], schema=CASE_SCHEMA)
    storage.write(f"{CASES}/cases.parquet", cases)
    tallies = Tallies(sample_catalogue)
    for batch in cases.to_batches():
        tallies.add(batch)
    record = StatisticsRecord(BATCH, "insights/b/1", "cases/x/insights/1", {task_id: CountedTask(CASES, 0, None)}, later(10), 1.5, None)
    storage.write(f"{record.folder}/{TALLIES}", pa.Table.from_batches(tallies.handed_on()))
    storage.write(f"{record.folder}/{OVERLAPS}", OVERLAP_SCHEMA.empty_table())
    storage.write(f"{record.folder}/{SILENCED}", SILENCED_SCHEMA.empty_table())
    storage.write(f"{record.details_folder}/{SAMPLES}", SAMPLE_SCHEMA.empty_table())
    with engine.begin() as connection:
        record_statistics(connection, record)
    return task_id


def _case(task_id: str, number: int) -> dict:
    hit = {"object": "post", "feature": "title", "list": "words", "word": "shark", "spans": [[2, 7]], "parts": None, "crosses": None}
    return {
        "task_id": task_id,
        "product": "aurora",
        "object": "post",
        "id": str(number),
        "key_order": str(number),
        "root": str(number),
        "hits": [hit],
        "texts": [("post.title", "a shark")],
        "extra": json.dumps({"city": "Oslo"}),
        "joined": [],
        "facts": json.dumps({"view_count": 10**number, "created_at": "2024-01-02T00:00:00Z"}),
    }


def reports(engine: Engine, storage: Storage, catalogue: Catalogue, settings: Settings, task_id: str) -> Reports:
    record = StatisticsRecord(BATCH, "insights/b/1", "cases/x/insights/1", {task_id: CountedTask(CASES, 0, None)}, later(10), 1.5, None)
    return Reports(engine, storage, catalogue, settings, record)


def test_a_report_is_written_for_each_task_of_a_batch(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, settings: Settings, task_id: str
) -> None:
    written = reports(engine, storage, sample_catalogue, settings, task_id).write_all()
    assert written == {task_id: f"cases/x/insights/1/reports/{task_id}.html"}
    page = Path(storage.path(written[task_id])).read_text(encoding="utf-8")
    assert page.count("a <mark>shark</mark>") == 3
    assert "All 3 cases." in page
    assert "Precision" not in page


def test_marks_show_as_verdicts_and_precision(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, settings: Settings, task_id: str
) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    verdicts = ("right", "wrong", "right")
    marks = [Mark(task_id, CaseKey("aurora", "post", str(number)), verdict, None, "me", now) for number, verdict in enumerate(verdicts)]
    with engine.begin() as connection:
        add_marks(connection, marks)
    page = reports(engine, storage, sample_catalogue, settings, task_id).html(task_id, with_others=True)
    assert page.count("marked right") == 2
    assert page.count("marked wrong") == 1
    assert "<b>66.7%</b>precision (66.7% to 66.7%)" in page
    assert "all cases are marked: shares are exact" in page
    assert "The strategy over time" in page


def test_words_are_recommended_in_the_reports_of_tasks_whose_cases_are_marked(
    engine: Engine, storage: Storage, sample_catalogue: Catalogue, settings: Settings, task_id: str
) -> None:
    asked: list[str] = []

    def proposals(of_task: str) -> list[Proposal]:
        asked.append(of_task)
        return [PROPOSAL]

    pages = reports(engine, storage, sample_catalogue, settings, task_id)
    (path,) = pages.write_all(proposals).values()
    assert (asked, "more often than elsewhere" in Path(storage.path(path)).read_text(encoding="utf-8")) == ([], False)
    with engine.begin() as connection:
        add_marks(connection, [Mark(task_id, CaseKey("aurora", "post", "0"), "right", None, "me", datetime(2026, 3, 2, tzinfo=UTC))])
    (path,) = pages.write_all(proposals).values()
    assert (asked, "more often than elsewhere" in Path(storage.path(path)).read_text(encoding="utf-8")) == ([task_id], True)


def test_a_page_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot write"):
        write_page("<p>", tmp_path / "none" / "report.html")
    write_page("<p>", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "<p>"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
