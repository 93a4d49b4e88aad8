"""What a declaration may say, and what attributes of items are taken from the warehouse."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml

from srp_assets.embeddings.attributes import item_attributes, price_buckets
from srp_assets.embeddings.declaration.loading import load_embeddings
from srp_assets.errors import InvalidInput
from srp_assets.warehouse.landing import land_batches
from srp_assets.warehouse.schema import TIMESTAMP
from support.listing_home import BEFORE, ListingHome


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sessions.clicks", ["clik"], "did you mean 'click'"),
        ("sessions.bookings", ["impression"], "'impression' is not known"),
        ("sessions.least_items", 0, "greater than or equal to 1"),
        ("sessions.lest_items", 2, "Extra inputs"),
        ("items.entity", "itm", "did you mean 'item'"),
        ("items.market", "marke", "did you mean 'market'"),
        ("items.price_bounds", [2, 1], "price_bounds must rise"),
        ("users.columns", ["markt"], "did you mean 'market'"),
        ("training.dimensions", 20, "multiple of 8"),
        ("training.negative_power", 3, "less than or equal to 2"),
        ("limits.most_drift", 0, "greater than 0"),
        ("window_days", 0, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(home: ListingHome, tmp_path: Path, path: str, value: object, message: str) -> None:
    declared = home.places.declared.model_dump(mode="json")
    *above, name = path.split(".")
    part = declared
    for step in above:
        part = part[step]
    part[name] = value
    file = tmp_path / "embeddings.yaml"
    file.write_text(yaml.safe_dump(declared))
    with pytest.raises(InvalidInput) as raised:
        load_embeddings(file, home.places.log_catalogue, home.places.catalogue)
    assert message in str(raised.value)
    assert path.split(".")[0] in str(raised.value.where)


def test_attributes_are_those_of_the_newest_version_before_a_time(home: ListingHome) -> None:
    home.land_items()
    later = BEFORE + timedelta(days=20)
    changed = pa.table(
        {
            "item_id": ["l0", "new"],
            "title": ["t", "t"],
            "category": ["other", "other"],
            "market": ["m9", None],
            "price": [1.5, None],
            "publish_time": pa.array([BEFORE, BEFORE], TIMESTAMP),
            "updated_at": pa.array([later, later], TIMESTAMP),
        }
    )
    batches = (("item", batch) for batch in changed.to_batches())
    land_batches(
        home.engine, home.places.warehouse, home.places.catalogue, product="aurora", batches=batches, source="changes", reader="samples"
    )
    with home.engine.connect() as connection:
        before, after, nothing = (item_attributes(connection, home.places, time) for time in (later, later + timedelta(days=1), BEFORE))
    assert (before.num_rows, after.num_rows, nothing.num_rows) == (160, 161, 0)
    by_id = {row["item_id"]: row for row in after.to_pylist()}
    assert by_id["l0"] == {"item_id": "l0", "market": "m9", "type": "other", "price": 1.5}
    assert by_id["new"]["market"] is None
    assert {row["item_id"]: row["market"] for row in before.to_pylist()}["l0"] == "m0"


def test_price_buckets_count_the_bounds_that_are_reached() -> None:
    found = price_buckets(pa.array([0.0, 2.0, 5.0, None]), (2.0, 4.0))
    np.testing.assert_array_equal(found, [0, 1, 2, -1])
