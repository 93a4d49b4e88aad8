"""The commands on who is champion: judge candidates, see decisions, approve a gain that is too good, go back to the previous one."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from srp_assets.cli_common import INCOMPLETE, OK, Home, answer, json_option, open_home

if TYPE_CHECKING:
    from resources.mlflow_versions import RegisteredVersions
    from srp_assets.evaluation.gate.decision import Decision
    from srp_assets.evaluation.registry import DecisionRecord

DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command("evaluate")
@click.argument("names", metavar="NAME...", nargs=-1)
@click.option("--day", type=DAY, help="The last day by which candidates are judged; the newest whole one by default.")
@click.option("--again", is_flag=True, help="Evaluate anew what is evaluated on this data already; approvals of it count no more then.")
@json_option
def evaluate(names: tuple[str, ...], day: datetime | None, again: bool, as_json: bool) -> int:
    """Judge the newest candidates of the models NAME (of all configured ones, if none is given) as the daily run does.

    They are evaluated and replayed on days that their training has not seen; the best one that passes becomes challenger, and champion if
    every evidence is recorded. Exits with 3 if no candidate is challenger or champion then.
    """
    from srp_assets.cli_models import newest_day
    from srp_assets.cli_runs import LocalRuns
    from srp_assets.console import progress

    with open_home() as home, progress("evaluating", shown=not as_json) as report:
        judged = day.date().isoformat() if day else newest_day(home)
        with LocalRuns(home, progress=report) as runs:
            decisions = runs.evaluate_models(judged, names, again=again)
    return _decided(decisions, as_json=as_json)


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


def _decided(decisions: "list[DecisionRecord]", *, as_json: bool) -> int:
    from srp_assets.console import table

    code = OK if any(own.outcome in ("challenger", "champion") for own in decisions) else INCOMPLETE
    if as_json:
        names = ("contender", "version", "champion", "day", "outcome", "page")
        answer({"decisions": [{name: getattr(own, name) for name in names} | {"reasons": list(own.reasons)} for own in decisions]})
        return code
    rows = [(own.contender, own.version, own.outcome, "; ".join(own.reasons)) for own in decisions]
    table("decisions", ("candidate", "version", "decision", "reasons"), rows)
    return code


def _versions(home: Home) -> "RegisteredVersions":
    from resources.mlflow import Tracking
    from resources.mlflow_versions import RegisteredVersions
    from srp_assets.evaluation.registered import CHAMPION_MODEL

    return RegisteredVersions(Tracking.of(home.settings), home.engine, CHAMPION_MODEL)


def _told(decision: "Decision | None") -> dict[str, Any]:
    if decision is None:
        return {"outcome": None, "reasons": [], "decided_at": None}
    return {"outcome": decision.outcome, "reasons": list(decision.reasons), "decided_at": decision.decided_at}
