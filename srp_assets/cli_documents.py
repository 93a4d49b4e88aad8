"""The commands for what users write: apply, list, show and archive word lists, features, values, rules and strategies."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, Home, answer, iso, json_option, open_home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from srp_assets.strategy.registry import StoredDocument

KIND_HELP = "KIND is word_list, feature, value, rule or strategy."


@click.command("list", epilog=KIND_HELP)
@click.argument("kind")
@click.option("--archived", is_flag=True, help="Also what was archived.")
@json_option
def list_command(kind: str, archived: bool, as_json: bool) -> int:
    """List the documents of a KIND in their newest versions."""
    from srp_assets.console import moment, say, table
    from srp_assets.strategy.registry import list_documents

    with open_home() as home, home.engine.connect() as connection:
        documents = list_documents(connection, kind, include_archived=archived)
    if as_json:
        answer({"kind": kind, "documents": [_summary(document) for document in documents]})
    elif documents:
        rows = [
            (document.id, document.version, document.owner, document.topic, moment(document.created_at), moment(document.archived_at))
            for document in documents
        ]
        table(kind, ("id", "version", "owner", "topic", "applied", "archived"), rows, right=("version",))
    else:
        say(f"there is no {kind} yet; `srp apply FILE` stores documents")
    return OK


@click.command("show", epilog=KIND_HELP)
@click.argument("kind")
@click.argument("document_id", metavar="ID")
@click.option("--version", type=click.IntRange(min=1), help="This version instead of the newest.")
@json_option
def show_command(kind: str, document_id: str, version: int | None, as_json: bool) -> int:
    """Show the document ID of a KIND as it was applied."""
    import yaml

    from srp_assets.console import harmless, hint, moment
    from srp_assets.strategy.registry import show_document

    with open_home() as home, home.engine.connect() as connection:
        document = show_document(connection, kind, document_id, version)
    if as_json:
        answer(_summary(document) | {"document": document.body})
        return OK
    hint(f"{kind} {document.id}, version {document.version} of {moment(document.created_at)}{', archived' if document.is_archived else ''}")
    for line in yaml.safe_dump(dict(document.body), allow_unicode=True, sort_keys=False, width=120).splitlines():
        click.echo(harmless(line))
    return OK


@click.command("archive", epilog=KIND_HELP)
@click.argument("kind")
@click.argument("document_id", metavar="ID")
@json_option
def archive_command(kind: str, document_id: str, as_json: bool) -> int:
    """Take the document ID of a KIND out of use; its versions stay. Refused while a document in use refers to it."""
    from srp_assets.console import say
    from srp_assets.strategy.registry import archive_document

    with open_home() as home, home.engine.begin() as connection:
        document = archive_document(connection, kind, document_id)
        stale = _stale_hits(connection, home) if kind == "word_list" else 0
    if as_json:
        answer(_summary(document))
    else:
        say(f"{kind} {document_id} is archived")
        _say_stale(stale)
    return OK


def _stale_hits(connection: "Connection", home: Home) -> int:
    """In how many built periods the standing lists of now were not looked for."""
    from srp_assets.strategy.standing import periods_without_hits

    return len(periods_without_hits(connection, home.catalogue))


def _say_stale(periods: int) -> None:
    """Says what changed standing lists mean for what is built."""
    from srp_assets.console import hint

    if periods:
        hint(f"the hits of standing word lists are stale in {periods:,} built periods; the daemon finds them anew, or: srp build")


def _summary(document: "StoredDocument") -> dict[str, Any]:
    return {
        "kind": document.kind,
        "id": document.id,
        "version": document.version,
        "owner": document.owner,
        "topic": document.topic,
        "created_at": iso(document.created_at),
        "archived_at": iso(document.archived_at),
    }


@click.command("apply", epilog="A file is YAML or JSON; several documents are parted by ---. A folder is read with all its files.")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE_OR_FOLDER")
@click.option("--dry-run", is_flag=True, help="Only validate.")
@json_option
def apply_command(path: Path, dry_run: bool, as_json: bool) -> int:
    """Validate documents and store them: nothing is stored unless all are good; what changed is a new version."""
    from srp_assets.console import hint, say, table
    from srp_assets.strategy.apply import apply_documents

    with open_home() as home, home.engine.begin() as connection:
        applied = apply_documents(connection, home.catalogue, [path], dry_run)
        lists_changed = any(done.kind == "word_list" and done.action != "unchanged" for done in applied)
        stale = _stale_hits(connection, home) if lists_changed and not dry_run else 0
    if as_json:
        answer({"applied": [vars(done) for done in applied], "stored": not dry_run, "stale_hits": stale})
        return OK
    table(
        str(path), ("kind", "id", "version", ""), [(done.kind, done.id, done.version, done.action) for done in applied], right=("version",)
    )
    for done in applied:
        for warning in done.warnings:
            hint(f"{done.kind} {done.id}: {warning}")
    _say_stale(stale)
    if dry_run:
        say("all are good; nothing was stored (--dry-run)")
    return OK
