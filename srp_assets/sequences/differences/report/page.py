"""The report of differences: one self-contained HTML page that needs no network and runs no script."""

import base64
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from srp_assets.sequences.differences.figures import recurrence
from srp_assets.sequences.differences.hypotheses.catalogue import CAUSES, UNEXPLAINED
from srp_assets.sequences.differences.registry import DifferenceRecord
from srp_assets.sequences.differences.report.charts import pictures_of

PACKAGE = "srp_assets.sequences.differences.report"


def difference_html(records: Sequence[DifferenceRecord]) -> str:
    """The page of the newest of some days.

    Args:
        records: in order of their days, the newest last; at least one.
    """
    style = (files(PACKAGE) / "templates" / "differences.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode("ascii")
    days = [record.figures for record in records if record.figures is not None]
    return _template().render(
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        # The project's own style sheet: its digest is in the policy, so it must stay as it is.
        style=Markup(style),
        record=records[-1],
        figures=records[-1].figures,
        recurrence=recurrence(days) if days else {},
        days=len(days),
        pictures=pictures_of(days) if days else [],
        descriptions={name: cause.description for name, cause in CAUSES.items()} | {UNEXPLAINED: "no cause makes the two sides equal"},
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("differences.html.j2")
