"""Sheets: every case is in one stratum with a known probability, and the same seed draws the same sheet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from srp_assets.insights.sheets.sample_sheet import NO_WORD, CaseWords, allocate, draw, strata_by_word

WORDS = [("one", "often"), ("one", "seldom"), ("two", "often"), ("two", "never")]


def words_of(cases: list[list[int]]) -> CaseWords:
    bounds = np.cumsum([0, *map(len, cases)])
    return CaseWords(WORDS, bounds, np.array([number for case in cases for number in case], dtype=np.int64))


def test_a_case_is_of_its_rarest_word() -> None:
    found = words_of([[0], [0, 1], [0, 2], [], [0], [2]])
    strata = strata_by_word(found, 10)
    assert [strata.names[number] for number in strata.of_case] == [
        "one: often",
        "one: seldom",
        "two: often",
        NO_WORD,
        "one: often",
        "two: often",
    ]


def test_words_with_few_cases_share_the_stratum_of_their_list() -> None:
    found = words_of([[0]] * 9 + [[1]] + [[2]] * 5 + [[3]] * 2)
    strata = strata_by_word(found, 3)
    assert strata.names == ["one: often", "one: other words", "two: other words"]
    assert np.bincount(strata.of_case).tolist() == [9, 1, 7]
    assert strata_by_word(found, 1).names == ["all cases"]


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40), st.integers(1, 3_000))
def test_as_many_are_drawn_as_are_asked_for(populations: list[int], size: int) -> None:
    drawn = allocate(populations, size)
    assert all(min(2, population) <= count <= population for count, population in zip(drawn, populations, strict=True))
    least = sum(min(2, population) for population in populations)
    assert sum(drawn) == min(sum(populations), max(size, least))


def test_larger_strata_are_drawn_more_of_but_not_in_proportion() -> None:
    assert allocate([10_000, 100], 110) == [98, 12]


@given(st.integers(0, 2**32 - 1))
def test_a_seed_draws_one_sheet(seed: int) -> None:
    found = words_of([[number % 4] for number in range(200)])
    strata = strata_by_word(found, 10)
    counts, places = draw(strata, 40, seed)
    again, same = draw(strata, 40, seed)
    assert (counts, places.tolist()) == (again, same.tolist())
    assert len(set(places.tolist())) == 40
    assert np.bincount(strata.of_case[places], minlength=4).tolist() == counts


def test_every_case_of_a_stratum_is_as_probable() -> None:
    found = words_of([[0]] * 30 + [[1]] * 6)
    strata = strata_by_word(found, 4)
    seen = np.zeros(36)
    for seed in range(2_000):
        counts, places = draw(strata, 12, seed)
        seen[places] += 1
    expected = np.repeat([counts[0] / 30, counts[1] / 6], [30, 6])
    assert seen / 2_000 == pytest.approx(expected, abs=0.05)


def test_a_sheet_of_all_cases_has_all_of_them() -> None:
    found = words_of([[0], [1], [2], []])
    counts, places = draw(strata_by_word(found, 10), 99, 1)
    assert sorted(places.tolist()) == [0, 1, 2, 3]
    assert sum(counts) == 4
