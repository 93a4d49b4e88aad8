"""Fixed arrays against a naive loop over the rows of a stage table: every declared column, both paddings, hashed ids."""

from random import Random

import pyarrow as pa
import pytest

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.arrays import MASK, fixed_arrays
from srp_assets.sequences.building.computing import Inputs, computed_stages
from srp_assets.sequences.declaration import Document, Hashing
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.hashing import hashed
from support.drawn_sequences import asked, asked_table, kept_months
from support.feature_logs import random_logs, versions_tables

COLUMNS = ("item_id", "category", "kind", "time_gap", "price", "score", "bucket", "event_time")
ALL = 1_000


def stages_of(document: Document, small: Definitions) -> pa.Table:
    generated = random_logs(Random(3), 60, 12)
    inputs = Inputs(document, AttributeIndex(small, versions_tables(small, generated.versions)), None)
    return pa.concat_tables(computed_stages(inputs, kept_months(small, generated.events, ALL), asked_table(asked(generated))))


@pytest.mark.parametrize("padding", ["end", "start"])
def test_arrays_hold_what_the_lists_hold(small: Definitions, padding: str) -> None:
    final = {"search": "hard", "length": 6, "attributes": ["market"], "half_life_days": 3}
    own = {"name": "s", "description": "x", "final": final, "columns": COLUMNS, "padding": padding, "hashing": {"space": 9}}
    document = Document.model_validate({"name": "d", "owner": "tests", "sequences": [own]})
    stages = stages_of(document, small)
    expected = []
    for row in stages.to_pylist():
        if row["stage"] == "final":
            gaps = [(row["as_of"] - time).total_seconds() for time in row["event_time"]]
            lists = {**row, "time_gap": gaps}
            empty = [None] * (6 - len(gaps))
            fill = (lambda own, empty=empty: empty + own) if padding == "start" else (lambda own, empty=empty: own + empty)
            columns = {name: fill(lists[name]) for name in COLUMNS}
            mask = [value is not None for value in fill(row["event_id"])]
            expected.append({"trace_id": row["trace_id"], "candidate_id": row["candidate_id"], **columns, MASK: mask})
    found = fixed_arrays(document.sequences[0], stages).to_pylist()
    assert found == expected
    assert any(not all(row[MASK]) and any(row[MASK]) for row in found)


def test_hashed_ids_fill_their_space_and_follow_the_seed() -> None:
    items = pa.array([f"i{number}" for number in range(2_000)] + [None])
    first, second = hashed(items, Hashing(space=50, seed=1)), hashed(items, Hashing(space=50, seed=2))
    assert first[-1] == second[-1] == 0
    assert set(first[:-1].tolist()) == set(range(1, 51))
    assert 0.005 < (first[:-1] == second[:-1]).mean() < 0.05
    assert hashed(items, Hashing(space=50, seed=1)).tolist() == first.tolist()
