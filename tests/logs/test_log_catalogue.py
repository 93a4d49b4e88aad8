"""What a log catalogue may say; every refusal names the place."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from srp_assets.errors import InvalidInput
from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.logs.schema import TABLES, table_schema
from srp_assets.logs.spans import DaySpan, log_spans
from srp_assets.settings import PROJECT_ROOT
from support.log_events import CATALOGUE, START

EXAMPLES = sorted((PROJECT_ROOT / "examples").glob("*/logs.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_valid(path: Path) -> None:
    catalogue = load_log_catalogue(path)
    for table in TABLES:
        names = table_schema(catalogue, table).names
        assert len(names) == len(set(names))


def test_what_requests_add_stands_on_every_row() -> None:
    assert CATALOGUE.action_kinds == ("impression", "click", "cart", "order")
    assert "channel" in table_schema(CATALOGUE, "actions").names
    assert "channel" in table_schema(CATALOGUE, "impression_outcomes").names
    assert {"cart_time", "cart_amount", "order_delay_seconds"} <= set(table_schema(CATALOGUE, "impression_outcomes").names)


def test_a_day_is_decided_by_the_days_of_the_windows() -> None:
    day = START.date()
    spans = log_spans(CATALOGUE, DaySpan(day, day).widened(1, 1), DaySpan(day, day))
    # Steps reach three days, clicks and requests one more each.
    around = {name: ((span.first - day).days, (span.last - day).days) for name, span in spans.items()}
    assert around == {"request": (-6, 3), "impression": (-5, 3), "click": (-5, 3), "cart": (-1, 3), "order": (-1, 3)}


def step(**changes: Any) -> dict[str, Any]:
    return {"role": "step", "description": "s", **changes}


@pytest.mark.parametrize(
    ("logs", "message"),
    [
        ({"view": {"role": "vew", "description": "v"}}, "role"),
        ({"a": {"role": "click", "description": "c"}, "b": {"role": "click", "description": "c"}}, "a and b have the role click"),
        ({"request": {"role": "request", "description": "r", "window": "1 day"}}, "a log of role request has no window"),
        ({"click": {"role": "click", "description": "c", "after": "click"}}, "only a step says what it comes after"),
        ({"order": step(window="soon")}, "'soon' is no span of time"),
        ({"order": step(window="0 days")}, "window must be more than nothing"),
        ({"order": step(window="400 days")}, "at most 90 days"),
        ({"order": step(identity=["invoic"])}, "unknown column 'invoic'"),
        ({"order": step(columns={"amount": {"kind": "text"}})}, "its role makes it a float64"),
        ({"order": step(columns={"item_id": {"required": False}})}, "its role requires it"),
        ({"order": step(columns={"colour": {"kind": "enum"}})}, "needs kind and description"),
        ({"sessions": step()}, "has the name of a table"),
        ({"clicked": step()}, "two columns 'clicked'"),
        ({"order": step(sauce="yes")}, "sauce"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, logs: dict[str, Any], message: str) -> None:
    path = tmp_path / "logs.yaml"
    path.write_text(yaml.safe_dump({"name": "n", "first_day": "2024-01-01", "logs": logs}), encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        load_log_catalogue(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_log_catalogue(tmp_path / "none.yaml")


def test_it_survives_the_registry() -> None:
    kept = CATALOGUE.model_dump(mode="json", by_alias=True, exclude_unset=True)
    again = LogCatalogue.model_validate(kept)
    assert again.digest == CATALOGUE.digest
    assert again.logs["order"].window == timedelta(days=3)
