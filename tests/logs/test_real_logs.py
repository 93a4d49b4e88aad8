"""Online Retail and the Open Bandit Dataset, landed and stitched; every figure against brute force in pandas."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from sqlalchemy import Engine

from srp_assets.logs.catalogue import LogCatalogue, load_log_catalogue
from srp_assets.logs.landing import ingest_logs, logs_storage
from srp_assets.logs.registry import landed_days, landed_files
from srp_assets.logs.registry_builds import log_ledger, stale_days
from srp_assets.logs.schema import Table
from srp_assets.logs.stitching.building import bring_up_to_date
from srp_assets.logs.tables import built_days
from srp_assets.settings import PROJECT_ROOT, Settings
from srp_assets.warehouse.storage import Storage

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EXAMPLES = PROJECT_ROOT / "examples"


def landed_frame(engine: Engine, storage: Storage, log: str) -> pd.DataFrame:
    with engine.connect() as connection:
        days = landed_files(connection, log, "2000-01-01", "2030-01-01", 1_000)
    return pd.concat([storage.read(path).to_pandas() for files in days.values() for path in files.rows], ignore_index=True)


def built_frame(engine: Engine, storage: Storage, table: Table) -> pd.DataFrame:
    with engine.connect() as connection:
        days = built_days(connection, table)
    return pd.concat([storage.read(path).to_pandas() for day in days.values() for path in day.paths], ignore_index=True)


@pytest.fixture
def retail(shared_data: Path) -> pd.DataFrame:
    """Both editions in one frame: what equal lines of both are, is one line."""
    first = pd.read_parquet(shared_data / "online_retail" / "year_2009_2010.parquet")
    second = pd.read_parquet(shared_data / "online_retail" / "year_2010_2011_partial_with_invoice_stockcode.parquet")
    second = second.rename(columns={"InvoiceNo": "Invoice", "UnitPrice": "Price"})
    first["time"] = pd.to_datetime(first.InvoiceDate, format="%Y-%m-%d %H:%M:%S", utc=True)
    second["time"] = pd.to_datetime(second.InvoiceDate, format="%m/%d/%y %H:%M", utc=True)
    both = pd.concat([first, second], ignore_index=True).drop(columns="InvoiceDate")
    both["log"] = "adjustment"
    both.loc[(both.Quantity > 0) & (both.Price > 0), "log"] = "purchase"
    both.loc[both.Invoice.str.startswith("C"), "log"] = "cancellation"
    return both


def test_online_retail(engine: Engine, settings: Settings, spark: "SparkSession", shared_data: Path, retail: pd.DataFrame) -> None:
    catalogue = load_log_catalogue(EXAMPLES / "online_retail" / "logs.yaml")
    storage = logs_storage(settings.warehouse_location)
    source = shared_data / "online_retail"
    summary = ingest_logs(engine, storage, catalogue, reader="online_retail", source=source, log="all")
    lines = retail.drop_duplicates()
    assert summary.rejected == {}
    assert summary.landed == lines.log.value_counts().to_dict()
    assert summary.duplicates == len(retail) - len(lines)
    with engine.connect() as connection:
        assert all(day.balanced for day in landed_days(connection))
    purchases = lines[lines.log == "purchase"]
    found = landed_frame(engine, storage, "purchase")
    expected = (purchases.Quantity * purchases.Price).groupby(purchases.Country).sum()
    pd.testing.assert_series_equal(found.groupby("market").amount.sum(), expected, check_names=False, rtol=1e-9)
    assert found.user_id.isna().sum() == purchases.CustomerID.isna().sum()

    days = ["2010-12-08", "2010-12-09"]  # where both editions have lines
    bring_up_to_date(spark, engine, storage, catalogue, days)
    actions = built_frame(engine, storage, "actions")
    of_days = lines[lines.time.dt.strftime("%Y-%m-%d").isin(days)]
    assert actions.kind.value_counts().to_dict() == of_days.log.value_counts().to_dict()
    sessions = built_frame(engine, storage, "sessions")
    known = of_days.dropna(subset=["CustomerID"]).sort_values(["CustomerID", "time"])
    starts = known.groupby("CustomerID").time.diff().gt(pd.Timedelta(minutes=30)) | ~known.CustomerID.duplicated()
    assert (len(sessions), sessions.events.sum()) == (starts.sum(), len(known))


def test_open_bandit(engine: Engine, settings: Settings, spark: "SparkSession", shared_data: Path) -> None:
    catalogue = load_log_catalogue(EXAMPLES / "open_bandit" / "logs.yaml")
    storage = logs_storage(settings.warehouse_location)
    source = shared_data / "open_bandit"
    summary = ingest_logs(engine, storage, catalogue, reader="open_bandit", source=source, log="all")
    parts = []
    for path in sorted(source.glob("*.parquet")):
        part = pd.read_parquet(path)[["item_id", "position", "click", "propensity_score", "user_feature_1"]]
        policy, _, campaign = path.stem.partition("_")
        parts.append(part.assign(page=policy, market=campaign, item_id=campaign + "/" + part.item_id.astype(str)))
    rows = pd.concat(parts, ignore_index=True)
    assert (summary.landed, summary.duplicates) == ({"click": rows.click.sum(), "impression": len(rows), "request": len(rows)}, 0)
    with engine.connect() as connection:
        days = stale_days(connection, catalogue)
    bring_up_to_date(spark, engine, storage, catalogue, days)
    outcomes = built_frame(engine, storage, "impression_outcomes")
    keys = ["page", "market", "position"]
    expected = rows.groupby(keys).agg(shown=("click", "size"), clicks=("click", "sum"), propensity=("propensity_score", "sum"))
    found = outcomes.groupby(keys).agg(shown=("clicked", "size"), clicks=("clicked", "sum"), propensity=("propensity", "sum"))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9)
    by_item = ["item_id", "user_feature_1"]
    assert outcomes.groupby(by_item).clicked.sum().to_dict() == rows.groupby(by_item).click.sum().to_dict()
    assert set(outcomes.explored[outcomes.page == "random"]) == {True}
    assert set(outcomes.click_delay_seconds.dropna()) == {0.0}
    with engine.connect() as connection:
        assert all(row.balanced and row.built for row in log_ledger(connection, catalogue))
    assert len(built_frame_or_none(engine, storage, "sessions")) == 0  # nobody is known


def built_frame_or_none(engine: Engine, storage: Storage, table: Table) -> list[str]:
    with engine.connect() as connection:
        return [path for day in built_days(connection, table).values() for path in day.paths]


def test_a_file_that_is_cut_off_is_rejected(engine: Engine, settings: Settings, tmp_path: Path, shared_data: Path) -> None:
    catalogue: LogCatalogue = load_log_catalogue(EXAMPLES / "open_bandit" / "logs.yaml")
    whole = (shared_data / "open_bandit" / "bts_men.parquet").read_bytes()
    (tmp_path / "bts_men.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.parquet").write_bytes(b"")
    storage = logs_storage(settings.warehouse_location)
    summary = ingest_logs(engine, storage, catalogue, reader="open_bandit", source=tmp_path, log="all")
    assert summary.rejected == {"unreadable file": 1}
    assert [Path(path).name for path in summary.ignored] == ["notes.parquet"]
