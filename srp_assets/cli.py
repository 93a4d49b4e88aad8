"""The command `srp`: its commands, and how errors and interrupts reach people and machines.

The commands themselves are in the modules `cli_*`; each imports what takes long only when it runs.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from srp_assets.cli_common import ERROR, USAGE, answer
from srp_assets.errors import SrpError, Unavailable, nearest

INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended: 128 and the number of the signal."""

COMMANDS = {
    "demo": "srp_assets.cli_demo",
    "ingest": "srp_assets.cli_data",
    "build": "srp_assets.cli_data",
    "apply": "srp_assets.cli_documents",
    "list": "srp_assets.cli_documents",
    "show": "srp_assets.cli_documents",
    "archive": "srp_assets.cli_documents",
    "lists": "srp_assets.cli_lists",
    "logs": "srp_assets.cli_logs",
    "submit": "srp_assets.cli_submit",
    "tasks": "srp_assets.cli_tasks",
    "recall": "srp_assets.cli_recall",
    "cases": "srp_assets.cli_recall",
    "marks": "srp_assets.cli_marks",
    "precision": "srp_assets.cli_marks",
    "diff": "srp_assets.cli_difference",
    "statistics": "srp_assets.cli_insights",
    "report": "srp_assets.cli_insights",
    "features": "srp_assets.cli_features",
    "online": "srp_assets.cli_online",
    "parity": "srp_assets.cli_parity",
    "embeddings": "srp_assets.cli_embeddings",
    "sequences": "srp_assets.cli_sequences",
    "training": "srp_assets.cli_training",
    "models": "srp_assets.cli_models",
    "spark": "srp_assets.cli_spark",
}
"""The module that each command is in, in the order in which they are used."""


class Commands(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of their use."""
        return list(COMMANDS)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; the nearest is named where there is none of that name."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}; {nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), f"{cmd_name}_command")
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="srp", prog_name="srp")
def srp() -> None:
    """Find everything that fits a strategy, in all that a platform holds.

    Land data, build the tables, apply strategies, submit tasks, read their cases. Everything is kept in the home folder (SRP_HOME, .srp by
    default); README.md lists all settings.

    Exit codes: 0 done; 1 an error; 2 wrong usage; 3 done, but rows were rejected, an account
    does not balance or a task is not complete; 130 interrupted. Times are UTC.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Runs one command; returns its exit code. Errors are said in one line, or as JSON if that was asked for."""
    as_json = "--json" in arguments
    try:
        code = srp.main(list(arguments), prog_name="srp", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return _say(
            {"code": "interrupted", "message": "interrupted", "where": None, "remedy": "what was finished stays; run the command again"},
            INTERRUPTED,
            as_json=as_json,
        )
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "srp"
        return _say(
            {"code": "usage", "message": error.format_message(), "where": where, "remedy": f"{where} --help"}, USAGE, as_json=as_json
        )
    except SrpError as error:
        problems = [problem.as_dict() for problem in getattr(error, "problems", ())]
        return _say(error.as_dict(), ERROR, as_json=as_json, problems=problems)
    except BrokenPipeError:
        # Whoever reads our output has seen enough. Python would complain once more when it closes the stream.
        sys.stdout = None
        return ERROR
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        return _say(known.as_dict(), ERROR, as_json=as_json)
    return int(code or 0)


def _known(error: Exception) -> SrpError | None:
    """What a failure of the machine means to a user; None for anything else, which is a defect and shows its trace."""
    if isinstance(error, OSError):
        return Unavailable(
            f"{error.strerror or error}",
            where=str(error.filename or "the home"),
            remedy="free space, or correct the permissions or SRP_HOME",
        )
    if type(error).__module__.startswith("sqlalchemy.") and getattr(error, "orig", None) is not None:
        summary = " ".join(str(getattr(error, "orig", error)).split())
        return Unavailable(f"the registry database cannot be used: {summary}", remedy="free space, or check SRP_HOME or SRP_DATABASE_URL")
    return None


def _say(error: dict[str, Any], code: int, *, as_json: bool, problems: Sequence[dict[str, Any]] = ()) -> int:
    """Says an error, or all problems that it stands for, one a line."""
    if as_json:
        answer({"error": error | ({"problems": list(problems)} if problems else {})})
        return code
    from srp_assets.console import complain

    for problem in problems or [error]:
        where = f"{problem['where']}: " if problem["where"] else ""
        remedy = f" ({problem['remedy']})" if problem["remedy"] else ""
        complain(f"{where}{problem['message']}{remedy}")
    return code


if __name__ == "__main__":
    main()
