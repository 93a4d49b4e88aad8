"""The Dagster shell of evaluation: candidates are evaluated and replayed, the best becomes challenger, and the proved one champion.

What belongs here is wiring and metadata: `judging.py` says who is judged by what, `gate/` decides, `jobs/evaluation.py` says when. All of
evaluation is imported when it runs: its kernels are compiled by numba, which nobody else should wait for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from resources.registry_database import RegistryResource
from resources.strict import StrictConfig
from srp_assets.evaluation.registry import DecisionRecord, decisions_of_run, record_decision
from srp_assets.models.assets import model_key
from srp_assets.models.config.document import ModelDocument
from srp_assets.online.parity.assets import PARITY
from srp_assets.online.parity.checking import ParityPlaces
from srp_assets.partitions import log_days
from srp_assets.progress import Progress
from srp_assets.settings import Settings
from srp_assets.training.assets import SETS
from srp_assets.training.building import TrainingPlaces

if TYPE_CHECKING:
    from srp_assets.evaluation.gate.evidence import Interval
    from srp_assets.evaluation.judging import Gate, Judged

DOMAIN = "evaluation"
QUALITY, REPLAY, CHALLENGER, CHAMPION = (dg.AssetKey([DOMAIN, name]) for name in ("quality", "replay", "challenger", "champion"))
OWNERS = ["team:ranking"]
POOL = "training"
"""Models are loaded and scored one after the other, and not beside trainings: each takes all cores."""

ENTRIES = "versions"
"""The metadata of what was judged: versions of the registered model."""


@dataclass(frozen=True)
class GateHome:
    """What judging rests on, as definitions know it.

    Args:
        settings: of the home.
        training: places of the training sets.
        parity: places of parity.
        documents: the configured models.
        progress: told how far it is, where somebody watches.
    """

    settings: Settings
    training: TrainingPlaces
    parity: ParityPlaces
    documents: Sequence[ModelDocument]
    progress: Progress | None = None

    def gate(self, registry: RegistryResource) -> "Gate":
        """The gate of the home."""
        from resources.mlflow import Tracking
        from resources.mlflow_versions import RegisteredVersions
        from srp_assets.evaluation.evaluating import EvaluationOptions
        from srp_assets.evaluation.gate.options import GateOptions
        from srp_assets.evaluation.judging import Gate, JudgingOptions
        from srp_assets.evaluation.registered import CHAMPION_MODEL
        from srp_assets.evaluation.replay.model_policies import PolicyOptions

        settings = self.settings
        options = JudgingOptions(
            step=settings.gate_step,
            days=settings.gate_days,
            estimator=settings.gate_estimator,
            policy=PolicyOptions(settings.gate_temperature, settings.gate_exploration),
            requests=settings.gate_replay_requests,
            evaluation=EvaluationOptions.of_steps(self.training.schema.steps),
        )
        versions = RegisteredVersions(Tracking.of(settings), registry.engine, CHAMPION_MODEL)
        return Gate(registry.engine, versions, self.training, self.parity, GateOptions.of(settings), options, self.progress)


class JudgedConfig(StrictConfig):
    """Who is judged."""

    models: list[str] = Field([], description="the configured models whose newest fitting version is judged; all if empty")


class QualityConfig(JudgedConfig):
    """Who is evaluated."""

    again: bool = Field(False, description="evaluate anew what is evaluated on this data already; what was approved counts no more then")


class ChampionConfig(StrictConfig):
    """Who may become champion."""

    version: str | None = Field(None, description="version of the registered model that is judged; the challenger if unset")


def evaluation_assets(home: GateHome) -> list[dg.AssetsDefinition]:
    """The assets of a home that configures models and logs what it served."""
    return [_quality(home), _replay(home), _challenger(home), _champion(home)]


def follows_upstream() -> dg.AutomationCondition:
    """Runs for a day when something was recorded for it: not before blocking checks of everything upstream passed, parity's too.

    Parity by itself asks for nothing: its days are those of training, each of them long before the day that models are judged by.
    """
    recorded = dg.AutomationCondition.any_deps_updated().ignore(dg.AssetSelection.assets(PARITY))
    return (
        recorded.since_last_handled() & ~dg.AutomationCondition.in_progress() & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label("follows what was recorded")


def _days_before(home: GateHome) -> dg.TimeWindowPartitionMapping:
    """The days of training, of early stopping and of judging that a day's judgement rests on."""
    reach = home.settings.training_days + 2 * home.training.logs.label_days + home.settings.gate_days
    return dg.TimeWindowPartitionMapping(start_offset=-reach, end_offset=0, allow_nonexistent_upstream_partitions=True)


