"""How a task comes into the queue: with the versions that are newest now, as of everything that has landed."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from srp_assets.errors import InvalidInput, nearest
from srp_assets.recall.batch import TaskSpec, needed_ranges
from srp_assets.recall.registry import add_task
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
    now: datetime,
) -> str:
    """Queues a task with the versions that are newest now, as of everything that has landed; returns its id.

    `products` narrows the strategy's own; an empty one takes all of them.

    Raises:
        NotFound: if there is no such strategy.
        InvalidInput: if a product is not one that the strategy runs on, or the range is empty.
    """
    if published_from and published_to and published_from >= published_to:
        raise InvalidInput(
            "the range of publish times is empty", where="--from, --to", remedy="--to is excluded and must be later than --from"
        )
    strategy = resolve(connection, catalogue, strategy_id)
    task = TaskSpec(
        task_id=new_task_id(),
        strategy=strategy,
        products=_products(connection, catalogue, strategy, products),
        published_from=published_from,
        published_to=published_to,
    )
    add_task(connection, task, needs=needed_ranges(catalogue, task), as_of_ingest=last_ingest(connection), now=now)
    return task.task_id


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
