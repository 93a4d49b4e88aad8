"""Tasks, landings and builds put straight into the registry: for tests of what recall does with them, without data."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.tasks import new_task_id
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import Counts, commit_ingest, last_ingest, open_ingest
from srp_assets.warehouse.registry_builds import Build, BuildFile, record_builds

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """The start of the test's time and some seconds."""
    return START + timedelta(seconds=seconds)


def popular(*objects: str, recall: str | None = None, at_least: int = 10) -> ResolvedStrategy:
    """A strategy on liked rows of its first object; the others only join."""
    rule = Rule(feature=Feature(name="like_count", kind="metric", type="int64", parts=("like_count",)), match=">=", value=at_least)
    logic = {name: rule if name == objects[0] else None for name in objects}
    return ResolvedStrategy(id="popular", version=1, products="*", recall=recall or objects[0], objects=logic)


def add_task(
    connection: Connection,
    catalogue: Catalogue,
    *,
    strategy: ResolvedStrategy | None = None,
    products: Sequence[str] = ("aurora",),
    now: datetime = START,
    published_from: datetime | None = None,
    published_to: datetime | None = None,
    urgent: bool = False,
    realtime: bool = False,
) -> str:
    """Stores a waiting task as `service.submit` does."""
    task = TaskSpec(
        task_id=new_task_id(),
        strategy=strategy or popular("post"),
        products=tuple(products),
        published_from=published_from,
        published_to=published_to,
    )
    needs, as_of_ingest = needed_ranges(catalogue, task), last_ingest(connection)
    registry.add_task(connection, task, needs=needs, as_of_ingest=as_of_ingest, now=now, urgent=urgent, realtime=realtime)
    return task.task_id


def land(connection: Connection, entity: str, period: str, *, product: str = "aurora", rows: int = 5) -> int:
    """Records an ingest of some rows of one period; returns its id."""
    ingest_id, _ = open_ingest(connection, reader="csv", source="test", product=product, entity=entity, now=START)
    counts = {(entity, product, period): Counts(landed=rows, stored=rows, files=["none"])}
    commit_ingest(connection, ingest_id, counts=counts, states={}, summary={})
    return ingest_id


def built(connection: Connection, entity: str, period: str, *, product: str = "aurora", visible: int = 5, hidden: int = 0) -> Build:
    """Records a build of everything that landed for one period."""
    files = tuple(
        BuildFile(path=f"{entity}/{product}/{period}/{shown}", visible=shown, bucket=0, rows=rows, bytes=1)
        for shown, rows in ((True, visible), (False, hidden))
        if rows
    )
    build = Build(
        build_id=0,
        entity=entity,
        product=product,
        period=period,
        through_ingest=last_ingest(connection),
        rows_visible=visible,
        rows_hidden=hidden,
        superseded=0,
        moved=0,
        files=files,
        built_at=START,
        run_id=None,
    )
    return record_builds(connection, [build])[0]
