"""The commands on who is champion: see it with the decisions, approve a gain that is too good, go back to the previous one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import OK, Home, answer, json_option, open_home

if TYPE_CHECKING:
    from resources.mlflow_versions import RegisteredVersions
    from srp_assets.evaluation.gate.decision import Decision


@click.command("champion")
@json_option
def champion(as_json: bool) -> int:
    """Show which versions are champion, previous champion and challenger, and what was decided on them."""
    from srp_assets.console import table
    from srp_assets.evaluation.gate.keeping import kept_version
    from srp_assets.evaluation.gate.promotion import ALIASES, kept_decision

    with open_home() as home:
        versions = _versions(home)
        found = []
        for alias in ALIASES:
            version = versions.version_of(alias)
            if version is not None:
                decision = kept_decision(versions, version)
                semantic_version = kept_version(versions, version).semantic_version
                found.append({"alias": alias, "version": version, "semantic_version": semantic_version, **_told(decision)})
    if as_json:
        answer({"aliases": found})
        return OK
    rows = [(row["alias"], row["version"], row["semantic_version"], row["outcome"] or "", "; ".join(row["reasons"])) for row in found]
    table("champion", ("alias", "version", "semantic version", "decision", "reasons"), rows)
    return OK


@click.command("approve")
@click.argument("version", metavar="VERSION")
@click.option("--yes", "answered", multiple=True, metavar="ITEM", help="An item of the leak checklist that holds; may come often.")
@click.option("--comment", required=True, metavar="TEXT", help="Where the gain comes from.")
@click.option("--by", "author", metavar="NAME", help="Who approves; by default the user who runs this.")
@json_option
def approve(version: str, answered: tuple[str, ...], comment: str, author: str | None, as_json: bool) -> int:
    """Approve a gain that is too good, of VERSION: the gate held it until a person says that it is no leak.

    Every item of the leak checklist must hold; without any, the checklist is shown. The approval is of the evaluation that is recorded now.
    """
    from srp_assets.console import say, table
    from srp_assets.evaluation.gate.evidence import LEAK_CHECKLIST
    from srp_assets.evaluation.gate.keeping import approve as approve_version
    from srp_assets.strategy.written import applying_user

    if not answered:
        if as_json:
            answer({"checklist": dict(LEAK_CHECKLIST)})
        else:
            table("leak checklist", ("item", "what must hold"), list(LEAK_CHECKLIST.items()))
        return OK
    with open_home() as home:
        record = approve_version(
            _versions(home),
            version,
            approved_by=author or applying_user() or "unknown",
            checklist=dict.fromkeys(answered, True),
            comment=comment,
            now=datetime.now(UTC),
        )
    missing = [item for item in LEAK_CHECKLIST if item not in answered]
    if as_json:
        answer({"version": version, "approved_by": record.approved_by, "quality": record.quality, "missing": missing})
    else:
        say(f"version {version} is approved by {record.approved_by}; the gate will ask for {', '.join(missing) or 'nothing more'}")
    return OK


@click.command("rollback")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with the version that leaves.")
@json_option
def rollback(reason: str, as_json: bool) -> int:
    """Make the previous champion champion again. The version that leaves is refused until it is judged anew."""
    from srp_assets.console import say
    from srp_assets.evaluation.gate.promotion import rollback as roll_back

    with open_home() as home:
        restored = roll_back(_versions(home), reason, datetime.now(UTC))
    if as_json:
        answer({"champion": restored})
    else:
        say(f"version {restored} is champion again")
    return OK


def _versions(home: Home) -> "RegisteredVersions":
    from resources.mlflow import Tracking
    from resources.mlflow_versions import RegisteredVersions
    from srp_assets.evaluation.registered import CHAMPION_MODEL

    return RegisteredVersions(Tracking.of(home.settings), home.engine, CHAMPION_MODEL)


def _told(decision: "Decision | None") -> dict[str, Any]:
    if decision is None:
        return {"outcome": None, "reasons": [], "decided_at": None}
    return {"outcome": decision.outcome, "reasons": list(decision.reasons), "decided_at": decision.decided_at}
