"""Checks a day: samples what was served, computes it again, has it judged, and says what is to be recorded.

The judge is `expectations/parity.py`. A day on which nothing was served, or whose rows cannot be compared yet, gets a record all the same:
one that says no, and that is old as soon as the day can be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import Engine

from expectations.parity_rules import FeatureStatistics, Judgement, Tolerances
from srp_assets.errors import NotFound
from srp_assets.features.aggregation.layout import Layout
from srp_assets.features.building.days import Places, partial_files, version_files
from srp_assets.features.declaration.model import Parity
from srp_assets.features.registry import feature_versions, record_definitions
from srp_assets.logs.catalogue import Log, LogCatalogue
from srp_assets.online.parity.inputs import DayInputs, data_digest, inputs_of_days
from srp_assets.online.parity.plan_parity import HAS_REQUEST, read_pairs, sampled_rows, value_pairs
from srp_assets.online.parity.registry import FeatureParity, ParityRecord
from srp_assets.progress import Progress
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SAMPLED_ROWS = 10_000
SEED = 20240309
"""Arbitrary; the same for every day, so that a check can be repeated."""

FOLDER = "online/parity"

Judge = Callable[["DataFrame", Sequence[str], Tolerances], Judgement]
"""Judges a frame of pairs of some features."""


@dataclass(frozen=True)
class ParityPlaces:
    """Where parity reads and writes.

    Args:
        features: where features are built from and to.
        catalogue: of the logs.
        layout: of the definitions.
        rules: of the declarations.
        storage: of the compared samples.
    """

    features: Places
    catalogue: LogCatalogue
    layout: Layout
    rules: Parity
    storage: Storage

    @property
    def tolerances(self) -> Tolerances:
        """The rules in the words of the expectations."""
        rules = self.rules
        return Tolerances(rules.rows, rules.share, rules.near_zero, rules.nulls, rules.mismatches)


def check_day(
    spark: "SparkSession",
    engine: Engine,
    places: ParityPlaces,
    day: str,
    judge: Judge,
    *,
    sample: int = SAMPLED_ROWS,
    seed: int = SEED,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> ParityRecord:
    """Compares what was served on a day with what is computed again; returns the record, which nobody has recorded yet.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read and write.
        day: of the requests, as 2024-03-09.
        judge: of the pairs.
        sample: about how many rows are compared; whole requests are, so it is some more or less.
        seed: of the sample.
        run_id: recorded.
        progress: told what is being done.

    Raises:
        NotFound: if the catalogue of logs declares no log of served features.
    """
    served_log = places.catalogue.of_role("served_features")
    if served_log is None:
        raise NotFound("no log has the role served_features", where="SRP_LOGS", remedy="declare one, and land what the online side wrote")
    definitions = places.layout.definitions
    with engine.begin() as connection:
        record_definitions(connection, definitions)
        inputs = inputs_of_days(connection, places.features, places.catalogue, places.layout).get(day)
    settled = {"definitions": definitions.digest, "sample": sample, "seed": seed, "rules": places.rules.model_dump()}
    if inputs is None:
        return _record(places, day, run_id, reasons=["nothing was served"])
    if inputs.problem is not None:
        return _record(places, day, run_id, served=inputs.rows, reasons=[inputs.problem])
    if progress:
        progress(f"comparing what was served on {day}", 0, 0)
    folder = f"{FOLDER}/day={day}/{uuid4().hex}"
    try:
        compared = _compared(spark, engine, places, served_log, inputs, folder, sample=sample, seed=seed)
        if progress:
            progress(f"judging what was served on {day}", 0, 0)
        judgement = judge(read_pairs(spark, places.storage, compared.pairs), list(definitions.features), places.tolerances)
    except BaseException:
        places.storage.delete_tree(folder)
        raise
    return _record(
        places,
        day,
        run_id,
        reads=inputs.reads,
        data=data_digest(inputs, settled),
        served=inputs.rows,
        sampled=compared.sampled,
        unmatched=compared.unmatched,
        reasons=_reasons(places, compared),
        pairs=compared.pairs,
        page=str(judgement.page) if judgement.page else None,
        features=_found_of_features(places.layout, judgement),
    )


@dataclass(frozen=True)
class _Compared:
    """Where the pairs of a day lie, and what the sample was.

    Args:
        pairs: folder of the pairs.
        sampled: rows in the sample.
        unmatched: of these, rows whose request is in no log.
        unknown: versions of the definitions, which nobody recorded, under which rows were served.
    """

    pairs: str
    sampled: int
    unmatched: int
    unknown: tuple[str, ...]


def _compared(
    spark: "SparkSession", engine: Engine, places: ParityPlaces, served_log: Log, inputs: DayInputs, folder: str, *, sample: int, seed: int
) -> _Compared:
    """Writes the sample and its pairs below a folder."""
    features, layout, storage = places.features, places.layout, places.storage
    request_log = places.catalogue.of_role("request")
    requests = None if request_log is None else (request_log, inputs.requests)
    share = sample / max(1, inputs.rows)
    rows = sampled_rows(spark, features.logs, (served_log, inputs.served), requests, layout.definitions, share=share, seed=seed)
    rows.write.parquet(storage.address(f"{folder}/sample"))
    sampled = spark.read.parquet(storage.address(f"{folder}/sample"))
    counted = {row[HAS_REQUEST]: row["count"] for row in sampled.groupBy(HAS_REQUEST).count().collect()}
    digests = [row["definition_version"] for row in sampled.select("definition_version").distinct().collect()]
    with engine.connect() as connection:
        known = feature_versions(connection, digests)
        files = partial_files(connection, features, layout, inputs.day, inputs.day)
        versions = version_files(connection, features, layout, last_ingest(connection))
    scratch = f"scratch/{uuid4().hex}"
    try:
        pairs = value_pairs(sampled, files, layout, versions, features.buckets, scratch, known)
        pairs.write.parquet(storage.address(f"{folder}/pairs"))
    finally:
        features.features.delete_tree(scratch)
        storage.delete_tree(f"{folder}/sample")
    unknown = tuple(sorted(set(digests) - set(known)))
    return _Compared(f"{folder}/pairs", sum(counted.values()), counted.get(False, 0), unknown)


def _reasons(places: ParityPlaces, compared: _Compared) -> list[str]:
    """What is wrong with the sample as a whole."""
    reasons = []
    if compared.unknown:
        reasons.append(f"rows were served under definitions that nobody recorded: {', '.join(compared.unknown)}")
    if compared.unmatched > places.rules.unmatched * compared.sampled:
        reasons.append(f"{compared.unmatched:,} of {compared.sampled:,} sampled rows have no request in the logs")
    return reasons


def _found_of_features(layout: Layout, judgement: Judgement) -> dict[str, FeatureParity]:
    """What is recorded of every declared feature."""
    found = {}
    for name, feature in layout.definitions.features.items():
        figures, problems = judgement.statistics.get(name), judgement.problems[name]
        values = {} if figures is None else _values(figures)
        found[name] = FeatureParity(name, feature.version, passed=not problems, reasons=problems, **values)
    return found


def _values(figures: FeatureStatistics) -> dict[str, Any]:
    counts = {name: value for name, value in asdict(figures).items() if name not in ("served", "offline")}
    sides = {"online": figures.served, "offline": figures.offline}
    return counts | {f"{name}_{part}": getattr(side, part) for name, side in sides.items() for part in ("mean", "variance", "nulls")}


def _record(places: ParityPlaces, day: str, run_id: str | None, *, reasons: Sequence[str], **found: Any) -> ParityRecord:
    features: dict[str, FeatureParity] = found.pop("features", {})
    nothing: dict[str, Any] = {"reads": "", "data": "", "served": 0, "sampled": 0, "unmatched": 0, "pairs": None, "page": None}
    passed = not reasons and bool(features) and all(own.passed for own in features.values())
    return ParityRecord(
        parity_id=0,
        day=day,
        definitions=places.layout.definitions.digest,
        passed=passed,
        reasons=tuple(reasons),
        checked_at=datetime.now(UTC),
        run_id=run_id,
        features=features,
        **{**nothing, **found},
    )
