"""Generated cases as they are kept in files: what statistics are counted from."""

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from srp_assets.recall.cases import CASE_SCHEMA
from srp_assets.warehouse.catalogue import Catalogue, Column

Case = dict[str, Any]

WORDS = ("a", "b", "测试", "x&y", "", "a")
LISTS = ("one", "two", "three")
CROWDED_SHARE = 0.05


def _value(random: Random, column: Column) -> Any:
    if random.random() < 0.2:
        return None
    match column.kind:
        case "metric":
            return random.choice([-7, 0, 1, 9, 10, 99, 100, 12_345_678_901])
        case "flag":
            return random.random() < 0.5
        case "time":
            return f"{random.choice((1999, 2023, 2024))}-0{random.randint(1, 9)}-07T08:09:10Z"
        case _:
            return random.choice(column.values or ("north", 'quote "', "line\nbreak", "", "null"))


def _hits(random: Random, objects: Sequence[str]) -> list[dict[str, Any]]:
    words: Sequence[str] = [f"word {number}" for number in range(60)] if random.random() < CROWDED_SHARE else WORDS
    number = len(words) * 2 if len(words) > len(WORDS) else random.randint(0, 6)
    places = {(random.choice(objects), random.choice(("text", "title")), random.choice(LISTS), random.choice(words)) for _ in range(number)}
    return [{"object": object_, "feature": feature, "list": list_, "word": word} for object_, feature, list_, word in sorted(places)]


@st.composite
def kept_cases(draw: st.DrawFn, catalogue: Catalogue, *, tasks: int = 3, most: int = 40) -> dict[str, list[Case]]:
    """Cases by task, in the JSON shape of cases with `facts`; each row is at most once a case of a task."""
    random = Random(draw(st.integers(0, 2**32 - 1)))
    found: dict[str, list[Case]] = {}
    for number in range(draw(st.integers(1, tasks))):
        recall = random.choice(list(catalogue.objects))
        entity = catalogue.entity_of(recall)
        cases = []
        for id_ in random.sample(range(60), k=random.randint(0, most)):
            facts = {name: _value(random, entity.columns[name]) for name in entity.fact_columns}
            hits = _hits(random, [recall, random.choice(list(catalogue.objects))])
            product = random.choice(["aurora", "lotus"])
            cases.append({"product": product, "object": recall, "id": str(id_), "hits": hits, "facts": random.choice([facts, facts, {}])})
        found[f"t-{number}"] = cases
    return found


def kept_table(cases: Mapping[str, Sequence[Case]]) -> pa.Table:
    """The cases as a file keeps them; a case without facts is from before there were any."""
    rows = [
        {
            **case,
            "task_id": task_id,
            "key_order": case["id"],
            "root": case["id"],
            "facts": json.dumps(case["facts"]) if case["facts"] else None,
        }
        for task_id, of_task in cases.items()
        for case in of_task
    ]
    return pa.Table.from_pylist(rows, schema=CASE_SCHEMA)
