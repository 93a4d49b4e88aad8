"""The report of a candidate against the champion: one self-contained HTML page that needs no network and runs no script.

It tells what the records say and nothing else, so that it can be made again at any time from what is kept on the model version.
"""

import base64
import json
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from resources.mlflow_versions import RegisteredVersions
from srp_assets.evaluation.gate.checks import Evidence
from srp_assets.evaluation.gate.decision import Decision
from srp_assets.evaluation.gate.evidence import LEAK_CHECKLIST, Interval, QualityRecord
from srp_assets.evaluation.report.charts import Picture, calibration_picture, importance_picture, lift_picture, slices_picture

PACKAGE = "srp_assets.evaluation.report"

MISSING = "–"

OUTCOME_TAG = "decision"
"""The tag that tells what was decided last."""

PARITY = "parity"
"""The kind of record of what the registry of parity said; the gate itself asks the registry anew each time."""


class MetricLine(NamedTuple):
    """A metric of both models as texts."""

    name: str
    candidate: str
    champion: str
    difference: str
    weighted: str
    weighted_difference: str


def attach_report(versions: RegisteredVersions, evidence: Evidence, decision: Decision, metric: str) -> str:
    """Keeps on the version what was decided, what parity said then, the page and its pictures; the address of the page.

    The other arguments are those of `comparison_html`.
    """
    versions.tag(decision.version, OUTCOME_TAG, decision.outcome)
    if evidence.parity is not None:
        versions.keep(decision.version, PARITY, json.dumps(asdict(evidence.parity)))
    if evidence.quality is not None:
        for name, picture in pictures(evidence.quality, metric).items():
            versions.attach(decision.version, f"plots/{name}.svg", picture.svg)
    return versions.attach(decision.version, "report.html", comparison_html(evidence, decision, metric))


def comparison_html(evidence: Evidence, decision: Decision, metric: str) -> str:
    """The page.

    Args:
        evidence: what was recorded of the candidate.
        decision: what was decided by it.
        metric: by which slices are compared.
    """
    style = (files(PACKAGE) / "templates" / "comparison.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode("ascii")
    quality = evidence.quality
    return _template().render(
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        # The project's own style sheet: its digest is in the policy, so it must stay as it is.
        style=Markup(style),
        evidence=evidence,
        decision=decision,
        metric=metric,
        metrics=[] if quality is None else metric_lines(quality),
        parts=[] if quality is None else _shown_parts(quality, metric),
        pictures=[] if quality is None else list(pictures(quality, metric).values()),
        checklist=LEAK_CHECKLIST,
        shown=shown,
    )


def metric_lines(quality: QualityRecord) -> list[MetricLine]:
    """Every metric of the candidate, the champion's value, and the difference with its interval; and the same by inverse propensity."""
    lines = []
    for name, found in quality.metrics.items():
        difference = quality.differences.get(name)
        champion = MISSING
        if difference is not None and difference.value is not None and found.value is not None:
            champion = f"{found.value - difference.value:.4f}"
        weighted = shown(quality.weighted_metrics.get(name)), shown(quality.weighted_differences.get(name))
        lines.append(MetricLine(name, shown(found), champion, shown(difference), *weighted))
    return lines


def shown(interval: Interval | None) -> str:
    """A value with its interval as text."""
    if interval is None or interval.value is None:
        return MISSING
    if interval.low is None or interval.high is None:
        return f"{interval.value:.4f}"
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


def _shown_parts(quality: QualityRecord, metric: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """A table for slices and one for other steps: its title, and the name and value of each line."""
    return [
        (title, [(name, shown(found.get(metric))) for name, found in sorted(parts.items())])
        for title, parts in (("Slices", quality.slices), ("Other steps", quality.further_steps))
    ]


def pictures(quality: QualityRecord, metric: str) -> dict[str, Picture]:
    """The charts of an evaluation, by what they show."""
    found = {
        "calibration": calibration_picture(quality.bins, quality.champion_bins),
        "lift": lift_picture(quality.bins, quality.champion_bins),
        "slices": slices_picture(metric, quality.slices, compared=quality.champion is not None),
        "importance": importance_picture(quality.importance),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("comparison.html.j2")
