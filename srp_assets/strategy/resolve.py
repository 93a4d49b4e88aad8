"""Takes a stored strategy apart into what a task runs: every version pinned as it is now."""

from datetime import datetime

from sqlalchemy import Connection

from srp_assets.errors import Conflict
from srp_assets.strategy import registry
from srp_assets.strategy.library import Library, found_in_registry
from srp_assets.strategy.logic import LogicReader
from srp_assets.strategy.model import StrategyDocument
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.strategy.resolved import ResolvedStrategy
from srp_assets.strategy.validation import resolve_strategy
from srp_assets.warehouse.catalogue import Catalogue


def resolve(
    connection: Connection, catalogue: Catalogue, strategy_id: str, version: int | None = None, *, before: datetime | None = None
) -> ResolvedStrategy:
    """A strategy with the newest versions of everything that it refers to.

    Args:
        connection: the registry.
        catalogue: the catalogue of the home.
        strategy_id: which strategy.
        version: which version of it; the newest by default.
        before: what it refers to as that stood before this time; as it stands now if None.

    Raises:
        NotFound: if there is no such strategy or version.
        Conflict: if the strategy is archived.
        InvalidDocuments: if an old version does no longer fit what it refers to.
    """
    stored = registry.show_document(connection, "strategy", strategy_id, version)
    if stored.is_archived:
        raise Conflict(f"strategy {strategy_id} is archived", remedy="use another one, or apply it again")
    found = found_in_registry(stored)
    reader = LogicReader(catalogue, Library(connection, before=before))
    document = StrategyDocument.model_validate(stored.body)
    objects = resolve_strategy(reader, document, found.place)
    if reader.problems:
        raise InvalidDocuments(reader.problems)
    return ResolvedStrategy(
        id=stored.id,
        version=stored.version,
        products=document.products,
        recall=document.recall,
        objects=objects,
        lists=reader.lists,
        documents={f"strategy/{stored.id}": stored.version} | reader.documents,
        derived=tuple(sorted(reader.derived)),
    )
