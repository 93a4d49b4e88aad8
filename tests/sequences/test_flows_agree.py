"""Offline equals online in every element of every sequence: in the clean sample shop, and for the customers of a real one."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from srp_assets.embeddings.vectors import ItemVectors
from srp_assets.features.aggregation.rows import integers
from srp_assets.features.declaration.definitions import Definitions
from srp_assets.online.answering.columns import Request
from srp_assets.online.consuming.stream import as_stream
from srp_assets.online.store import Store
from srp_assets.samples.ranking.serving import sampled_requests, with_repeats
from srp_assets.samples.ranking.world import RankingWorld
from srp_assets.sequences.building.actions import with_dropped
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.building.logged import stages_of_portraits
from srp_assets.sequences.declaration import Document, load_sequences
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.settings import PROJECT_ROOT
from srp_assets.warehouse.schema import TIMESTAMP
from support.feature_logs import versions_tables
from support.served_sequences import replayed, requests_table, sorted_stages
from support.shop_actions import shop_actions, shop_items

RETAIL = PROJECT_ROOT.parent / "shared" / "data" / "online_retail"


COLUMNS = ["Invoice", "StockCode", "InvoiceDate", "CustomerID", "Price", "Country"]


def whole(actions: pa.Table) -> pa.Table:
    """Actions of which nothing is left out."""
    known = actions.filter(pc.is_valid(actions["user_id"]))
    return with_dropped(known)


@pytest.fixture(scope="module")
def sample_document(sample_features: Definitions) -> Document:
    return load_sequences(PROJECT_ROOT / "examples" / "sample" / "sequences.yaml", sample_features)


def drawn_item_vectors(actions: pa.Table) -> ItemVectors:
    """Vectors of most items; the others have none, and are not found."""
    everything = sorted(set(actions["item_id"].drop_null().to_pylist()))
    items = everything[: 9 * len(everything) // 10]
    return ItemVectors("drawn", pa.array(items), np.random.default_rng(4).normal(size=(len(items), 8)).astype(np.float32))


def test_the_clean_sample_shop(store: Store, sample_features: Definitions, sample_document: Document) -> None:
    world = RankingWorld(events=4_000, seed=5, days=12)
    actions, versions = shop_actions(sample_features, world), {"item": shop_items(world)}
    requests = [asked.request for asked in sampled_requests(world, 30)]
    vectors = SearchVectors(drawn_item_vectors(actions))
    stream = with_repeats(world, as_stream(sample_features, actions))
    served = replayed(store, sample_features, sample_document, versions, stream, requests, vectors)
    inputs = Inputs(sample_document, AttributeIndex(sample_features, versions), vectors)
    computed = pa.concat_tables(computed_stages(inputs, whole(actions), requests_table(requests)))
    assert sorted_stages(served).equals(sorted_stages(computed))
    final = served.filter(pc.equal(served["stage"], "final"))
    for sequence in sample_document.sequences:
        own = final.filter(pc.equal(final["sequence"], sequence.name))
        assert pc.sum(pc.list_value_length(own["event_id"])).as_py() > 100
        # The version of vectors travels with what was searched by them.
        assert pc.unique(own["embedding_version"]).to_pylist() == ["drawn" if sequence.final.search == "soft" else None]

    logged = served.filter(pc.equal(served["stage"], "portrait"))
    from_log = pa.concat_tables(stages_of_portraits(inputs, logged, requests_table(requests)))
    assert sorted_stages(from_log).equals(sorted_stages(computed))


def retail_actions(folder: Path, customers: int) -> pa.Table:
    """Purchases of the customers with the most lines, of which all lines of an invoice have one time; cancellations are clicks."""
    rows = pq.read_table(folder / "year_2009_2010.parquet", columns=COLUMNS)
    users = pc.cast(pc.cast(rows["CustomerID"], pa.int64()), pa.string())
    counts = pc.value_counts(users.drop_null()).to_pylist()
    busiest = sorted(counts, key=lambda own: (-own["counts"], own["values"]))[:customers]
    kept = pc.is_in(users, value_set=pa.array([own["values"] for own in busiest]))
    rows, users = rows.filter(kept), users.filter(kept)
    times = pc.cast(pc.cast(rows["InvoiceDate"], pa.string()), pa.timestamp("us")).cast(TIMESTAMP)
    is_cancelled = pc.starts_with(pc.cast(rows["Invoice"], pa.string()), "C")
    nothing = pa.nulls(rows.num_rows, pa.string())
    numbers = {name: pa.nulls(rows.num_rows, pa.float64()) for name in ("position", "amount", "quantity", "dwell_seconds")}
    return pa.table(
        {
            "event_id": [f"line-{number}" for number in range(rows.num_rows)],
            "kind": pc.if_else(is_cancelled, "click", "order"),
            "event_time": times,
            "arrival_time": times,
            "user_id": users,
            "item_id": pc.cast(rows["StockCode"], pa.string()),
            "market": pc.cast(rows["Country"], pa.string()),
            "price": pc.cast(rows["Price"], pa.float64()),
            **dict.fromkeys(("query", "device", "page", "location"), nothing),
            **numbers,
        }
    )


@pytest.mark.skipif(not RETAIL.exists(), reason="needs the Online Retail files of ../shared/data")
def test_customers_of_a_real_shop(store: Store, small: Definitions) -> None:
    actions = retail_actions(RETAIL, 12)
    document = Document.model_validate(
        {
            "name": "retail",
            "owner": "tests",
            "portrait": {"length": 400, "days": 120},
            "sequences": [
                {
                    "name": "bought_before",
                    "description": "Purchases of the item, of late ones the first.",
                    "general": {"length": 150, "order": [{"column": "kind", "values": ["order"]}, {"column": "price", "first": "largest"}]},
                    "final": {"search": "hard", "length": 40, "attributes": ["item_id", "market"], "half_life_days": 14},
                }
            ],
        }
    )
    times = integers(actions["event_time"])
    rows = np.linspace(0, actions.num_rows - 1, 60).astype(int)
    users, items = actions["user_id"].to_pylist(), actions["item_id"].to_pylist()
    requests = [
        Request(
            f"t{row}", int(times[row]) + row % 2, {"user_id": users[row], "market": "France"}, {"item_id": [items[row], items[row // 2]]}
        )
        for row in rows.tolist()
    ]
    versions = versions_tables(small, {})
    served = replayed(store, small, document, versions, actions, requests)
    inputs = Inputs(document, AttributeIndex(small, versions), None)
    computed = pa.concat_tables(computed_stages(inputs, whole(actions), requests_table(requests)))
    assert sorted_stages(served).equals(sorted_stages(computed))
    lengths = np.asarray(pc.list_value_length(served.filter(pc.equal(served["stage"], "portrait"))["event_id"]))
    assert (lengths == 400).sum() > 10
