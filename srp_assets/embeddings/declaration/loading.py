"""Reads the declaration of embeddings and holds it against the logs and the catalogue that it speaks of."""

from pathlib import Path

from pydantic import ValidationError

from srp_assets.declarations import read_declaration
from srp_assets.embeddings.declaration.model import Embeddings
from srp_assets.errors import InvalidInput, nearest
from srp_assets.logs.catalogue import LogCatalogue
from srp_assets.warehouse.catalogue import Catalogue


def load_embeddings(path: Path, logs: LogCatalogue, catalogue: Catalogue) -> Embeddings:
    """Reads and validates a declaration.

    Raises:
        InvalidInput: if the file cannot be read, or names what the logs or the catalogue do not have.
    """
    declared = read_declaration(path, name="the declaration of embeddings", remedy="check SRP_EMBEDDINGS")
    try:
        found = Embeddings.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInput(message, where=f"{path}: {place}" if place else str(path), remedy="correct the declaration") from error
    _refuse_unknown(found, path, logs, catalogue)
    return found


def _refuse_unknown(found: Embeddings, path: Path, logs: LogCatalogue, catalogue: Catalogue) -> None:
    rules = found.sessions
    for place, names, valid in (
        ("sessions.clicks", rules.clicks, logs.action_kinds),
        ("sessions.bookings", rules.bookings, logs.steps),
        ("sessions.rejections", rules.rejections, logs.action_kinds),
        ("users.columns", found.users.columns, tuple(logs.context_columns)),
        ("items.entity", (found.items.entity,), tuple(catalogue.entities)),
    ):
        for name in names:
            if name not in valid:
                raise InvalidInput(f"{name!r} is not known", where=f"{path}: {place}", remedy=nearest(name, valid))
    columns = catalogue.entities[found.items.entity].columns
    for place in ("key", "market", "type", "price"):
        name = getattr(found.items, place)
        if name not in columns:
            raise InvalidInput(f"the entity has no column {name!r}", where=f"{path}: items.{place}", remedy=nearest(name, columns))