def _quality(home: GateHome) -> dg.AssetsDefinition:
    @dg.asset(
        key=QUALITY,
        deps=[dg.AssetDep(key, partition_mapping=_days_before(home)) for key in (SETS, *(model_key(own.name) for own in home.documents))],
        partitions_def=log_days(home.training.logs),
        group_name=DOMAIN,
        kinds={"mlflow"},
        owners=OWNERS,
        pool=POOL,
        description="How good the newest candidates are on days that their training has not seen, against the champion, with intervals.",
    )
    def quality(context: dg.AssetExecutionContext, config: QualityConfig, registry: RegistryResource) -> dg.MaterializeResult:
        from srp_assets.evaluation.judging import contender_of, entries_of, evaluate_entry

        gate, lines = home.gate(registry), ["| candidate | rows | metric | value | difference |", "|---|---|---|---|---|"]
        entries = entries_of(gate, home.documents, context.partition_key, config.models)
        for entry in entries:
            record = evaluate_entry(gate, entry, context.partition_key, again=config.again)
            if record is not None:
                metric = gate.demands.metric
                told = _interval(record.metrics.get(metric)), _interval(record.differences.get(metric))
                lines.append(f"| {contender_of(gate, entry.version)} | {record.rows:,} | {metric} | {told[0]} | {told[1]} |")
        metadata = {ENTRIES: [entry.version for entry in entries], "evaluations": dg.MetadataValue.md("\n".join(lines))}
        return dg.MaterializeResult(metadata=metadata)

    return quality


def _replay(home: GateHome) -> dg.AssetsDefinition:
    served = [log.name for log in home.training.logs.logs.values() if log.role == "served_features"]
    of_days = dg.TimeWindowPartitionMapping(start_offset=1 - home.settings.gate_days, allow_nonexistent_upstream_partitions=True)

    @dg.asset(
        key=REPLAY,
        deps=[
            *(dg.AssetDep(model_key(own.name), partition_mapping=_days_before(home)) for own in home.documents),
            *(dg.AssetDep(dg.AssetKey(["logs", name]), partition_mapping=of_days) for name in (*served, "impression_outcomes")),
        ],
        partitions_def=log_days(home.training.logs),
        group_name=DOMAIN,
        kinds={"mlflow"},
        owners=OWNERS,
        pool=POOL,
        description="What the logs say the newest candidates would have been worth as policies, against what logged and the champion.",
    )
    def replay(context: dg.AssetExecutionContext, config: JudgedConfig, registry: RegistryResource) -> dg.MaterializeResult:
        from srp_assets.evaluation.judging import contender_of, entries_of, replay_entry

        gate, lines = (
            home.gate(registry),
            ["| candidate | value | gain | against the champion | effective choices |", "|---|---|---|---|---|"],
        )
        entries = entries_of(gate, home.documents, context.partition_key, config.models)
        for entry in entries:
            record = replay_entry(gate, entry, context.partition_key)
            if record is not None:
                told = " | ".join(_interval(found) for found in (record.value, record.gain, record.champion_gain))
                lines.append(f"| {contender_of(gate, entry.version)} | {told} | {record.effective_rows:,.0f} |")
        metadata = {ENTRIES: [entry.version for entry in entries], "replays": dg.MetadataValue.md("\n".join(lines))}
        return dg.MaterializeResult(metadata=metadata)

    return replay


def _challenger(home: GateHome) -> dg.AssetsDefinition:
    @dg.asset(
        key=CHALLENGER,
        deps=[QUALITY, REPLAY, dg.AssetDep(PARITY, partition_mapping=_days_before(home))],
        partitions_def=log_days(home.training.logs),
        automation_condition=follows_upstream(),
        group_name=DOMAIN,
        kinds={"mlflow"},
        owners=OWNERS,
        pool=POOL,
        description="The gate's decisions on the candidates of a day, by what is recorded of them; the best one that passes is challenger.",
    )
    def challenger(context: dg.AssetExecutionContext, config: JudgedConfig, registry: RegistryResource) -> dg.MaterializeResult:
        from srp_assets.evaluation.judging import entries_of, name_challenger

        gate, day = home.gate(registry), context.partition_key
        found, version = name_challenger(gate, entries_of(gate, home.documents, day, config.models))
        shown = [shown_decision(gate, judged, day, context.run.run_id) for judged in found]
        return dg.MaterializeResult(metadata={"challenger": version or "none", **_told(shown)})

    return challenger


def _champion(home: GateHome) -> dg.AssetsDefinition:
    @dg.asset(
        key=CHAMPION,
        deps=[CHALLENGER, dg.AssetDep(PARITY, partition_mapping=_days_before(home))],
        partitions_def=log_days(home.training.logs),
        automation_condition=follows_upstream(),
        group_name=DOMAIN,
        kinds={"mlflow"},
        owners=OWNERS,
        pool=POOL,
        description="The model that serves. The challenger takes its place if all evidence is recorded, for exactly its version and data.",
    )
    def champion(context: dg.AssetExecutionContext, config: ChampionConfig, registry: RegistryResource) -> dg.MaterializeResult:
        from srp_assets.evaluation.judging import name_champion

        gate = home.gate(registry)
        judged = name_champion(gate, config.version)
        shown = [] if judged is None else [shown_decision(gate, judged, context.partition_key, context.run.run_id)]
        if judged is not None and judged.decision.outcome in ("refused", "held"):
            raise dg.Failure("; ".join(judged.decision.reasons), metadata=_told(shown), allow_retries=False)
        serving = gate.versions.version_of("champion")
        if serving is None:
            reasons = ["there is no challenger"] if judged is None else judged.decision.reasons
            raise dg.Failure(f"nobody is champion: {'; '.join(reasons)}", metadata=_told(shown), allow_retries=False)
        return dg.MaterializeResult(metadata={"champion": serving, **_told(shown)}, data_version=dg.DataVersion(serving))

    return champion


