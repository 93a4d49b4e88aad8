"""What tasks say of the files that they wrote: one JSON text for each, as rows of a frame."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

MANIFEST = pa.schema([pa.field("manifest", pa.string())])

MANIFEST_DDL = "manifest string"


def manifests(rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Manifests as a kernel gives them."""
    texts = [json.dumps(row) for row in rows]
    yield from pa.table([pa.array(texts, pa.string())], schema=MANIFEST).to_batches()
