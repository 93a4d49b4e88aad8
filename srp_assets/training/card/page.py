"""The card as one HTML page that needs no network and runs no script; whatever comes from data is escaped."""

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from srp_assets.training.card.content import SetCard
from srp_assets.training.figures import DELAY_BOUNDS

PACKAGE = "srp_assets.training.card"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MISSING = "-"


def card_html(card: SetCard) -> str:
    """The page."""
    style = (files(PACKAGE) / "templates" / "card.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(style.encode()).digest()).decode("ascii")
    figures = card.figures
    rows = max(1, figures.rows)
    examination = card.weights.get("examination") or {}
    return _template().render(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        # The project's own style sheet: its digest is in the policy, so it must stay as it is.
        style=Markup(style),
        card=card,
        figures=figures,
        span=(_time(figures.first_time), _time(figures.last_time)),
        bounds=list(DELAY_BOUNDS),
        labels=[
            (
                label,
                found.positives,
                f"{found.positives / rows:.4%}",
                f"{found.amount:,.2f}",
                [found.within.get(bound, 0) for bound in DELAY_BOUNDS],
            )
            for label, found in figures.labels.items()
        ],
        positions=[
            (place, shown, clicks, f"{clicks / max(1, shown):.4%}", _number(examination.get("by_position", {}).get(place)))
            for place, (shown, clicks) in sorted(figures.positions.items(), key=lambda found: int(found[0]))
        ],
        features=[
            (name, f"{share:.2%}", _number(figures.features[name].mean()), _number(figures.features[name].deviation()), card.versions[name])
            for name, share in card.coverage.items()
            if name in figures.features
        ],
        effective=f"{figures.effective_rows:,.0f} ({figures.effective_rows / rows:.1%})",
    )


def _time(microseconds: int | None) -> str:
    return MISSING if microseconds is None else (EPOCH + timedelta(microseconds=microseconds)).isoformat(timespec="seconds")


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.5g}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader(PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("card.html.j2")
