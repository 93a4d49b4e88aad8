"""Puts a task's report together from what is kept of it, and writes it as a file. Needs no framework: the asset and the command call it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, Engine

from srp_assets.errors import InvalidInput, Unavailable
from srp_assets.insights.marking import precision_report
from srp_assets.insights.recommend.proposal import Proposal
from srp_assets.insights.recommend.recommending import recommend
from srp_assets.insights.registry_marks import task_marks
from srp_assets.insights.registry_statistics import StatisticsRecord
from srp_assets.insights.report.charts import task_pictures
from srp_assets.insights.report.page import ReportContent, report_html
from srp_assets.insights.statistics.keeping import KeptStatistics
from srp_assets.insights.statistics.over_time import StrategyStatistics, strategy_statistics
from srp_assets.progress import Progress
from srp_assets.recall import registry
from srp_assets.recall.cases import read_cases
from srp_assets.recall.registry import Task
from srp_assets.recall.service import Workshop
from srp_assets.settings import Settings
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.storage import Storage

SHOWN_CASES = 100
"""Cases that a report shows: more than anybody reads in a page, few enough to mail (`srp cases --export` has all)."""

MOST_WORDS = 30
"""Words to add that a report recommends at most (`srp lists recommend` has more)."""

REPORTS_FOLDER = "reports"
"""Folder of the reports among the details of a batch's statistics."""


class Reports:
    """The reports of the tasks of one batch.

    Args:
        engine: of the registry.
        storage: of the warehouse.
        catalogue: of the home.
        settings: of the home.
        record: the batch's statistics, up to date.
    """

    def __init__(self, engine: Engine, storage: Storage, catalogue: Catalogue, settings: Settings, record: StatisticsRecord) -> None:
        self._engine = engine
        self._storage = storage
        self._catalogue = catalogue
        self._settings = settings
        self.record = record
        self._kept = KeptStatistics.read(storage, record)

    def html(self, task_id: str, *, proposals: Sequence[Proposal] = (), with_others: bool = False) -> str:
        """The report of one task as a page.

        Args:
            task_id: the task.
            proposals: what is recommended for its lists.
            with_others: also tell of the other tasks of its strategy; their keys are read.
        """
        with self._engine.connect() as connection:
            task = registry.task(connection, task_id)
            over_time = strategy_statistics(connection, self._storage, task.strategy) if with_others else None
            content = self._content(connection, task, proposals, over_time)
        return report_html(content)

    def write_all(self, proposals: Callable[[str], Sequence[Proposal]] | None = None) -> dict[str, str]:
        """Writes the report of each task among the details of the batch; returns their paths, relative to the warehouse, by task.

        Args:
            proposals: gives what is recommended for the lists of a task whose cases are marked; it may take a scan. Nothing is
                recommended if None.
        """
        written = {}
        for task_id in self.record.tasks:
            path = f"{self.record.details_folder}/{REPORTS_FOLDER}/{task_id}.html"
            page = self.html(task_id, proposals=proposals(task_id) if proposals and self.is_marked(task_id) else ())
            self._storage.filesystem.create_dir(self._storage.path(path.rsplit("/", 1)[0]), recursive=True)
            with self._storage.filesystem.open_output_stream(self._storage.path(path)) as stream:
                stream.write(page.encode())
            written[task_id] = path
        return written

    def is_marked(self, task_id: str) -> bool:
        """Whether there are marks of a task's cases: what is recommended by default rests on them."""
        with self._engine.connect() as connection:
            return bool(task_marks(connection, task_id).marks)

    def _content(
        self, connection: Connection, task: Task, proposals: Sequence[Proposal], over_time: StrategyStatistics | None
    ) -> ReportContent:
        statistics = self._kept.of_task(connection, self._catalogue, task.task_id)
        marks = task_marks(connection, task.task_id)
        folder = task.cases_folder
        has_cases = folder is not None and statistics.cases > 0
        return ReportContent(
            task=task,
            statistics=statistics,
            pictures=task_pictures(statistics),
            cases=read_cases(self._storage, folder, task.task_id, limit=SHOWN_CASES) if folder is not None and has_cases else [],
            verdicts={case: mark.verdict for case, mark in marks.newest.items()},
            precision=precision_report(connection, task.task_id, threshold=self._settings.precision_threshold) if marks.marks else None,
            proposals=proposals,
            over_time=over_time,
        )


def recommended(workshop: Workshop, task_id: str, *, progress: Progress | None = None) -> list[Proposal]:
    """What is recommended for the word lists of a task; nothing where it looks for none of simple words. It takes a scan of its own."""
    try:
        found = recommend(
            workshop, task_id, list_id=None, most=MOST_WORDS, threshold=workshop.settings.precision_threshold, progress=progress
        )
    except InvalidInput:
        return []
    return [one.proposal for one in found]


def write_page(page: str, target: Path) -> None:
    """Writes a page to a file of the user's, whole or not at all.

    Raises:
        Unavailable: if it cannot be written.
    """
    partial = target.with_name(f".{target.name}.{uuid4().hex}.partial")
    try:
        partial.write_text(page, encoding="utf-8")
        partial.replace(target)
    except OSError as error:
        raise Unavailable(
            f"cannot write: {error.strerror or error}", where=str(target), remedy="choose another place, or free space"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
