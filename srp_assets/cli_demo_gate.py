"""The demo's end: the better of its models becomes champion, and one whose feature was served wrongly is refused."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from srp_assets.cli_common import Home

if TYPE_CHECKING:
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import Report
    from srp_assets.evaluation.registry import DecisionRecord
    from srp_assets.samples.demo import GateDays

SAMPLED_ROWS = 10_000
"""Served rows that are compared of a day: all of them."""


@dataclass(frozen=True)
class GateAnswer:
    """What the gate decided.

    Args:
        champion: the configured model and version that is champion; None if there is none.
        better: the one that orders clicks better on the judged days.
        decisions: the last one on each candidate.
        skewed_feature: that was served wrongly.
        skewed_candidate: the configured model and version that was trained on the day of it.
    """

    champion: str | None
    better: str
    decisions: Sequence["DecisionRecord"]
    skewed_feature: str
    skewed_candidate: str

    @property
    def good(self) -> bool:
        """Whether the better model is champion, and the one with the skewed feature was refused for it."""
        return self.champion == self.better and self.refused

    @property
    def refused(self) -> bool:
        """Whether the model with the skewed feature was refused for that feature."""
        decision = next((own for own in self.decisions if own.contender == self.skewed_candidate), None)
        wanted = f"parity: {self.skewed_feature} "
        return decision is not None and decision.outcome == "refused" and any(reason.startswith(wanted) for reason in decision.reasons)

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON shape."""
        decisions = [{"candidate": own.contender, "outcome": own.outcome, "reasons": list(own.reasons)} for own in self.decisions]
        return {"champion": self.champion, "better": self.better, "decisions": decisions, "refused": self.refused, "good": self.good}


def demo_gate(home: Home, days: "GateDays", report: "Report") -> GateAnswer:
    """Checks what was served, judges the models of the demo, trains one more on the skewed day, and judges that.

    In a home in which all of it was done already nothing is done anew.
    """
    from resources.mlflow import Tracking
    from resources.mlflow_versions import RegisteredVersions
    from srp_assets.cli_models import versions_of
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.cli_training import home_training
    from srp_assets.evaluation.gate.evidence import QualityRecord
    from srp_assets.evaluation.gate.keeping import kept_record
    from srp_assets.evaluation.registered import CHAMPION_MODEL, CONTENDER_TAG
    from srp_assets.evaluation.registry import newest_decision
    from srp_assets.models.assets import load_models
    from srp_assets.samples.demo import SKEWED_FEATURE, SMALL_SHOP

    folder = home.settings.model_configurations
    documents = [] if folder is None else load_models(folder, home_training(home))
    names = [document.name for document in documents]
    skewed = next(document.name for document in documents if document.architecture.kind == "gbdt")
    tracking = Tracking.of(home.settings)
    versions = RegisteredVersions(tracking, home.engine, CHAMPION_MODEL)
    small_shop = replace(home, settings=home.settings.model_copy(update=dict(SMALL_SHOP)))
    with LocalRuns(small_shop, progress=report) as runs:
        _check_parity(small_shop, runs, days)
        if versions.version_of("champion") is None:
            runs.evaluate_models(days.judged)
        if not any(found["judged_to"] == days.unproved for found in versions_of(home, skewed)):
            runs.train_model(skewed, days.unproved)
            runs.evaluate_models(days.judged, [skewed])
    trained = {name: {found["judged_to"]: found["version"] for found in versions_of(home, name)} for name in names}
    proved = [f"{name}/{trained[name][days.proved]}" for name in names]
    candidate = f"{skewed}/{trained[skewed][days.unproved]}"
    entered = {str(found.version): str(found.tags.get(CONTENDER_TAG)) for found in tracking.versions(CHAMPION_MODEL)}
    areas = {}
    for version, contender in entered.items():
        record = kept_record(versions, version, QualityRecord)
        if contender in proved and record is not None:
            areas[contender] = record.metrics["auc"].value or 0.0
    with home.engine.connect() as connection:
        decisions = [newest_decision(connection, CHAMPION_MODEL, contender) for contender in (*proved, candidate)]
    champion = versions.version_of("champion")
    return GateAnswer(
        champion=None if champion is None else entered[champion],
        better=max(areas, key=lambda contender: areas[contender], default=""),
        decisions=[decision for decision in decisions if decision is not None],
        skewed_feature=SKEWED_FEATURE,
        skewed_candidate=candidate,
    )


def _check_parity(home: Home, runs: "LocalRuns", days: "GateDays") -> None:
    """Checks the days up to the end of both trainings, if they are not checked yet."""
    from srp_assets.online.parity.registry import newest_records

    last = date.fromisoformat(days.skewed)
    wanted = [(last - timedelta(days=number)).isoformat() for number in range(home.settings.gate_parity_days, -1, -1)]
    with home.engine.connect() as connection:
        known = newest_records(connection, wanted[0], wanted[-1])
    for day in wanted:
        if day not in known:
            runs.check_parity(day, SAMPLED_ROWS)


def print_gate(answer: GateAnswer) -> None:
    """Shows every decision with its first reason."""
    from srp_assets.console import say, table

    rows = [(own.contender, own.outcome, own.reasons[0]) for own in answer.decisions]
    table("gate", ("candidate", "decision", "first reason"), rows)
    proved = "the better model" if answer.champion == answer.better else "NOT the better model"
    say(f"champion: {answer.champion or 'nobody'}, {proved}")
    skewed = f"{answer.skewed_candidate}, trained on a day on which {answer.skewed_feature} was served wrongly"
    say(f"{skewed}: {'refused for it' if answer.refused else 'NOT refused for it'}")
    say("")
