"""The report of a task: one self-contained HTML page that needs no network and runs no script.

Texts come from whoever wrote to the platform, so the page trusts none of them: the template escapes everything, charts are images, there is
no link, and the page's own policy forbids whatever is not its style sheet or an image within it.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from srp_assets.insights.marks import CaseKey
from srp_assets.insights.precision import PrecisionReport
from srp_assets.insights.recommend.proposal import Proposal
from srp_assets.insights.report.charts import Picture, precision_picture, runs_picture
from srp_assets.insights.statistics.model import TaskStatistics
from srp_assets.insights.statistics.over_time import StrategyStatistics
from srp_assets.recall.registry import Task
from srp_assets.strategy.times import iso_utc
from srp_assets.wordlists.marking import Place, for_html

PACKAGE = "srp_assets.insights.report"

TEXT_LENGTH = 1_200
"""Characters of a text that are shown: longer ones are cut to what lies around their first hit."""

BEFORE_HIT = 300


@dataclass(frozen=True)
class ReportContent:
    """What a report tells.

    `cases` are the first ones, in the JSON shape of cases; `precision` is None where nothing is marked, `over_time` where it was not asked.
    """

    task: Task
    statistics: TaskStatistics
    pictures: Sequence[Picture]
    cases: Sequence[Mapping[str, Any]]
    verdicts: Mapping[CaseKey, str]
    precision: PrecisionReport | None
    proposals: Sequence[Proposal]
    over_time: StrategyStatistics | None = None


class ShownText(NamedTuple):
    """A text of a case, escaped, with its hits marked."""

    place: str
    html: Markup


def report_html(content: ReportContent) -> str:
    """The page."""
    style = _style()
    task = content.task
    return _template().render(
        policy=_policy(style),
        # The project's own style sheet: its digest is in the policy, so it must stay as it is.
        style=Markup(style),
        task=task,
        since=None if task.published_from is None else iso_utc(task.published_from),
        before=None if task.published_to is None else iso_utc(task.published_to),
        statistics=content.statistics,
        pictures=content.pictures,
        cases=[_shown(case, content.verdicts) for case in content.cases],
        samples={silenced.list_id: [_shown(case, {}) for case in silenced.samples] for silenced in content.statistics.silenced},
        over_time=content.over_time,
        runs_picture=None if content.over_time is None else runs_picture(content.over_time.runs),
        precision=content.precision,
        precision_picture=None if content.precision is None else precision_picture(content.precision),
        proposals=content.proposals,
    )


def marked(text: str, places: Iterable[Place]) -> Markup:
    """A text as HTML, escaped, with its hits within `<mark>`; a long one is cut to what lies around its first hit."""
    spans = sorted(places)
    if len(text) <= TEXT_LENGTH:
        return Markup(for_html(text, spans))
    first = min(spans[0][0] if spans else 0, len(text))
    start = max(0, min(first - BEFORE_HIT, len(text) - TEXT_LENGTH))
    end = start + TEXT_LENGTH
    moved = [(span_start - start, span_end - start) for span_start, span_end in spans if span_end > start and span_start < end]
    cut = Markup(for_html(text[start:end], moved))
    return Markup("{}{}{}").format("… " if start else "", cut, " …" if end < len(text) else "")


def _shown(case: Mapping[str, Any], verdicts: Mapping[CaseKey, str]) -> dict[str, Any]:
    """A case as the template takes it."""
    texts = []
    for place, text in case["texts"].items():
        spans = [(start, end) for hit in case["hits"] if f"{hit['object']}.{hit['feature']}" == place for start, end in hit["spans"]]
        texts.append(ShownText(place, marked(text, spans)))
    return {
        "product": case["product"],
        "object": case["object"],
        "id": case["id"],
        "verdict": verdicts.get(CaseKey(case["product"], case["object"], case["id"])),
        "texts": texts,
        "extra": [(name, _plain(value)) for name, value in case["extra"].items() if value is not None],
        "hits": [{"word": hit["word"], "list": hit["list"], "place": f"{hit['object']}.{hit['feature']}"} for hit in case["hits"]],
        "joined": list(case["joined"].items()),
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _policy(style: str) -> str:
    """What the page may do: use its own style sheet and show images that it holds itself; nothing else."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _style() -> str:
    return (files(PACKAGE) / "templates" / "report.css").read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2")
