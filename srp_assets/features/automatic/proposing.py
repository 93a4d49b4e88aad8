"""Proposes features: generates candidates, computes them for a sample of impressions, selects those that pay, writes them as declarations.

Nothing becomes a feature by itself: a person reads the evidence and copies what is accepted into the document. The sums of candidates are
built in a folder of their own and deleted; they never mix with those of declared features.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from pydantic import ValidationError
from sqlalchemy import Engine

from srp_assets.errors import Conflict, InvalidInput
from srp_assets.features.aggregation.layout import Layout, layout_of
from srp_assets.features.automatic.candidates import candidates_of, parts_of, with_candidates
from srp_assets.features.automatic.selection import ACCEPTED, Evidence, Labels, Rules, Sample, select
from srp_assets.features.building.days import Places, days_before, number_of, version_files
from srp_assets.features.building.exchange import REQUEST, given_columns
from srp_assets.features.building.files import PartialFiles, VersionFiles, open_files
from srp_assets.features.building.plan_join import features_of_requests
from srp_assets.features.building.plan_partials import DayOfEvents, build_partials
from srp_assets.features.declaration.definitions import Definitions, resolve
from srp_assets.features.declaration.model import FeatureDocument
from srp_assets.logs.tables import BuiltDay, built_days
from srp_assets.warehouse.registry import last_ingest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LABEL = "clicked"
SAMPLED_DAYS = 7
SAMPLED_ROWS = 20_000
"""Impressions that candidates are judged on: enough that a log loss of 0.0005 is not chance, and few enough to fit on a laptop."""

LEAST_ROWS = 500


@dataclass(frozen=True)
class Proposal:
    """What is proposed.

    Args:
        accepted: declarations with what speaks for them, in the order in which they were taken.
        evidence: of all candidates, the accepted ones first.
        rows: impressions that were judged on.
        label_share: of these, those with the label.
    """

    accepted: tuple[tuple[Mapping[str, Any], Evidence], ...]
    evidence: tuple[Evidence, ...]
    rows: int
    label_share: float

    @property
    def declarations(self) -> str:
        """The accepted declarations as YAML that can stand in the document's list of features, each after what speaks for it."""
        lines = []
        for declaration, evidence in self.accepted:
            figures = {name: value for name, value in asdict(evidence).items() if isinstance(value, float)}
            lines.append("# " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
            lines.append(_yaml(declaration).rstrip())
        return "\n".join(lines) + "\n" if lines else "# nothing pays\n"

    def as_table(self) -> pa.Table:
        """A row for each candidate: its evidence, and its declaration if it was accepted."""
        written = {evidence.name: _yaml(declaration) for declaration, evidence in self.accepted}
        return pa.Table.from_pylist([{**asdict(found), "declaration": written.get(found.name)} for found in self.evidence], schema=SCHEMA)


SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        *(pa.field(name, pa.float64()) for name in ("coverage", "information", "redundancy", "gain", "cost")),
        pa.field("verdict", pa.string()),
        pa.field("declaration", pa.string()),
    ]
)


def proposal_path(day: str) -> str:
    """Where the proposal of a day lies."""
    return f"proposals/day={day}/proposal.parquet"


def problems_of(document: FeatureDocument, proposal: pa.Table) -> list[str]:
    """Why a stored proposal cannot be accepted as it stands; nothing if it can."""
    rows = proposal.to_pylist()
    problems = [f"{row['name']} has no verdict" for row in rows if not row["verdict"]]
    problems += [f"{row['name']} is accepted without gain" for row in rows if row["verdict"] == ACCEPTED and not row["gain"]]
    declared = [found for row in rows if row["declaration"] for found in yaml.safe_load(row["declaration"])]
    try:
        resolve(FeatureDocument.model_validate({**dict(document), "features": [*document.features, *declared]}))
    except (ValidationError, InvalidInput) as error:
        problems.append(" ".join(str(error).split()))
    return problems


def _yaml(declaration: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump([dict(declaration)], sort_keys=False, allow_unicode=True))


