"""The commands for the online side: its store, what it was read to, and the features of a request."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, Moment, answer, iso, json_option, open_home, read_settings
from srp_assets.errors import NotFound

if TYPE_CHECKING:
    from srp_assets.features.building.days import Places
    from srp_assets.online.records.layout import RecordLayout
    from srp_assets.online.store import Store

until_option = click.option("--until", type=Moment(), metavar="T", help="Count what was known before this time; now by default.")


@click.group("online")
def online_command() -> None:
    """The online side: a store that answers requests with the features that training has."""


@online_command.command("status")
@click.option("--sizes", is_flag=True, help="Measure the memory of records and portraits; this asks for every key.")
@json_option
def status(sizes: bool, as_json: bool) -> int:
    """Say whether the store answers, what it holds and how far the stream was read. Exit code 3 if requests get defaults."""
    from resources import redis as redis_server
    from srp_assets.console import number, say, table

    settings = read_settings()
    state = redis_server.status(settings)
    found: dict[str, Any] = {"running": state is not None}
    usable = False
    if state is not None:
        with open_home() as home, redis_server.writing_client(settings) as client:
            found |= {"pid": state.pid, "version": state.version, "memory_bytes": state.memory_bytes, "keys": state.keys}
            described, usable = _described(_layout(home), _store(client), sizes=sizes)
            found |= described
    if as_json:
        answer(found)
        return OK if usable else INCOMPLETE
    if state is None:
        say("no Redis answers; requests are answered by defaults (srp online rebuild starts it)")
        return INCOMPLETE
    say(f"Redis {state.version} runs: process {state.pid}, {number(state.memory_bytes)} bytes, {number(state.keys)} keys")
    say(found.get("problem") or f"read to {found['consumed_to']}: {number(found['events'])} events, {number(found['late'])} of them late")
    if found.get("sizes"):
        rows = [(name, number(own["keys"]), number(own["bytes"]), number(own["bytes_a_key"])) for name, own in found["sizes"].items()]
        table("memory", ("", "keys", "bytes", "bytes a key"), rows, right=("keys", "bytes", "bytes a key"))
    return OK if usable else INCOMPLETE


def _described(layout: "RecordLayout", store: "Store", *, sizes: bool) -> tuple[dict[str, Any], bool]:
    """What the store holds, and whether requests can be answered from it."""
    pointer = store.pointer()
    if pointer is None:
        return {"problem": "the store is empty: srp online rebuild"}, False
    position = store.position(pointer)
    found: dict[str, Any] = {
        "generation": pointer.generation,
        "day": pointer.day or None,
        "consumed_to": iso(_moment(position.consumed_to)) if position.consumed_to else None,
        "events": position.events,
        "duplicates": position.duplicates,
        "late": position.late,
    }
    if sizes:
        measured = sorted(store.sizes(pointer).items())
        found["sizes"] = {name: {"keys": keys, "bytes": total, "bytes_a_key": round(total / keys)} for name, (keys, total) in measured}
    if difference := layout.difference(pointer.records):
        return found | {"problem": f"the store holds {difference}: srp online rebuild"}, False
    return found, True


@online_command.command("rebuild")
@click.option(
    "--day", type=Moment(), metavar="D", help="The day whose beginning is loaded; the last day of which actions are built by default."
)
@until_option
@json_option
def rebuild_command(day: datetime | None, until: datetime | None, as_json: bool) -> int:
    """Fill the store anew: the beginning of a day from partial sums, then what became known since. Requests are answered all the while."""
    from srp_assets.console import number, progress, say
    from srp_assets.online.consuming.rebuilding import newest_built_day, rebuild

    with open_home() as home, _writing_client(home) as client, progress("online store", shown=not as_json) as report:
        places, layout = _places(home), _layout(home)
        with home.engine.connect() as connection:
            chosen = day.date().isoformat() if day else newest_built_day(connection)
        load = rebuild(home.engine, _store(client), layout, places, chosen, _until(until), progress=report)
    if as_json:
        answer({"day": load.day, "generation": load.generation, "keys": load.keys, "portraits": load.portraits, "replayed": load.replayed})
    else:
        say(
            f"loaded {load.day}: {number(load.keys)} records, {number(load.portraits)} portraits, {number(load.replayed)} events since then"
        )
    return OK


@online_command.command("consume")
@until_option
@json_option
def consume(until: datetime | None, as_json: bool) -> int:
    """Count the built actions that became known since the store was last read on."""
    from srp_assets.console import number, progress, say
    from srp_assets.online.consuming.rebuilding import consume_built

    with open_home() as home, _writing_client(home) as client, progress("online store", shown=not as_json) as report:
        counted = consume_built(home.engine, _store(client), _layout(home), _places(home), _until(until), progress=report)
    if as_json:
        answer({"events": counted.events, "duplicates": counted.duplicates})
    else:
        say(f"{number(counted.events)} events counted, {number(counted.duplicates)} left out that came again")
    return OK


@online_command.command("request")
@click.argument("user")
@click.argument("items", nargs=-1, required=True)
@click.option("--at", type=Moment(), metavar="T", help="The time of the request; how far the stream was read by default.")
@click.option("--set", "given", multiple=True, metavar="COLUMN=VALUE", help="Another column of the request: market=de, query=tea ..")
@json_option
def request_command(user: str, items: tuple[str, ...], at: datetime | None, given: tuple[str, ...], as_json: bool) -> int:
    """Compute the features of USER with each of ITEMS. Exit code 3 if some are defaults because the store could not be asked."""
    from resources import redis as redis_server
    from srp_assets.console import say, table
    from srp_assets.features.times import microseconds
    from srp_assets.online.answering.columns import Request
    from srp_assets.online.answering.twin import Twin, rows_of

    with open_home() as home, redis_server.serving_client(home.settings) as client:
        layout, store = _layout(home), _store(client)
        context = {"user_id": user, **_columns(layout, given)}
        as_of = microseconds(at) if at else _read_to(store)
        found = Twin(store, layout).answer(Request("command line", as_of, context, {"item_id": items}))
    rows = rows_of(found)
    code = INCOMPLETE if found.defaulted else OK
    if as_json:
        features = [{"item_id": item, "features": row} for item, row in zip(items, rows, strict=True)]
        answer({"as_of": iso(_moment(as_of)), "candidates": features, "defaulted": sorted(found.defaulted), "problem": found.problem})
        return code
    shown = [(name, *(_shown(row[name]) for row in rows), "default" if name in found.defaulted else "") for name in rows[0]]
    table(f"features of {user} at {iso(_moment(as_of))}", ("feature", *items, ""), shown)
    if found.problem:
        say(found.problem)
    return code


@online_command.command("down")
@json_option
def down(as_json: bool) -> int:
    """Save and stop the Redis of the home; requests are answered by defaults then."""
    from resources import redis as redis_server
    from srp_assets.console import say

    stopped = redis_server.stop(read_settings())
    if as_json:
        answer({"stopped": stopped})
    else:
        say("Redis is stopped" if stopped else "no Redis of the home was running")
    return OK


def _layout(home: Home) -> "RecordLayout":
    from srp_assets.features.aggregation.layout import layout_of
    from srp_assets.features.declaration.loading import load_definitions
    from srp_assets.online.records.layout import record_layout

    declared = home.settings.feature_declarations
    if declared is None:
        raise NotFound("this home declares no features", where="SRP_FEATURES", remedy="write features.yaml beside logs.yaml")
    return record_layout(layout_of(load_definitions(declared)))


def _places(home: Home) -> "Places":
    from srp_assets.features.assets import places_of

    return places_of(home.settings, home.catalogue)


def _writing_client(home: Home) -> Any:
    from resources import redis as redis_server

    return redis_server.writing_client(home.settings)


def _store(client: Any) -> "Store":
    from srp_assets.online.store import Store

    return Store(client)


def _until(until: datetime | None) -> int:
    from srp_assets.features.times import microseconds

    return microseconds(until or datetime.now(UTC))


def _read_to(store: "Store") -> int:
    """How far the stream was read; now, where the store cannot say."""
    from srp_assets.errors import SrpError
    from srp_assets.features.times import microseconds

    try:
        pointer = store.pointer()
        position = None if pointer is None else store.position(pointer)
    except SrpError:
        position = None
    return position.consumed_to if position and position.consumed_to else microseconds(datetime.now(UTC))


def _columns(layout: "RecordLayout", given: tuple[str, ...]) -> dict[str, Any]:
    """Columns of the request as they were written on the command line."""
    columns: dict[str, Any] = {}
    for text in given:
        name, separator, value = text.partition("=")
        type_ = layout.definitions.request_columns.get(name)
        if not separator or type_ not in ("text", "number"):
            raise click.BadParameter(f"{text!r} is no COLUMN=VALUE of a request", param_hint="--set")
        try:
            columns[name] = float(value) if type_ == "number" else value
        except ValueError as error:
            raise click.BadParameter(f"{value!r} is no number", param_hint="--set") from error
    return columns


def _moment(microseconds: int) -> datetime:
    from datetime import timedelta

    from srp_assets.features.times import EPOCH

    return EPOCH + timedelta(microseconds=microseconds)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(value) if isinstance(value, tuple | list) else str(value)
