"""Reads the texts of a task's cases, natively, and those of what is marked. No framework but pyarrow."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.insights.marked_sample import TaskMarks
from srp_assets.insights.marks import CaseKey
from srp_assets.insights.recommend.evidence import Retrieved
from srp_assets.insights.recommend.trial import ListUse
from srp_assets.insights.sheets.case_words import KEY_COLUMNS, batches_of, find_cases, read_case_words
from srp_assets.insights.sheets.keeping import read_texts
from srp_assets.insights.sheets.sample_sheet import CaseWords
from srp_assets.warehouse.storage import Storage

MOST_TEXTS = 1_000_000
"""Cases whose texts are looked at; of more, a random sample. A word in one of ten thousand texts is still in a hundred of them."""

SEED = 20_261_122
"""Of that sample (arbitrary)."""


def places_of(use: ListUse) -> list[str]:
    """Where a list is looked for, as cases name their texts."""
    return [f"{use.object}.{feature.name}" for feature in use.features]


def read_retrieved(storage: Storage, folder: str, task_id: str, use: ListUse, marked: Collection[CaseKey]) -> tuple[Retrieved, CaseWords]:
    """The texts of cases that nobody marked, and the words of all cases.

    Args:
        storage: the warehouse.
        folder: the task's cases.
        task_id: the task.
        use: whose texts.
        marked: cases that are left out.
    """
    words = read_case_words(storage, folder, task_id)
    cases = len(words.bounds) - 1
    random = np.random.default_rng(SEED)
    kept = np.ones(cases, dtype=np.bool_) if cases <= MOST_TEXTS else random.random(cases) < MOST_TEXTS / cases
    marked_ids = pa.array(sorted({case.id for case in marked}), pa.string())
    texts: list[pa.Array] = []
    start = 0
    for batch in batches_of(storage, folder, task_id, [*KEY_COLUMNS, "texts"]):
        mine = kept[start : start + batch.num_rows]
        near = np.flatnonzero(pc.is_in(batch.column("id"), value_set=marked_ids).to_numpy(zero_copy_only=False))
        if len(near):
            keys = batch.select(list(KEY_COLUMNS)).take(pa.array(near)).to_pylist()
            mine[[place for place, key in zip(near, keys, strict=True) if CaseKey(**key) in marked]] = False
        texts.append(_joined(batch.column("texts").filter(pa.array(mine)), places_of(use)))
        start += batch.num_rows
    return Retrieved(pa.concat_arrays(texts) if texts else pa.array([], pa.string()), words_of(words, kept)), words


def words_of(words: CaseWords, kept: np.ndarray) -> CaseWords:
    """The words of some cases."""
    lengths = np.diff(words.bounds)
    chosen = np.repeat(kept, lengths)
    return CaseWords(words.words, np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths[kept])]), words.numbers[chosen])


def cases_by_word(words: CaseWords, list_id: str) -> dict[str, tuple[int, int]]:
    """For each word of a list how many cases it brought, and how many no other word did."""
    brought = np.bincount(words.numbers, minlength=len(words.words))
    single = words.bounds[:-1][np.diff(words.bounds) == 1]
    alone = np.bincount(words.numbers[single], minlength=len(words.words))
    return {word: (int(brought[number]), int(alone[number])) for number, (list_, word) in enumerate(words.words) if list_ == list_id}


def read_marked_texts(storage: Storage, folder: str, task: TaskMarks, use: ListUse, texts_paths: Mapping[str, str]) -> dict[CaseKey, str]:
    """The texts of everything that is marked: of sheets from their own files, of other cases from the task's."""
    found: dict[CaseKey, Mapping[str, str]] = {}
    for path in texts_paths.values():
        if storage.exists(path):
            found |= read_texts(storage, path)
    others = {case for case in task.newest if case not in found}
    if others:
        found |= {case: dict(whole.texts) for case, whole in find_cases(storage, folder, task.task_id, others).items()}
    places = places_of(use)
    return {case: "\n".join(texts[place] for place in places if place in texts) for case, texts in found.items() if case in task.newest}


def _joined(texts: pa.Array, places: Collection[str]) -> pa.Array:
    """The texts of some places of each row, on lines of their own; nothing is found across lines."""
    parts = [pc.map_lookup(texts, pa.scalar(place, pa.string()), "first") for place in places]
    return pc.binary_join_element_wise(*parts, "\n", null_handling="skip")
