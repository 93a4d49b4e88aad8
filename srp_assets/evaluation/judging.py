"""The way of candidates through the gate in a home: who is judged by which days, and each step from an evaluation to a new champion.

Each step reads what the one before has kept on the model version, and nothing of what a process remembers, so it may run alone: without
evidence it says no.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine

from resources.mlflow_versions import TAG, RegisteredVersions
from srp_assets.errors import Conflict
from srp_assets.evaluation.comparing import VersionedRanker, compare, data_of
from srp_assets.evaluation.evaluating import FINAL, EvaluationOptions
from srp_assets.evaluation.gate.checks import Evidence, foreign
from srp_assets.evaluation.gate.decision import Decision
from srp_assets.evaluation.gate.evidence import ModelVersion, QualityRecord, ReplayRecord, replay_record
from srp_assets.evaluation.gate.keeping import gathered, judge, keep_record, kept_record, kept_version, nominate
from srp_assets.evaluation.gate.options import GateOptions
from srp_assets.evaluation.gate.promotion import ROLLBACK
from srp_assets.evaluation.registered import CONTENDER_TAG, enter, load_version
from srp_assets.evaluation.replay.candidates import Candidates, candidates_of, served_candidates
from srp_assets.evaluation.replay.model_policies import PolicyOptions, digest_of, replay_models
from srp_assets.evaluation.replay.replaying import ReplayOptions
from srp_assets.features.registry import definitions_holding
from srp_assets.logs.registry import LandedFiles
from srp_assets.logs.tables import built_days, landed_log_files
from srp_assets.models.config.document import ModelDocument
from srp_assets.models.training import CONTEXT_TYPES, gap_days
from srp_assets.online.parity.checking import ParityPlaces
from srp_assets.online.parity.evidence import parity_evidence
from srp_assets.online.parity.inputs import stale_days
from srp_assets.progress import Progress
from srp_assets.sequences.differences.evidence import is_sequence, with_sequences
from srp_assets.training.building import TrainingPlaces
from srp_assets.training.found_sequences import found_sequences
from srp_assets.training.reader import SetReader
from srp_assets.training.registry import current_sets
from srp_assets.training.schema import CLICKED

MOST_LEFT_OUT = 0.05
"""Share of the shown places that the served log need not explain: logs lose some rows. Arbitrary."""


@dataclass(frozen=True)
class JudgingOptions:
    """By what models are judged, beside what the gate asks.

    Args:
        step: the label that decides, and the reward of replay.
        days: how many days they are judged by.
        estimator: by which a policy's value is told.
        policy: how models choose.
        requests: that are replayed at most.
        evaluation: what is evaluated.
        replay: how values are estimated.
    """

    step: str
    days: int
    estimator: str
    policy: PolicyOptions
    requests: int
    evaluation: EvaluationOptions
    replay: ReplayOptions = ReplayOptions()


@dataclass(frozen=True)
class Gate:
    """Everything that judging needs of a home.

    Args:
        engine: of the registry.
        versions: of the registered model that has a champion.
        training: places of the training sets.
        parity: places of parity.
        demands: of the gate.
        options: by what models are judged.
        progress: told how far it is, where somebody watches.
    """

    engine: Engine
    versions: RegisteredVersions
    training: TrainingPlaces
    parity: ParityPlaces
    demands: GateOptions
    options: JudgingOptions
    progress: Progress | None = None

    def tell(self, step: str) -> None:
        """Says what is done."""
        if self.progress is not None:
            self.progress(step, 0, 0)

    def reader(self, first: str, last: str) -> SetReader:
        """The training sets of some days that are built."""
        with self.engine.connect() as connection:
            builds = current_sets(connection, self.training.identity, first, last)
        return SetReader.of_builds(self.training.sets, self.training.schema, builds, list(builds))


def judged_days(day: str, days: int) -> tuple[str, str]:
    """The first and the last day by which models are judged on a day."""
    return (date.fromisoformat(day) - timedelta(days=days - 1)).isoformat(), day


def contenders(gate: Gate, documents: Sequence[ModelDocument], day: str, names: Collection[str] = ()) -> list[tuple[str, str]]:
    """The newest version of each configured model whose training has seen nothing of the days that it is judged by.

    A label may come some days late: so many days lie between the last one that training used, and the first one judged by. What was rolled
    back comes again only if somebody names its model.

    Args:
        gate: of the home.
        documents: the configured models.
        day: the last one that they are judged by.
        names: of the models; all that are configured if empty.

    Returns:
        Name and number of each.
    """
    first = date.fromisoformat(judged_days(day, gate.options.days)[0])
    left: set[str] = set() if names else _rolled_back(gate)
    found: list[tuple[str, str]] = []
    for document in documents:
        if names and document.name not in names:
            continue
        latest = (first - timedelta(days=gap_days(gate.training.logs, document) + 1)).isoformat()
        known = gate.versions.tracking.versions(document.name)
        usable = [(document.name, str(version.version)) for version in known if version.tags.get("judged_to", "9") <= latest]
        found += [own for own in usable if "/".join(own) not in left][:1]
    return found


def _rolled_back(gate: Gate) -> set[str]:
    """The contenders that were champion and had to leave."""
    known = gate.versions.tracking.versions(gate.versions.model)
    return {str(version.tags.get(CONTENDER_TAG)) for version in known if TAG + ROLLBACK in version.tags}


def entries_of(gate: Gate, documents: Sequence[ModelDocument], day: str, names: Collection[str] = ()) -> list[ModelVersion]:
    """The contenders of a day as versions of the registered model; those that are new are entered.

    Raises:
        Conflict: if no model has a version that may be judged by these days.
    """
    found = [enter(gate.versions, name, number) for name, number in contenders(gate, documents, day, names)]
    if not found:
        first, last = judged_days(day, gate.options.days)
        remedy = "train a model on the days before: srp models train --day"
        raise Conflict(f"no model was trained without the days {first} to {last}", where=gate.versions.model, remedy=remedy)
    return found


def contender_of(gate: Gate, version: str) -> str:
    """The configured model and version that a version of the registered one is, as `name/number`."""
    known = gate.versions.tracking.versions(gate.versions.model)
    return next((str(found.tags.get(CONTENDER_TAG, "")) for found in known if str(found.version) == version), "")


def evaluate_entry(gate: Gate, entry: ModelVersion, day: str, *, again: bool = False) -> QualityRecord | None:
    """Evaluates a version against the champion of now and keeps the record; None of the champion itself.

    What is kept already and still speaks of this champion and this data stays, and with it what a person has approved.

    Args:
        gate: of the home.
        entry: the version.
        day: the last one that it is judged by.
        again: evaluates it anyway.

    Raises:
        Conflict: if the training set of the day is not built.
    """
    champion = gate.versions.version_of("champion")
    if champion == entry.version:
        return None
    first, last = judged_days(day, gate.options.days)
    judged = gate.reader(first, last)
    if last not in judged.files:
        raise Conflict("its training set is not built", where=last, remedy="srp training build")
    now = datetime.now(UTC)
    kept = kept_record(gate.versions, entry.version, QualityRecord)
    if not again and kept is not None and kept.last.isoformat() == last and kept.step == gate.options.step:
        evidence = gather(gate, entry.version)
        if foreign(kept, evidence, evidence.quality_data, gate.demands, now) is None:
            return kept
    gate.tell(f"evaluating {contender_of(gate, entry.version)}")
    with TemporaryDirectory() as scratch:
        candidate, other = _loaded(gate, entry.version, champion, Path(scratch))
        trained = gate.reader(entry.training_first.isoformat(), entry.training_last.isoformat())
        record = compare(judged, trained, candidate, other, gate.options.evaluation, step=gate.options.step, recorded_at=now)
    keep_record(gate.versions, record)
    return record


def replay_entry(gate: Gate, entry: ModelVersion, day: str) -> ReplayRecord | None:
    """Replays a version's policy on the landed logs of the days and keeps the record.

    Returns:
        None of the champion itself, and where the logs do not say what could have been shown.
    """
    champion = gate.versions.version_of("champion")
    if champion == entry.version:
        return None
    first, last = judged_days(day, gate.options.days)
    logged = logged_candidates(gate, entry, champion, first, last)
    if logged is None:
        return None
    gate.tell(f"replaying {contender_of(gate, entry.version)}")
    sequences = found_sequences(gate.engine, gate.training, first, last)
    with TemporaryDirectory() as scratch:
        candidate, other = _loaded(gate, entry.version, champion, Path(scratch))
        found = replay_models(
            gate.training.features.logs,
            logged.files,
            logged.candidates,
            [candidate] if other is None else [candidate, other],
            {**CONTEXT_TYPES, **gate.training.schema.features},
            gate.options.policy,
            gate.options.replay,
            gate.options.step,
            None if sequences is None else sequences.columns,
        )
    left_out = logged.candidates.left_out_share
    record = replay_record(
        entry,
        None if other is None else other.version,
        days=(date.fromisoformat(first), date.fromisoformat(last)),
        recorded_at=datetime.now(UTC),
        found=found,
        estimator=gate.options.estimator,
        problems=(f"the log of what was served does not explain {left_out:.1%} of the shown places",) if left_out > MOST_LEFT_OUT else (),
    )
    keep_record(gate.versions, record)
    return record


@dataclass(frozen=True)
class LoggedCandidates:
    """The candidates of some days, and the files of the served log that they are from."""

    candidates: Candidates
    files: tuple[LandedFiles, ...]


def logged_candidates(gate: Gate, entry: ModelVersion, champion: str | None, first: str, last: str) -> LoggedCandidates | None:
    """What the landed logs say could have been shown on some days; None if they say nothing of it.

    What was served under definitions counts in which the features of both models have the versions that these read.
    """
    log = gate.training.logs.of_role("served_features")
    if log is None:
        return None
    features = dict(entry.features)
    if champion is not None:
        of_champion = kept_version(gate.versions, champion).features
        if any(features.get(name, number) != number for name, number in of_champion.items()):
            return None
        features |= of_champion
    served_features = {name: number for name, number in features.items() if not is_sequence(name)}
    if served_features.keys() < features.keys() and found_sequences(gate.engine, gate.training, first, last) is None:
        return None
    with gate.engine.connect() as connection:
        versions = definitions_holding(connection, served_features)
        # An answer stands on the day of its request, whose impressions may come after midnight.
        files = tuple(landed_log_files(connection, log.name, first, last).values())
        shown = _impressions(gate, connection, first, last)
    served = served_candidates(gate.training.features.logs, files, versions)
    found = candidates_of(served, shown, gate.options.step, gate.options.requests) if shown.num_rows else None
    return None if found is None else LoggedCandidates(found, files)


def gather(gate: Gate, version: str) -> Evidence:
    """All that is recorded of a version, and the data that it is of as that stands now."""
    quality = kept_record(gate.versions, version, QualityRecord)
    replay = kept_record(gate.versions, version, ReplayRecord)
    candidate, champion = kept_version(gate.versions, version), gate.versions.version_of("champion")
    quality_data = replay_data = None
    if quality is not None:
        quality_data = data_of(gate.reader(*_span(quality)), gate.options.evaluation, quality.step)
    if replay is not None:
        logged = logged_candidates(gate, candidate, champion, *_span(replay))
        replay_data = None if logged is None else digest_of(logged.candidates)
    last = candidate.training_last
    first = last - timedelta(days=gate.demands.parity_days - 1)
    places = gate.parity
    with gate.engine.connect() as connection:
        stale = stale_days(connection, places.features, places.catalogue, places.layout)
        parity = parity_evidence(connection, candidate.features, first.isoformat(), last.isoformat(), stale=stale)
        parity = with_sequences(connection, parity, candidate.features)
    return gathered(gate.versions, version, parity=parity, quality_data=quality_data, replay_data=replay_data)


def problems_of_evaluations(gate: Gate, versions: Sequence[str]) -> dict[str, str]:
    """Why evaluations of some versions do not count now, by version; the champion needs none."""
    problems = {}
    for version in versions:
        if version != gate.versions.version_of("champion"):
            evidence = gather(gate, version)
            problems[version] = _problem(gate, evidence, evidence.quality, evidence.quality_data)
    return {version: problem for version, problem in problems.items() if problem is not None}


def problems_of_replays(gate: Gate, versions: Sequence[str]) -> dict[str, str]:
    """Why replays of some versions do not count now, by version; what could not be replayed is no problem of the record."""
    problems = {}
    for version in versions:
        evidence = gather(gate, version)
        if evidence.replay is not None and version != gate.versions.version_of("champion"):
            problems[version] = _problem(gate, evidence, evidence.replay, evidence.replay_data)
    return {version: problem for version, problem in problems.items() if problem is not None}


def _problem(gate: Gate, evidence: Evidence, record: QualityRecord | ReplayRecord | None, data: str | None) -> str | None:
    return "it is not recorded" if record is None else foreign(record, evidence, data, gate.demands, datetime.now(UTC))


@dataclass(frozen=True)
class Judged:
    """A decision with what it was made from."""

    evidence: Evidence
    decision: Decision


def name_challenger(gate: Gate, entries: Sequence[ModelVersion]) -> tuple[list[Judged], str | None]:
    """Decides on some versions, and makes the best of those that pass the challenger; nobody becomes champion here.

    Args:
        gate: of the home.
        entries: the versions; the champion of now is left out.

    Returns:
        The decisions, and the challenger of now.
    """
    champion = gate.versions.version_of("champion")
    found = []
    for entry in entries:
        if entry.version != champion:
            gate.tell(f"deciding on {contender_of(gate, entry.version)}")
            found.append(gather(gate, entry.version))
    decisions = nominate(gate.versions, found, gate.demands, datetime.now(UTC))
    judged = [Judged(evidence, decision) for evidence, decision in zip(found, decisions, strict=True)]
    return judged, gate.versions.version_of("challenger")


def name_champion(gate: Gate, version: str | None = None) -> Judged | None:
    """Decides whether the challenger, or another version, becomes champion; None if there is nobody to decide on."""
    chosen = version or gate.versions.version_of("challenger")
    if chosen is None:
        return None
    gate.tell(f"deciding on {contender_of(gate, chosen)}")
    evidence = gather(gate, chosen)
    return Judged(evidence, judge(gate.versions, evidence, gate.demands, datetime.now(UTC)))


def _loaded(gate: Gate, version: str, champion: str | None, scratch: Path) -> tuple[VersionedRanker, VersionedRanker | None]:
    """A version and the champion, ready to score while the folder is there."""
    candidate = load_version(gate.versions, version, scratch / "candidate")
    return candidate, None if champion is None else load_version(gate.versions, champion, scratch / "champion")


def _span(record: QualityRecord | ReplayRecord) -> tuple[str, str]:
    return record.first.isoformat(), record.last.isoformat()


def _impressions(gate: Gate, connection: Connection, first: str, last: str) -> pa.Table:
    """The stitched impressions of some days, with the reward where it is known."""
    step, logs = gate.options.step, gate.training.features.logs
    columns = ["trace_id", "item_id", "position", "propensity", step, "label_state"]
    paths = [path for built in built_days(connection, "impression_outcomes", first, last).values() for path in built.paths]
    parts: list[Any] = [logs.read(path, columns) for path in paths]
    if not parts:
        return pa.table({name: [] for name in columns})
    shown = pa.concat_tables(parts)
    if step == CLICKED:
        return shown
    final = pc.fill_null(pc.equal(shown["label_state"], FINAL), False)
    return shown.set_column(columns.index(step), step, pc.if_else(final, shown[step], pa.scalar(None, pa.bool_())))
