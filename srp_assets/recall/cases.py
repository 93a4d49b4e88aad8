"""Cases: how one recalled object is kept in files, put together from what the scan carried, and read back. No framework but pyarrow.

The kept form has one row for each (task, recalled row); `read_cases` gives the JSON shape that users see.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from srp_assets.recall.scan.compile import BatchPlan, Group, probes_of, text_features
from srp_assets.recall.scan.kernel import HIT_WORD_BITS
from srp_assets.strategy.reference import key_text
from srp_assets.strategy.resolved import Feature
from srp_assets.strategy.shown import shown_hit, shown_text
from srp_assets.strategy.times import iso_utc
from srp_assets.warehouse.storage import Storage

CASE_SCHEMA = pa.schema(
    [
        pa.field("task_id", pa.string()),
        pa.field("product", pa.string()),
        pa.field("object", pa.string()),
        pa.field("id", pa.string()),
        pa.field("key_order", pa.string()),
        pa.field("root", pa.string()),
        pa.field(
            "hits",
            pa.list_(
                pa.struct(
                    [
                        pa.field("object", pa.string()),
                        pa.field("feature", pa.string()),
                        pa.field("list", pa.string()),
                        pa.field("word", pa.string()),
                        pa.field("spans", pa.list_(pa.list_(pa.int32()))),
                        pa.field("parts", pa.list_(pa.string())),
                        pa.field("crosses", pa.bool_()),
                    ]
                )
            ),
        ),
        pa.field("texts", pa.map_(pa.string(), pa.string())),
        pa.field("extra", pa.string()),
        pa.field(
            "joined",
            pa.list_(pa.struct([pa.field("object", pa.string()), pa.field("rows", pa.int64()), pa.field("keys", pa.list_(pa.string()))])),
        ),
        pa.field("facts", pa.string()),
    ]
)
"""One case a row; `extra` is JSON, since its columns differ by entity; `key_order` sorts as the typed key does; `root` is the bucket key of
the recalled row, by which a refill finds the cases that later rows may have changed. `facts` is JSON too: the recalled row's columns that
cases are counted by; null in cases from before there were any."""

HIT_WORD_MASK = (1 << HIT_WORD_BITS) - 1


class CaseAssembler:
    """Puts the cases of one group together from recalled rows and their joined rows.

    Args:
        plan: the batch.
        group: the group whose rows come.
    """

    def __init__(self, plan: BatchPlan, group: Group) -> None:
        self._plan = plan
        self._group = group
        catalogue = plan.catalogue
        self._probes = {name: plan.probes(catalogue.objects[name].entity) for name in group.objects}
        logics = {name: [plan.logic(plan.tasks[position], name) for position in group.tasks] for name in group.objects}
        self._task_probes = {name: [probes_of(node) for node in nodes] for name, nodes in logics.items()}
        self._task_features = {name: [text_features(node) for node in nodes] for name, nodes in logics.items()}

    def assemble(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Turns rows of (`_task`, `_product`, `_hits`, the recalled row's columns, `_joined_OBJECT` ...) into cases."""
        return pa.RecordBatch.from_pylist([self.case(row) for row in batch.to_pylist()], schema=CASE_SCHEMA)

    def case(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One such row as a case."""
        catalogue, recall, bit = self._plan.catalogue, self._group.recall, row["_task"]
        entity = catalogue.entity_of(recall)
        key = tuple(row[column] for column in entity.key)
        hits: list[dict[str, Any]] = []
        texts: dict[str, str] = {}
        joined = []
        for name in self._group.objects:
            shown = row
            if name != recall:
                summary = row[f"_joined_{name}"]
                keys = [key_text(tuple(key[column] for column in catalogue.entity_of(name).key)) for key in summary["keys"]]
                joined.append({"object": name, "rows": summary["rows"], "keys": keys})
                shown = summary.get("first") or {}
            hits += self._hits(name, bit, shown)
            texts |= self._texts(name, bit, shown)
        extra = {}
        for column in entity.case_columns:
            if entity.columns[column].kind != "text":
                extra[column] = _json_value(row[column], entity.columns[column].kind)
            elif row[column] is not None:
                texts[f"{recall}.{column}"] = row[column]
        facts = {column: _json_value(row[column], entity.columns[column].kind) for column in entity.fact_columns}
        return {
            "task_id": self._plan.tasks[self._group.tasks[bit]].task_id,
            "product": row["_product"],
            "object": recall,
            "id": key_text(key),
            "key_order": key_order(key),
            "root": str(row[entity.bucket_key]),
            "hits": hits,
            "texts": list(texts.items()),
            "extra": json.dumps(extra, ensure_ascii=False),
            "joined": joined,
            "facts": json.dumps(facts, ensure_ascii=False),
        }

    def _hits(self, name: str, bit: int, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        mine = self._task_probes[name][bit]
        found = []
        for hit in row.get("_hits") or ():
            probe = self._probes[name][hit >> HIT_WORD_BITS]
            if probe in mine:
                found.append((probe.feature.name, self._plan.lists[probe.list_key].id, hit & HIT_WORD_MASK, probe))
        return [
            {"object": name, **shown_hit(self._plan.lists[probe.list_key], word, probe.feature, _parts(probe.feature, row))}
            for _, _, word, probe in sorted(found, key=lambda hit: hit[:3])
        ]

    def _texts(self, name: str, bit: int, row: Mapping[str, Any]) -> dict[str, str]:
        texts = {f"{name}.{feature.name}": shown_text(_parts(feature, row)) for feature in self._task_features[name][bit]}
        return {place: text for place, text in texts.items() if text is not None}


def _parts(feature: Feature, row: Mapping[str, Any]) -> list[str | None]:
    return [row.get(part) for part in feature.parts]


def read_cases(storage: Storage, folder: str, task_id: str, limit: int | None = None) -> list[dict[str, Any]]:
    """The cases of a task in order of product and key, in the JSON shape that users see.

    Args:
        storage: the warehouse.
        folder: the cases folder of the task's batch.
        task_id: the task.
        limit: at most this many; all if None.
    """
    found: list[dict[str, Any]] = []
    for batch in case_batches(storage, folder, task_id):
        for case in batch.to_pylist():
            if limit is not None and len(found) == limit:
                return found
            found.append(case_json(case))
    return found


def case_batches(storage: Storage, folder: str, task_id: str) -> Iterator[pa.RecordBatch]:
    """The kept cases of a task in order, in batches of bounded size: for exports."""
    files = ds.dataset(storage.path(folder), schema=CASE_SCHEMA, format="parquet", filesystem=storage.filesystem)
    # A task's cases lie in one file, sorted: Spark wrote them so.
    for batch in files.to_batches(filter=pc.field("task_id") == task_id, batch_size=8192, use_threads=False):
        if batch.num_rows:
            yield batch


def case_json(case: Mapping[str, Any]) -> dict[str, Any]:
    """One kept case in the JSON shape that users see."""
    return {
        "product": case["product"],
        "object": case["object"],
        "id": case["id"],
        "hits": [{name: value for name, value in hit.items() if value is not None} for hit in case["hits"]],
        "texts": dict(case["texts"]),
        "extra": json.loads(case["extra"]),
        "joined": {other["object"]: {"rows": other["rows"], "keys": other["keys"]} for other in case["joined"]},
    }


def key_order(key: Sequence[int | str]) -> str:
    """A text that sorts as the typed key does: whole numbers shifted to 20 digits without sign, parts apart by the lowest character."""
    return "\0".join(f"{part + 2**63:020d}" if isinstance(part, int) else part for part in key)


def _json_value(value: Any, kind: str) -> Any:
    if isinstance(value, datetime):
        return iso_utc(value)
    return dict(value) if kind == "map" and value is not None else value
