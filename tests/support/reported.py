"""A report's content made by hand: statistics, cases and marks of a task, with any text wherever a user's text may stand."""

from datetime import UTC, datetime
from typing import Any

from srp_assets.insights.intervals import Proportion
from srp_assets.insights.marks import CaseKey
from srp_assets.insights.precision import Precision, PrecisionReport
from srp_assets.insights.recommend.proposal import ExpectedPrecision, Proposal, Recommendation
from srp_assets.insights.report.charts import task_pictures
from srp_assets.insights.report.page import ReportContent
from srp_assets.insights.statistics.buckets import Bucket
from srp_assets.insights.statistics.model import (
    Distribution,
    Line,
    Pair,
    SharedCases,
    SilencedList,
    TaskStatistics,
    Values,
)
from srp_assets.insights.statistics.over_time import SharedStrategy, StrategyRun, StrategyStatistics
from srp_assets.recall.registry import Task


def case(text: str, **more: Any) -> dict[str, Any]:
    """A case with the text in every place that users write to; the first four characters hit."""
    hit = {"object": "post", "feature": "title", "list": text, "word": text, "spans": [[0, 4]]}
    whole = {
        "product": text,
        "object": "post",
        "id": "7",
        "hits": [hit],
        "texts": {"post.title": text, "post.body": f"before {text} behind"},
        "extra": {"city": text, "view_count": 12, "tags": [text], "scores": None},
        "joined": {"comment": {"rows": 2, "keys": [text, "9"]}},
    }
    return whole | more


def statistics(text: str) -> TaskStatistics:
    """Statistics in which every name is the text."""
    return TaskStatistics(
        task_id="t-23456789",
        strategy=text,
        version=3,
        batch_id="20260101-000000-abcd",
        finished_at="2026-01-01T00:00:00Z",
        computed_at="2026-01-01T00:01:00Z",
        recall="post",
        cases=7,
        hits=9,
        withdrawn=1,
        products=(Line((text,), 7, 9),),
        periods=(Line(("2024-01",), 6, 8), Line((), 1, 1)),
        values=(Values("city", (Line((text,), 5, 6),), 2),),
        metrics=(Distribution("view_count", "views", ((Bucket(None, 100, "below 100"), 4), (Bucket(100, None, "100 and more"), 2)), 1),),
        objects=(Line(("post",), 7, 9),),
        features=(Line(("post", "title"), 7, 9),),
        lists=(Line((text,), 7, 9),),
        words=(Line((text, text), 7, 9), Line((text, "other"), 1, 1)),
        list_pairs=(Pair((text,), ("two",), 1),),
        word_pairs=(Pair((text, text), (text, "other"), 1),),
        unpaired=1,
        shared=(SharedCases("t-98765432", text, 3, 2),),
        silenced=(SilencedList(text, 1, 7, ((text, 1),), (case(text),)),),
        silenced_unknown=None,
    )


def task(text: str) -> Task:
    """A finished task whose names and note are the text."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Task(
        task_id="t-23456789",
        strategy=text,
        version=3,
        products=(text,),
        published_from=at,
        published_to=at,
        as_of_ingest=1,
        needs=(),
        state="done",
        batch_id="20260101-000000-abcd",
        attempts=1,
        submitted_at=at,
        batched_at=at,
        started_at=at,
        finished_at=at,
        cases=7,
        complete=False,
        note=text,
        error=None,
        cases_folder="cases/x",
        urgent=False,
        retried_at=None,
        realtime=False,
        follow=False,
        refills=0,
        refilled_at=None,
    )


def precision(text: str) -> PrecisionReport:
    """What marks say, of names that are the text."""
    rows = (
        Precision("task", "t-23456789", 4, 3, 1, 0, 0.75, 0.3, 0.95, 4.0, False),
        Precision("word", text, 2, 0, 2, 0, 0.0, 0.0, 0.4, 2.0, True),
        Precision("word", f"{text} again", 1, 0, 0, 1, None, None, None, 0.0, False),
    )
    return PrecisionReport("t-23456789", text, 3, 0.5, rows, 4, 0, 0, None, (text,))


def proposal(text: str) -> Proposal:
    """A recommendation whose term, reason and examples are the text."""
    expected = ExpectedPrecision(Proportion(0.8, 0.5, 0.9, 9.0), "cases", 9)
    added = Recommendation(text, "add", 3.2, 12, 5, expected, (text,), text)
    unknown = Recommendation(f"{text} too", "exempt", 1.0, 2, -1, ExpectedPrecision(None, "none", 0), (), "seen twice", chosen=False)
    return Proposal(
        task_id="t-23456789",
        list_id=text,
        version=3,
        recommendations=(added, unknown),
        expected_precision=expected,
        marks=9,
        texts=7,
        background=100,
        notes=(text,),
    )


def over_time(text: str) -> StrategyStatistics:
    """Two tasks of a strategy; the keys of the first are gone."""
    runs = [StrategyRun(f"t-{number}", 1, "b", None, (text,), 5, 5, number or None, ()) for number in range(2)]
    return StrategyStatistics(text, tuple(runs), 1, (), (SharedStrategy(text, 1),), ())


def content(text: str, *, drawn: bool = False) -> ReportContent:
    """Everything that a report may tell, of a text; charts, which take a while, only where they are wanted."""
    counted = statistics(text)
    return ReportContent(
        task=task(text),
        statistics=counted,
        pictures=task_pictures(counted) if drawn else [],
        cases=[case(text), case(text, id="8", texts={}, hits=[], joined={})],
        verdicts={CaseKey(text, "post", "7"): "right"},
        precision=precision(text),
        proposals=[proposal(text)],
        over_time=over_time(text),
    )
