"""The standing word lists of today, and the periods whose kept hits are not those of them."""

from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from srp_assets.strategy import registry
from srp_assets.strategy.library import Found, Library, found_in_registry
from srp_assets.strategy.logic import LogicReader
from srp_assets.strategy.problems import InvalidDocuments
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.registry_builds import PeriodKey, newest_build
from srp_assets.wordlists.model import WordList
from srp_assets.wordlists.registry import stale_hits
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.standing.lists import entities_with_texts, hits_digest, list_digest, text_features


def standing_lists(connection: Connection, catalogue: Catalogue) -> list[ResolvedList]:
    """The newest versions of all word lists that are standing and not archived, by id.

    Raises:
        InvalidDocuments: if one of them does no longer fit the lists that it exempts by.
    """
    reader = LogicReader(catalogue, Library(connection))
    found = [found_in_registry(stored) for stored in registry.list_documents(connection, "word_list") if stored.body.get("standing")]
    lists = [
        reader.resolve_list(Found(each.document, each.place, each.version, each.is_archived))
        for each in found
        if isinstance(each.document, WordList)
    ]
    if reader.problems:
        raise InvalidDocuments(reader.problems)
    return [list_ for list_ in lists if list_ is not None]


def periods_without_hits(
    connection: Connection,
    catalogue: Catalogue,
    *,
    entity: str | None = None,
    products: Collection[str] | None = None,
    first: str | None = None,
    last: str | None = None,
) -> list[PeriodKey]:
    """The built periods in which today's standing lists were not looked for; `first` and `last` are both included."""
    lists = standing_lists(connection, catalogue)
    found: list[PeriodKey] = []
    for name in entities_with_texts(catalogue):
        if entity in (None, name):
            digest = hits_digest(text_features(catalogue.entities[name]), lists)
            found += stale_hits(connection, entity=name, digest=digest, products=products, first=first, last=last)
    return found


def periods_to_look_into(connection: Connection, catalogue: Catalogue, built: Iterable[PeriodKey], **limits: Any) -> list[PeriodKey]:
    """The periods in which the standing lists are to be looked for: those that will be built, and built ones in which they were not.

    Args:
        connection: to the registry.
        catalogue: of the home.
        built: the periods that will be built.
        limits: as of `periods_without_hits`.
    """
    stale = periods_without_hits(connection, catalogue, **limits)
    texts = entities_with_texts(catalogue) if standing_lists(connection, catalogue) else []
    return sorted({*stale, *(key for key in built if key.entity in texts)})


def standing_state(connection: Connection, catalogue: Catalogue) -> str:
    """What `periods_without_hits` follows from, in short: the standing lists, and the newest build."""
    digests = [list_digest(list_) for list_ in standing_lists(connection, catalogue)]
    return sha256(repr((digests, newest_build(connection))).encode()).hexdigest()[:16]
