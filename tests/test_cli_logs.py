"""The commands for logs: what they answer and with which code they end."""

import json
from pathlib import Path

import pytest

from srp_assets.settings import PROJECT_ROOT, Settings
from support.command_line import INCOMPLETE, srp

ERROR = 1


@pytest.fixture
def impressions(tmp_path: Path) -> Path:
    rows = [
        {"event_time": f"2024-03-0{day}T10:00:00Z", "trace_id": f"t{day}", "item_id": "i", "position": 1, "propensity": 0.5}
        for day in (1, 2, 4)
    ]
    path = tmp_path / "impressions.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows), "{broken"]), encoding="utf-8")
    return path


def test_logs_are_landed_built_and_accounted_for(settings_with_spark: Settings, impressions: Path) -> None:
    landed = srp("logs", "ingest", "impression", "jsonl", impressions, code=INCOMPLETE)
    assert landed == {
        "log": "impression",
        "landed": {"impression": 3},
        "duplicates": 0,
        "rejected": {"malformed row": 1},
        "withdrawn": 0,
        "days": {"first": "2024-03-01", "last": "2024-03-04", "count": 3},
    }
    waiting = srp("logs", "days")["days"]
    assert [(row["day"], row["built"]) for row in waiting] == [
        ("2024-03-01", False),
        ("2024-03-02", False),
        ("2024-03-04", False),
        ("unknown", True),
    ]
    built = srp("logs", "build", "--from", "2024-03-02")
    assert built["balanced"]
    assert {day["day"]: day["rows"]["actions"] for day in built["built"]} == {"2024-03-02": 1, "2024-03-03": 0, "2024-03-04": 1}
    assert built["built"][0]["orphans"] == {"impression without_request": 1}
    assert srp("logs", "build", "--from", "2024-03-02")["built"] == []
    days = {row["day"]: row for row in srp("logs", "days", "--from", "2024-03")["days"]}
    assert (days["2024-03-04"]["built"], days["2024-03-04"]["label_state"], days["2024-03-01"]["built"]) == (True, "provisional", False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("impressions", "jsonl", "FILE"), "unknown log 'impressions'"),
        (("impression", "json", "FILE"), "unknown reader 'json'"),
        (("impression", "jsonl", "nowhere"), "no such file"),
    ],
)
def test_mistakes_are_named(settings: Settings, impressions: Path, arguments: tuple[str, ...], message: str) -> None:
    given = [impressions if argument == "FILE" else argument for argument in arguments]
    assert message in srp("logs", "ingest", *given, code=ERROR)["error"]["message"]


def test_a_home_without_log_catalogue_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_CATALOGUE", str(PROJECT_ROOT / "examples" / "shop" / "catalogue.yaml"))
    assert srp("logs", "days", code=ERROR)["error"]["where"] == "SRP_LOGS"
