"""The search over columns against the reference: ties, late and repeated actions, nulls, deleted items, months that are kept in part."""

from random import Random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.features.declaration.definitions import Definitions
from srp_assets.sequences.building.computing import Inputs, UserActions, computed_stages, short_requests
from srp_assets.sequences.search.attributes import AttributeIndex
from srp_assets.sequences.search.searching import SearchVectors
from srp_assets.sequences.stages import STAGE_SCHEMA, check_stages
from support.drawn_sequences import asked, asked_table, check_drawn, drawn_document, drawn_vectors, expected_rows, found_rows, kept_months
from support.feature_logs import Logs, logs, versions_tables

EVERYTHING = 1_000


@given(generated=logs(), seed=st.integers(0, 2**32 - 1))
def test_every_stage_agrees_with_the_reference(small: Definitions, generated: Logs, seed: int) -> None:
    random = Random(seed)
    document, vectors, requests = drawn_document(random), drawn_vectors(random), asked(generated)
    check_drawn(document, small)
    inputs = Inputs(document, AttributeIndex(small, versions_tables(small, generated.versions)), SearchVectors(vectors))
    tables = list(computed_stages(inputs, kept_months(small, generated.events, EVERYTHING), asked_table(requests)))
    found = pa.concat_tables([STAGE_SCHEMA.empty_table(), *tables])
    check_stages(found, "test")
    assert found_rows(found) == expected_rows(document, small, generated, requests, vectors)


@given(generated=logs(), seed=st.integers(0, 2**32 - 1), keep=st.integers(1, 12))
def test_what_is_kept_of_months_gives_the_same_or_says_that_it_is_short(small: Definitions, generated: Logs, seed: int, keep: int) -> None:
    random = Random(seed)
    document, vectors, requests = drawn_document(random), drawn_vectors(random), asked(generated)
    inputs = Inputs(document, AttributeIndex(small, versions_tables(small, generated.versions)), SearchVectors(vectors))
    kept, questions = kept_months(small, generated.events, keep), asked_table(requests)
    short = short_requests(inputs, UserActions(kept, inputs.attributes), questions)
    tables = list(computed_stages(inputs, kept, questions.filter(pa.array(~short))))
    whole = [request for request, is_short in zip(requests, short.tolist(), strict=True) if not is_short]
    found = pa.concat_tables([STAGE_SCHEMA.empty_table(), *tables])
    assert found_rows(found) == expected_rows(document, small, generated, whole, vectors)


def test_a_request_is_only_short_where_something_is_missing(small: Definitions) -> None:
    from support.feature_logs import random_logs

    generated = random_logs(Random(5), 60, 40)
    document, requests = drawn_document(Random(5)), asked(generated)
    inputs = Inputs(document, AttributeIndex(small, versions_tables(small, generated.versions)), None)
    questions = asked_table(requests)
    short = [
        short_requests(inputs, UserActions(kept_months(small, generated.events, keep), inputs.attributes), questions)
        for keep in (EVERYTHING, 4, 1)
    ]
    assert not short[0].any()
    assert short[2].any()
    assert np.all(short[1] <= short[2])
