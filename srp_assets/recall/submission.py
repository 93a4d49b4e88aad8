"""How a task comes into the queue: with the versions that are newest now, as of everything that has landed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from srp_assets.errors import InvalidInput, nearest
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.registry import add_task
from srp_assets.recall.registry_estimates import link_estimate, newest_estimate
from srp_assets.recall.tasks import new_task_id
from srp_assets.strategy.resolve import resolve
from srp_assets.strategy.resolved import ResolvedStrategy
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry import last_ingest
from srp_assets.warehouse.registry import products as landed_products


def submit(
    connection: Connection,
    catalogue: Catalogue,
    strategy_id: str,
    *,
    products: Sequence[str] = (),
    published_from: datetime | None = None,
    published_to: datetime | None = None,
    realtime: bool = False,
    follow: bool = False,
    urgent: bool = False,
    now: datetime,
) -> str:
    """Queues a task with the versions that are newest now, as of everything that has landed; returns its id.

    The arguments are those of `new_task` and `queue`.

    Raises:
        NotFound: if there is no such strategy.
        InvalidInput: if a product is not one that the strategy runs on, the range is empty, or the strategy cannot run in real time.
    """
    task = new_task(connection, catalogue, strategy_id, products=products, published_from=published_from, published_to=published_to)
    queue(connection, catalogue, task, realtime=realtime, follow=follow, urgent=urgent, now=now)
    return task.task_id


def new_task(
    connection: Connection,
    catalogue: Catalogue,
    strategy_id: str,
    *,
    products: Sequence[str] = (),
    published_from: datetime | None = None,
    published_to: datetime | None = None,
    version: int | None = None,
    before: datetime | None = None,
) -> TaskSpec:
    """A task in no queue yet, with the versions that are newest now; of the strategy itself another one, if `version` names it.

    What the strategy refers to is as it stood before the time `before`, where that is given. `products` narrows the strategy's own; an
    empty one takes all of them.

    Raises:
        NotFound: if there is no such strategy or version.
        InvalidInput: if a product is not one that the strategy runs on, or the range is empty.
    """
    if published_from and published_to and published_from >= published_to:
        raise InvalidInput(
            "the range of publish times is empty", where="--from, --to", remedy="--to is excluded and must be later than --from"
        )
    strategy = resolve(connection, catalogue, strategy_id, version, before=before)
    return TaskSpec(
        task_id=new_task_id(),
        strategy=strategy,
        products=_products(connection, catalogue, strategy, products),
        published_from=published_from,
        published_to=published_to,
    )


def queue(
    connection: Connection,
    catalogue: Catalogue,
    task: TaskSpec,
    *,
    realtime: bool = False,
    follow: bool = False,
    urgent: bool = False,
    now: datetime,
) -> None:
    """Lets a task wait from now on, as of everything that has landed, beside what was estimated for it.

    A task in `realtime` waits for no builds and reads landing where they are missing; one that is to `follow` is refilled when data lands
    later; an `urgent` one closes the window, for all that are ready.

    Raises:
        InvalidInput: if the strategy cannot run in real time.
    """
    if realtime:
        from srp_assets.recall.realtime import require_basic_features  # brings pyspark: half a second that other tasks need not wait

        require_basic_features(task.strategy)
    add_task(
        connection,
        task,
        needs=needed_ranges(catalogue, task),
        as_of_ingest=last_ingest(connection),
        now=now,
        realtime=realtime,
        follow=follow,
        urgent=urgent,
    )
    if estimated := newest_estimate(connection, task):
        link_estimate(connection, task.task_id, estimated[0])


def _products(connection: Connection, catalogue: Catalogue, strategy: ResolvedStrategy, asked: Sequence[str]) -> tuple[str, ...]:
    landed = landed_products(connection)
    if strategy.products != "*":
        valid = list(strategy.products)
    elif catalogue.products != "open":
        valid = list(catalogue.products)
    else:
        valid = landed
    for product in asked:
        if product not in valid:
            raise InvalidInput(
                f"strategy {strategy.id!r} does not run on product {product!r}", where="--product", remedy=nearest(product, valid)
            )
    return tuple(dict.fromkeys(asked or valid))
