"""What the commands share: the opened home, the options that recur, how times are written, and how a command answers machines.

A command prints what it found and returns its exit code; errors go up as they are and `cli.main` says them. Whatever takes long to import
is imported by the command that needs it, so that `srp --help` answers at once.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from srp_assets.errors import InvalidInput, nearest

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from srp_assets.settings import Settings
    from srp_assets.warehouse.catalogue import Catalogue
    from srp_assets.warehouse.storage import Storage

OK, ERROR, USAGE, INCOMPLETE = 0, 1, 2, 3
"""Exit codes. INCOMPLETE: done, but rows were rejected, the ledger does not balance, or a task is not complete."""

TIME_FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")

Command = TypeVar("Command", bound=Callable[..., Any])

json_option: Callable[[Command], Command] = click.option(
    "--json", "as_json", is_flag=True, help="Answer in JSON on standard output, for machines; errors too."
)
product_option: Callable[[Command], Command] = click.option(
    "--product", "products", multiple=True, metavar="P", help="Only this product; may be given several times."
)


class Moment(click.ParamType):
    """A time in UTC: a year, a month, a day, an hour, or a whole time; what is left out is its beginning."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Reads the text, or complains in click's way."""
        if isinstance(value, datetime):
            return value
        for form in TIME_FORMATS:
            try:
                return datetime.strptime(value.removesuffix("Z").replace(" ", "T"), form).replace(tzinfo=UTC)
            except ValueError:
                continue
        self.fail(f"{value!r} is no time; write 2024, 2024-03, 2024-03-09 or 2024-03-09T14:30 (UTC)", param, ctx)


def range_options(what: str) -> Callable[[Command], Command]:
    """The options `--from` and `--to` with their meaning for this command."""

    def decorate(command: Command) -> Command:
        to = click.option("--to", "before", type=Moment(), metavar="D", help=f"Only {what} before D (D itself is out).")
        return click.option("--from", "since", type=Moment(), metavar="D", help=f"Only {what} from D on: 2024, 2024-03, 2024-03-09 ..")(
            to(command)
        )

    return decorate


@dataclass(frozen=True)
class Home:
    """The opened home."""

    settings: "Settings"
    catalogue: "Catalogue"
    engine: "Engine"
    storage: "Storage"

    def entity(self, name: str) -> str:
        """The name, if the catalogue has this entity.

        Raises:
            InvalidInput: if it has not; the remedy names the nearest.
        """
        if name not in self.catalogue.entities:
            raise InvalidInput(f"unknown entity {name!r}", where="--entity", remedy=nearest(name, self.catalogue.entities))
        return name

    def products(self, names: Sequence[str]) -> list[str]:
        """The names, if the catalogue allows these products.

        Raises:
            InvalidInput: if it does not; the remedy names the nearest.
        """
        for name in names:
            if not self.catalogue.allows_product(name):
                raise InvalidInput(f"unknown product {name!r}", where="--product", remedy=nearest(name, self.catalogue.products))
        return list(names)


def read_settings() -> "Settings":
    """The settings from the environment.

    Raises:
        InvalidInput: if one of them is not valid, with its name.
    """
    from pydantic import ValidationError

    from srp_assets.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        variable = name if name.isupper() else f"SRP_{name.upper()}"
        raise InvalidInput(first["msg"], where=variable, remedy="correct this environment variable") from error


@contextmanager
def open_home() -> Iterator[Home]:
    """Opens the registry and the warehouse of the home, bound to the catalogue that the settings name."""
    from resources.registry_database import open_registry
    from srp_assets.warehouse.catalogue import load_catalogue
    from srp_assets.warehouse.registry import bind_catalogue
    from srp_assets.warehouse.storage import Storage

    settings = read_settings()
    catalogue = load_catalogue(settings.catalogue)
    engine = open_registry(settings)
    try:
        with engine.begin() as connection:
            bind_catalogue(connection, catalogue)
        yield Home(settings, catalogue, engine, Storage(settings.warehouse_location))
    finally:
        engine.dispose()


def answer(data: Any) -> None:
    """Prints JSON for machines."""
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    click.echo(json.dumps(data, ensure_ascii=ascii_only, default=_plain))


def iso(value: datetime | None) -> str | None:
    """A time as JSON has it."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