def shown_decision(gate: "Gate", judged: "Judged", day: str, run_id: str) -> DecisionRecord:
    """Keeps the report of a decision on its version, and the decision in the registry."""
    from srp_assets.evaluation.judging import contender_of
    from srp_assets.evaluation.report.page import attach_report  # altair: most of a second that only a decision should cost

    decision = judged.decision
    record = DecisionRecord(
        decision_id=0,
        model=decision.model,
        version=decision.version,
        contender=contender_of(gate, decision.version),
        champion=decision.champion,
        day=day,
        outcome=decision.outcome,
        reasons=decision.reasons,
        page=attach_report(gate.versions, judged.evidence, decision, gate.demands.metric),
        decided_at=decision.decided_at,
        run_id=run_id,
    )
    with gate.engine.begin() as connection:
        record_decision(connection, record)
    return record


def _told(decisions: Sequence[DecisionRecord]) -> dict[str, Any]:
    """What Dagster shows of decisions: each with its reasons, and a link to its report."""
    lines = ["| candidate | version | decision | reasons |", "|---|---|---|---|"]
    lines += [f"| {own.contender} | {own.version} | {own.outcome} | {'; '.join(own.reasons)} |" for own in decisions]
    pages = {f"report of version {own.version}": _link(own.page) for own in decisions if own.page}
    return {"decisions": dg.MetadataValue.md("\n".join(lines)), **pages}


def _link(page: str) -> dg.MetadataValue:
    return dg.MetadataValue.path(page.removeprefix("file://")) if page.startswith("file:") else dg.MetadataValue.url(page)


def _interval(found: "Interval | None") -> str:
    from srp_assets.evaluation.report.page import shown

    return shown(found)


def evaluation_checks(home: GateHome) -> list[dg.AssetChecksDefinition]:
    """The blocking checks; each always gives a result."""

    @dg.asset_check(asset=QUALITY, name="recorded", blocking=True)
    def quality_recorded(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every candidate has an evaluation that is of this version, against the champion of now, on the data of now."""
        from srp_assets.evaluation.judging import problems_of_evaluations

        entries = _newest_entries(context, QUALITY)
        problems = problems_of_evaluations(home.gate(registry), entries)
        return dg.AssetCheckResult(passed=bool(entries) and not problems, metadata={"problems": dg.MetadataValue.json(problems)})

    @dg.asset_check(asset=REPLAY, name="recorded", blocking=True)
    def replay_recorded(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """Every candidate that could be replayed has a replay that is of this version, against the champion of now, on the logs of now.

        Where the log of what was served does not say what could have been shown, none can be: the gate then lets nobody be champion.
        """
        from srp_assets.evaluation.judging import problems_of_replays

        entries = _newest_entries(context, REPLAY)
        problems = problems_of_replays(home.gate(registry), entries)
        return dg.AssetCheckResult(passed=bool(entries) and not problems, metadata={"problems": dg.MetadataValue.json(problems)})

    @dg.asset_check(asset=CHALLENGER, name="decided", blocking=True)
    def challenger_decided(context: dg.AssetCheckExecutionContext, registry: RegistryResource) -> dg.AssetCheckResult:
        """The challenger, if there is one, has passed: a decision with its reasons is kept on its version."""
        from srp_assets.evaluation.gate.promotion import kept_decision

        versions = home.gate(registry).versions
        version = versions.version_of("challenger")
        decision = None if version is None else kept_decision(versions, version)
        with registry.engine.connect() as connection:
            made = decisions_of_run(connection, context.run.run_id)
        passed = version is None or (decision is not None and decision.outcome in ("challenger", "champion"))
        return dg.AssetCheckResult(passed=passed, metadata={"challenger": version or "none", "decisions_of_this_run": len(made)})

    @dg.asset_check(asset=CHAMPION, name="proved", blocking=True)
    def champion_proved(registry: RegistryResource) -> dg.AssetCheckResult:
        """The champion of now was proved: the decision that made it champion is kept on its version, and every check of it passed."""
        from srp_assets.evaluation.gate.promotion import kept_decision

        versions = home.gate(registry).versions
        version = versions.version_of("champion")
        decision = None if version is None else kept_decision(versions, version)
        proved = decision is not None and decision.outcome == "champion" and all(own.state == "passed" for own in decision.answers)
        return dg.AssetCheckResult(passed=proved, metadata={"champion": version or "none"})

    return [quality_recorded, replay_recorded, challenger_decided, champion_proved]


def _newest_entries(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> list[str]:
    """The versions that were judged last."""
    event = context.instance.get_latest_materialization_event(key)
    shown = event.asset_materialization.metadata if event and event.asset_materialization else {}
    return [str(version) for version in shown[ENTRIES].value] if ENTRIES in shown else []
