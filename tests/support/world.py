"""A tiny platform that is landed and built for real: for tests of what runs on it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import Engine

from srp_assets.warehouse.building import build_periods
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.landing import IngestSummary, land_batches
from srp_assets.warehouse.registry_builds import stale_periods
from srp_assets.warehouse.schema import entity_schema
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def post(post_id: int, *, likes: int = 0, title: str = "hello", month: int = 1, user: int = 1, **more: Any) -> dict[str, Any]:
    """A visible post."""
    at = datetime(2024, month, 2, tzinfo=UTC)
    return {"post_id": post_id, "user_id": user, "title": title, "like_count": likes, "created_at": at, "updated_at": at} | more


def comment(comment_id: int, post_id: int, *, text: str = "so it is", month: int = 1, user: int = 2, **more: Any) -> dict[str, Any]:
    """A visible comment."""
    at = datetime(2024, month, 3, tzinfo=UTC)
    return {"comment_id": comment_id, "post_id": post_id, "user_id": user, "text": text, "created_at": at, "updated_at": at} | more


def land_rows(
    engine: Engine, storage: Storage, catalogue: Catalogue, rows: dict[str, list[dict[str, Any]]], *, product: str = "aurora"
) -> IngestSummary:
    """Lands rows by entity."""
    batches = [(name, pa.RecordBatch.from_pylist(found, schema=entity_schema(catalogue.entities[name]))) for name, found in rows.items()]
    return land_batches(engine, storage, catalogue, product=product, batches=batches, source="test", reader="test")


def build_all(spark: "SparkSession", engine: Engine, storage: Storage, catalogue: Catalogue) -> None:
    """Builds everything that landed and is not built."""
    with engine.connect() as connection:
        keys = stale_periods(connection)
    build_periods(spark, engine, storage, catalogue, keys)
