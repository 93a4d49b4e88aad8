"""A shop instead of a platform: real invoices land, build and answer strategies by a catalogue alone; pandas finds the same."""

from pathlib import Path

import pandas as pd
import pytest

from srp_assets.settings import PROJECT_ROOT, Settings
from tests.support.command_line import INCOMPLETE, OK, ids_of, recalled, srp

pytestmark = pytest.mark.publishes_views

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


WINTER = ("2010-11-01", "2011-01-15")
"""Some months around the days that are in both files: what the usual test reads, a fifth of all lines."""


class Exports:
    """The two files, or a time of them, and their lines under the names of the first."""

    def __init__(self, folder: Path, between: tuple[str, str] | None, cut_folder: Path) -> None:
        self.lines: dict[Path, pd.DataFrame] = {}
        for name, time_format in FILES.items():
            path = folder / name
            raw = pd.read_parquet(path)
            sold_at = pd.to_datetime(raw["InvoiceDate"], format=time_format)
            if between:
                chosen = (sold_at >= between[0]) & (sold_at < between[1])
                path = cut_folder / name
                raw, sold_at = raw[chosen], sold_at[chosen]
                raw.to_parquet(path, index=False)
            self.lines[path] = raw.rename(columns={"InvoiceNo": "Invoice", "UnitPrice": "Price"}).assign(SoldAt=sold_at)


@pytest.fixture
def _shop(settings_with_spark: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRP_CATALOGUE", str(EXAMPLE / "catalogue.yaml"))


@pytest.mark.usefixtures("_shop")
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("between", "fewest"), [(WINTER, 5), pytest.param(None, 40, marks=pytest.mark.nightly)], ids=["winter", "all"])
def test_a_shop_answers_strategies_without_code_of_its_own(
    between: tuple[str, str] | None, fewest: int, shared_data: Path, tmp_path: Path
) -> None:
    exports = Exports(shared_data / "online_retail", between, tmp_path)
    for entity in COLUMNS_OF_ENTITY:
        expect_every_line_lands_or_is_rejected(entity, exports)
    srp("apply", EXAMPLE / "strategies")
    srp("build")

    cases = recalled(["christmas-wholesale", "customers-who-return-in-bulk"])

    lines = pd.concat(exports.lines.values())
    wholesale, returning = christmas_wholesale(lines), customers_who_return_in_bulk(lines)
    assert len(wholesale) >= fewest
    assert len(returning) >= fewest
    assert ids_of(cases["christmas-wholesale"]) == {"retail": wholesale}
    assert ids_of(cases["customers-who-return-in-bulk"]) == {"retail": returning}


def expect_every_line_lands_or_is_rejected(entity: str, exports: Exports) -> None:
    before = pd.DataFrame(columns=COLUMNS_OF_ENTITY[entity])
    for path, lines in exports.lines.items():
        good = lines.dropna(subset=[REQUIRED[entity]]) if entity in REQUIRED else lines
        rejected = len(lines) - len(good)
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
