"""The stages that follow from portraits as the online side logged them: one raw portrait for both sides; only the searches can differ."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.features.aggregation.rows import Floats, Integers, integers, numbers
from srp_assets.features.times import days_of
from srp_assets.sequences.building.computing import Inputs, searched_stages, with_lists
from srp_assets.sequences.search.attributes import digests_of
from srp_assets.sequences.search.described import Described
from srp_assets.sequences.search.tables import COLUMN_OF, OWN_LISTS, Asked


def stages_of_portraits(inputs: Inputs, portraits: pa.Table, requests: pa.Table) -> Iterator[pa.Table]:
    """Stage tables of requests, from the portraits that were logged of them; a request without one is left out.

    What a stage table does not hold of an action (its query, page or place) is null here.

    Args:
        inputs: what they are computed with.
        portraits: rows of stage `portrait`, at most one for a trace.
        requests: as `computed_stages` takes them.
    """
    place = pc.fill_null(pc.index_in(requests["trace_id"], value_set=portraits["trace_id"].combine_chunks()), -1)
    rows = np.asarray(place).astype(np.int64)
    asking = requests.filter(pa.array(rows >= 0))
    logged = portraits.take(pa.array(rows[rows >= 0]))
    lengths = np.asarray(pc.list_value_length(logged["event_id"])).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    columns = {COLUMN_OF.get(name, name): pc.list_flatten(logged[name]) for name in OWN_LISTS if name != "category"}
    actions = pa.table(columns)

    def texts(name: str) -> Integers:
        return digests_of(actions[name]) if name in actions.column_names else np.zeros(actions.num_rows, np.int64)

    def own_numbers(name: str) -> Floats:
        return numbers(actions[name]) if name in actions.column_names else np.full(actions.num_rows, np.nan)

    described = Described(integers(actions["event_time"]), integers(actions["arrival_time"]), texts, own_numbers, inputs.attributes)
    asked = _asked(inputs, asking, offsets)
    return searched_stages(inputs, described, with_lists(actions, described), asked, asking, None)


def _asked(inputs: Inputs, requests: pa.Table, offsets: Integers) -> Iterator[tuple[Asked, Integers]]:
    times = integers(requests["as_of"])
    names = zip(requests["trace_id"].to_pylist(), requests["user_id"].to_pylist(), strict=True)
    for number, ((trace_id, user_id), as_of, day) in enumerate(zip(names, times.tolist(), days_of(times).tolist(), strict=True)):
        asked = Asked(trace_id, user_id, as_of, inputs.attributes.dictionary_version(day))
        yield asked, np.arange(offsets[number], offsets[number + 1])