def propose(
    spark: "SparkSession", engine: Engine, places: Places, document: FeatureDocument, day: str, *, rows: int = SAMPLED_ROWS
) -> Proposal:
    """Proposes features from the impressions of the week that ends with a day.

    Args:
        spark: the session.
        engine: of the registry.
        places: where to read; scratch is written to the storage of the features.
        document: the declarations, with what is to be explored.
        day: the last day of the impressions.
        rows: impressions to judge on, at most.

    Raises:
        Conflict: if too few impressions are built, or all of them or none have the label.
    """
    candidates = candidates_of(document)
    layout = layout_of(with_candidates(document, [*candidates, *parts_of(document)]))
    first = days_before(day, SAMPLED_DAYS - 1)
    with engine.connect() as connection:
        shown = built_days(connection, "impression_outcomes", first, day)
        actions = built_days(connection, "actions", days_before(first, layout.definitions.lookback_days), day)
        versions = version_files(connection, places, layout, last_ingest(connection))
    requests = sampled(places, layout.definitions, shown, rows)
    labels = requests[LABEL].to_numpy().astype(np.int64)
    if len(labels) < LEAST_ROWS or labels.min() == labels.max():
        remedy = f"build the logs of {first} to {day}; at least {LEAST_ROWS} impressions are needed, with and without clicks"
        raise Conflict(f"{len(labels):,} impressions cannot tell what pays", where=f"features/proposals of {day}", remedy=remedy)
    found = _features(spark, places, layout, requests, actions, versions)
    names = {candidate.name: candidate for candidate in candidates}
    sample = _sample(layout.definitions, found, labels, names.keys())
    evidence = select(
        sample,
        {name: candidate.cost for name, candidate in names.items()},
        {name: candidate.parts for name, candidate in names.items()},
        Rules(pays=document.automatic.pays),
    )
    accepted = tuple((names[entry.name].declaration, entry) for entry in evidence if entry.verdict == ACCEPTED)
    return Proposal(accepted, tuple(evidence), len(labels), float(labels.mean()))


def sampled(places: Places, definitions: Definitions, days: Mapping[str, BuiltDay], rows: int) -> pa.Table:
    """Impressions as requests with their label, in order of time: always the same, those whose ids have the smallest digests."""
    paths = [path for day in days.values() for path in day.paths]
    if not paths:
        return pa.table({REQUEST: pa.array([], pa.string()), LABEL: pa.array([], pa.bool_())})
    files = open_files(places.logs, paths)
    columns = list(dict.fromkeys([REQUEST, "event_time", LABEL, *given_columns(definitions)]))
    shown = files.to_table(columns=[name for name in columns if name in files.schema.names])
    digests = np.array([crc32(id_.encode()) for id_ in shown[REQUEST].to_pylist()])
    chosen = shown.take(pa.array(np.argsort(digests, kind="stable")[:rows]))
    ordered = chosen.take(pc.sort_indices(chosen, sort_keys=[("event_time", "ascending"), (REQUEST, "ascending")]))
    return ordered.rename_columns(["as_of" if name == "event_time" else name for name in ordered.column_names])


def _features(
    spark: "SparkSession",
    places: Places,
    layout: Layout,
    requests: pa.Table,
    actions: Mapping[str, BuiltDay],
    versions: Mapping[str, VersionFiles],
) -> pa.Table:
    """All features of the requests, candidates among them, in their order."""
    folder = f"proposals/scratch/{uuid4().hex}"
    days = [DayOfEvents(number_of(day), places.logs, own.paths, f"{folder}/day={day}") for day, own in actions.items()]
    try:
        build_partials(spark, places.features, layout, days, versions, places.buckets)
        places.features.write(f"{folder}/requests.parquet", requests.drop_columns([LABEL]))
        frame = spark.read.parquet(places.features.address(f"{folder}/requests.parquet"))
        files = PartialFiles(places.features, layout.definitions, {day.day: day.folder for day in days})
        found = features_of_requests(frame, files, layout, versions, places.buckets, f"{folder}/join").toArrow()
    finally:
        places.features.delete_tree(folder)
    place = {id_: number for number, id_ in enumerate(found[REQUEST].to_pylist())}
    return found.take(pa.array([place[id_] for id_ in requests[REQUEST].to_pylist()]))


def _sample(definitions: Definitions, found: pa.Table, labels: Labels, candidates: Collection[str]) -> Sample:
    """Columns as the selection takes them; what the model cannot take (times, lists) is left out."""
    usable = [name for name, feature in definitions.features.items() if feature.value_type in ("number", "text")]
    columns = {name: _values(found[name]) for name in usable}
    known = {name: values for name, values in columns.items() if name not in candidates}
    return Sample(labels, known, {name: values for name, values in columns.items() if name in candidates})


def _values(column: pa.ChunkedArray) -> Any:
    if pa.types.is_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    return column.to_numpy().astype(np.float64)
