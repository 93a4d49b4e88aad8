"""Raw rows against the catalogue: typed columns of those that fit, and a reason for each that does not.

`reference.typed_row` says the same row by row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.warehouse.catalogue import Catalogue, Entity
from srp_assets.warehouse.columns import typed_column
from srp_assets.warehouse.periods import Unit, start_of
from srp_assets.warehouse.readers.base import RawBatch
from srp_assets.warehouse.row_hash import microseconds
from srp_assets.warehouse.values import TOLERATED_FUTURE

NUMPY_UNITS: dict[Unit, str] = {"hour": "h", "day": "D", "month": "M", "year": "Y"}

NO_PERIOD = np.iinfo(np.int64).min
"""The ordinal of a row without usable publish time."""

MISSING_KEY = "missing key"


@dataclass(frozen=True)
class Validated:
    """What came of a batch.

    Args:
        columns: the entity's own columns, typed, of the accepted rows.
        ordinals: int64, the accepted rows' periods as numbers (`period_text`).
        accepted: int64, the accepted rows' places in the batch.
        rejected: int64, the other rows' places.
        reasons: why, one a rejected row.
        rejected_ordinals: int64, their periods, or NO_PERIOD.
    """

    columns: Mapping[str, pa.Array]
    ordinals: np.ndarray
    accepted: np.ndarray
    rejected: np.ndarray
    reasons: list[str]
    rejected_ordinals: np.ndarray


def period_text(ordinal: int, unit: Unit) -> str:
    """The period of an ordinal (units since 1970)."""
    return str(np.datetime_as_string(np.array(ordinal, np.int64).astype(f"datetime64[{NUMPY_UNITS[unit]}]")))


class _Findings:
    """The first reason against each row."""

    def __init__(self, rows: int) -> None:
        self.texts = [""]
        self.codes = np.zeros(rows, np.int16)

    def add(self, reason: str, against: np.ndarray, *, first: bool = False) -> None:
        chosen = against if first else against & (self.codes == 0)
        if chosen.any():
            self.texts.append(reason)
            self.codes[chosen] = len(self.texts) - 1


def validate(catalogue: Catalogue, batch: RawBatch, landed_at: datetime) -> Validated:
    """Types a batch by the catalogue and finds what is wrong with its rows."""
    entity = catalogue.entities[batch.entity]
    findings = _Findings(batch.rows)
    columns: dict[str, pa.Array] = {}
    no_key = np.zeros(batch.rows, bool)
    ordinals = np.full(batch.rows, NO_PERIOD)
    for name, column in entity.columns.items():
        candidates = [batch.columns[source] for source in (name, *column.sources) if source in batch.columns]
        array, wrong = typed_column(column, candidates, batch.rows)
        columns[name] = array
        absent = _null_mask(array)
        if wrong is not None:
            findings.add(f"wrong type: {name}", wrong)
            absent &= ~wrong
        if name in entity.key:
            no_key |= absent
        elif _is_needed(entity, name):
            findings.add(f"missing value: {name}", absent)
        if column.values:
            allowed = pc.is_in(array.cast(pa.string()), pa.array(column.values))
            findings.add(f"not an allowed value: {name}", ~allowed.to_numpy(zero_copy_only=False) & ~_null_mask(array))
        elif name in (entity.publish_time, entity.updated_at):
            beyond = _beyond(catalogue, array, landed_at, has_start=name == entity.publish_time)
            findings.add(f"time out of range: {name}", beyond)
            if name == entity.publish_time:
                ordinals = np.where(beyond, NO_PERIOD, _ordinals(array, catalogue.partition_unit))
    findings.add(MISSING_KEY, no_key, first=True)
    if entity.root:
        no_root = _null_mask(columns[entity.bucket_key]) & _null_mask(columns[entity.root.column])
        findings.add(f"missing value: {entity.root.column}", no_root)
    return _split(columns, ordinals, findings)


def _null_mask(array: pa.Array) -> np.ndarray:
    if array.null_count == 0:
        return np.zeros(len(array), bool)
    return pc.is_null(array).to_numpy(zero_copy_only=False)


def _is_needed(entity: Entity, column: str) -> bool:
    if column == entity.bucket_key and entity.root is not None:
        return False
    return entity.columns[column].required or column in (entity.publish_time, entity.bucket_key)


def _beyond(catalogue: Catalogue, times: pa.Array, landed_at: datetime, *, has_start: bool) -> np.ndarray:
    moments = pc.fill_null(times.cast(pa.int64()), microseconds(landed_at)).to_numpy(zero_copy_only=False)
    beyond = moments > microseconds(landed_at + TOLERATED_FUTURE)
    if has_start:
        beyond |= moments < microseconds(start_of(catalogue.first_period, catalogue.partition_unit))
    return beyond


def _ordinals(times: pa.Array, unit: Unit) -> np.ndarray:
    moments = pc.fill_null(times.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("datetime64[us]")
    ordinals = moments.astype(f"datetime64[{NUMPY_UNITS[unit]}]").astype(np.int64)
    return np.where(_null_mask(times), NO_PERIOD, ordinals)


def _split(columns: Mapping[str, pa.Array], ordinals: np.ndarray, findings: _Findings) -> Validated:
    accepted = np.flatnonzero(findings.codes == 0)
    rejected = np.flatnonzero(findings.codes)
    if len(rejected):
        chosen = pa.array(accepted)
        columns = {name: array.take(chosen) for name, array in columns.items()}
    return Validated(
        columns=columns,
        ordinals=ordinals[accepted],
        accepted=accepted,
        rejected=rejected,
        reasons=[findings.texts[code] for code in findings.codes[rejected]],
        rejected_ordinals=ordinals[rejected],
    )
