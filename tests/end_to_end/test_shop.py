"""A shop instead of a platform: real invoices land, build and answer strategies by a catalogue alone; pandas finds the same."""

from pathlib import Path

import pandas as pd
import pytest

from srp_assets.settings import PROJECT_ROOT, Settings
from tests.support.command_line import INCOMPLETE, OK, ids_of, recalled, srp

EXAMPLE = PROJECT_ROOT / "examples" / "shop"
FILES = {
    "year_2009_2010.parquet": "%Y-%m-%d %H:%M:%S",
    "year_2010_2011_partial_with_invoice_stockcode.parquet": "%m/%d/%y %H:%M",
}
"""The two files in the order in which they came, and how each writes its times."""

COLUMNS_OF_ENTITY = {
    "article": ["StockCode", "Description", "SoldAt"],
    "customer": ["CustomerID", "Country", "SoldAt"],
    "purchase": ["Invoice", "StockCode", "Quantity", "Price", "CustomerID", "Country", "SoldAt"],
}
"""What each entity takes from a line: lines that are equal in it are one version of one row."""

REQUIRED = {"article": "Description", "customer": "CustomerID"}
REASON = {"article": "missing value: description", "customer": "missing key"}
WHOLESALE_COUNTRIES = ["Germany", "France", "EIRE", "Netherlands", "Denmark", "Sweden"]


@pytest.fixture
def files(shared_data: Path) -> dict[str, pd.DataFrame]:
    """The files' lines under the names of the first."""
    read = {}
    for name, time_format in FILES.items():
        lines = pd.read_parquet(shared_data / "online_retail" / name).rename(columns={"InvoiceNo": "Invoice", "UnitPrice": "Price"})
        read[name] = lines.assign(SoldAt=pd.to_datetime(lines["InvoiceDate"], format=time_format))
    return read


@pytest.fixture
def _shop(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_CATALOGUE", str(EXAMPLE / "catalogue.yaml"))


@pytest.mark.usefixtures("_shop")
@pytest.mark.timeout(900)
def test_a_shop_answers_strategies_without_code_of_its_own(files: dict[str, pd.DataFrame], shared_data: Path) -> None:
    for entity in COLUMNS_OF_ENTITY:
        expect_every_line_lands_or_is_rejected(entity, files, shared_data)
    srp("apply", EXAMPLE / "strategies")
    srp("build")

    cases = recalled(["christmas-wholesale", "customers-who-return-in-bulk"])

    lines = pd.concat(files.values())
    wholesale, returning = christmas_wholesale(lines), customers_who_return_in_bulk(lines)
    assert len(wholesale) > 20
    assert len(returning) > 20
    assert ids_of(cases["christmas-wholesale"]) == {"retail": wholesale}
    assert ids_of(cases["customers-who-return-in-bulk"]) == {"retail": returning}


def expect_every_line_lands_or_is_rejected(entity: str, files: dict[str, pd.DataFrame], shared_data: Path) -> None:
    before = pd.DataFrame(columns=COLUMNS_OF_ENTITY[entity])
    for name, lines in files.items():
        good = lines.dropna(subset=[REQUIRED[entity]]) if entity in REQUIRED else lines
        rejected = len(lines) - len(good)
        path = shared_data / "online_retail" / name
        answer = srp("ingest", "parquet", path, "--product", "retail", "--entity", entity, code=INCOMPLETE if rejected else OK)
        frames = [frame for frame in (before, good[COLUMNS_OF_ENTITY[entity]]) if len(frame)]
        after = pd.concat(frames).drop_duplicates()
        new = len(after) - len(before)
        assert answer["landed"] == {entity: new}
        assert answer["duplicates"] == len(good) - new
        assert answer["rejected"] == ({REASON[entity]: rejected} if rejected else {})
        assert answer["pending"] == 0
        before = after


def newest(lines: pd.DataFrame, key: str, column: str) -> "pd.Series[str]":
    """A column as the newest line of each key has it; where several lines are the newest they must agree, or nobody could tell."""
    known = lines.dropna(subset=[key, column])
    last = known[known["SoldAt"] == known.groupby(key)["SoldAt"].transform("max")]
    values = last.groupby(key)[column]
    agreed = values.first()[values.nunique() == 1]
    assert len(agreed) >= values.ngroups - 1
    return agreed


def christmas_wholesale(lines: pd.DataFrame) -> set[str]:
    description = lines["StockCode"].map(newest(lines, "StockCode", "Description")).fillna("").str.lower()
    christmas = description.str.contains("christmas|xmas|santa|reindeer|snowman") & ~description.str.contains("easter")
    found = lines[christmas & (lines["Quantity"] >= 100) & lines["Country"].isin(WHOLESALE_COUNTRIES)]
    return {f"{line.Invoice}/{line.StockCode}/{line.Quantity}" for line in found.itertuples()}


def customers_who_return_in_bulk(lines: pd.DataFrame) -> set[str]:
    abroad = newest(lines, "CustomerID", "Country").loc[lambda country: country != "United Kingdom"].index
    returns = lines[(lines["Quantity"] <= -24) & (lines["SoldAt"] >= "2010-06-01") & lines["CustomerID"].isin(abroad)]
    return {str(int(customer)) for customer in returns["CustomerID"]}
