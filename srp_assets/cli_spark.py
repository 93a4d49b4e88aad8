"""The commands for the local Spark driver."""

from typing import Any

import click

from srp_assets.cli_common import OK, answer, json_option, open_home, read_settings
from srp_assets.console import progress, say


@click.group("spark")
def spark_command() -> None:
    """The local Spark driver: it starts by itself when it is needed and stays until it is stopped."""


@spark_command.command("up")
@json_option
def up(as_json: bool) -> int:
    """Start the driver, or find the one that runs, and give it the tables that are built, for queries of your own."""
    from resources import spark_server

    settings = read_settings()
    if settings.spark_remote:
        return _tell({"running": True, "remote": True}, "SPARK_REMOTE names the Spark to use: no local driver is needed", as_json)
    with progress("starting Spark", shown=not as_json) as report:
        report("up in about 8 s", 0, 0)
        state = spark_server.start(settings)
        report("publishing tables", 0, 0)
        tables = _publish_tables()
    text = f"Spark runs: process {state.pid}, port {state.port}, {state.memory} on {state.master}"
    return _tell(_described(state) | {"tables": tables}, f"{text}; tables: {', '.join(tables) or 'none is built yet'}", as_json)


def _publish_tables() -> list[str]:
    from resources.spark import open_session
    from srp_assets.warehouse.plan_tables import publish_views
    from srp_assets.warehouse.registry_builds import current_builds

    with open_home() as home:
        with home.engine.connect() as connection:
            builds = {name: current_builds(connection, entity=name) for name in home.catalogue.entities}
        return publish_views(open_session(home.settings), home.storage, home.catalogue, builds)


@spark_command.command("down")
@json_option
def down(as_json: bool) -> int:
    """Stop the driver; runs that use it fail and are tried again."""
    from resources import spark_server

    with progress("stopping Spark", shown=not as_json) as report:
        report("waiting for its end", 0, 0)
        stopped = spark_server.stop(read_settings())
    return _tell({"stopped": stopped}, "Spark is stopped" if stopped else "no Spark was running", as_json)


@spark_command.command("status")
@json_option
def status(as_json: bool) -> int:
    """Say whether the driver runs, and where."""
    from resources import spark_server

    state = spark_server.status(read_settings())
    if state is None:
        return _tell({"running": False}, "no Spark is running; it starts when it is needed", as_json)
    return _tell(_described(state), f"Spark runs: process {state.pid}, port {state.port}, {state.memory} on {state.master}", as_json)


def _described(state: Any) -> dict[str, Any]:
    return {"running": True, "pid": state.pid, "port": state.port, "master": state.master, "memory": state.memory, "log": state.log}


def _tell(data: dict[str, Any], text: str, as_json: bool) -> int:
    if as_json:
        answer(data)
    else:
        say(text)
    return OK
