"""What recommendations rest on: retrieved texts, background texts, and marks, half of which are held out. No framework."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.insights.intervals import Sample, wilson
from srp_assets.insights.marked_sample import TaskMarks, joined, marked_sample
from srp_assets.insights.marks import CaseKey, Mark
from srp_assets.insights.recommend.terms.candidates import TextGroup
from srp_assets.insights.recommend.trial import ListUse
from srp_assets.insights.recommend.trial_rows import TrialFindings
from srp_assets.insights.sheets.model import Frame
from srp_assets.insights.sheets.sample_sheet import CaseWords
from srp_assets.wordlists import scanner
from srp_assets.wordlists.resolved import ResolvedList

Booleans = npt.NDArray[np.bool_]

PRIOR_MARKS = 4.0
"""How many marks of a word weigh as much as what is known of all cases, where its precision is guessed for unmarked cases."""

PROBABILITY_STEPS = 5
"""Unmarked cases are put into so many groups by how right they probably are."""

Trial = Callable[[Sequence[str]], TrialFindings]
"""Looks for words in all rows of the task's cells in one pass."""


@dataclass(frozen=True, eq=False)
class Retrieved:
    """Cases that nobody marked: their texts (string), and the words that brought each."""

    texts: pa.Array
    words: CaseWords


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is known when words for a list are recommended.

    `use` is the list and where it is looked for; `marked_texts` has the text of every marked case or row; `background` are texts of rows
    that the task does not find; `word_cases` has for each word of the list the cases that it brought, and those that it alone did.
    """

    task: TaskMarks
    use: ListUse
    retrieved: Retrieved
    background: pa.Array
    marked_texts: Mapping[CaseKey, str]
    word_cases: Mapping[str, tuple[int, int]]

    @cached_property
    def held_out(self) -> frozenset[CaseKey]:
        """Half of what is marked on sheets, of each stratum: these marks choose nothing, so that they may judge what was chosen."""
        strata: dict[tuple[int, int], list[CaseKey]] = {}
        for unit in (*self.task.sampled("case"), *self.task.sampled("control")):
            if unit.mark.verdict != "unsure":
                strata.setdefault((unit.sheet, unit.stratum), []).append(unit.mark.case)
        return frozenset(case for cases in strata.values() for case in sorted(cases, key=_order)[::2])

    @cached_property
    def training(self) -> tuple[Mark, ...]:
        """The newest right and wrong marks that are not held out, with those of cases that somebody chose."""
        return tuple(mark for case, mark in self.task.newest.items() if mark.verdict != "unsure" and case not in self.held_out)

    def texts_of(self, marks: Sequence[Mark]) -> pa.Array:
        """The texts of marked units; empty where a text is gone."""
        return pa.array([self.marked_texts.get(mark.case, "") for mark in marks], pa.string())

    def training_texts(self, verdict: str) -> pa.Array:
        """The texts of the training marks of one verdict."""
        return self.texts_of([mark for mark in self.training if mark.verdict == verdict])

    def groups(self) -> tuple[list[TextGroup], list[TextGroup]]:
        """The texts from which words are taken, and the background, each with how probably they are of the topic."""
        probability = self._probabilities()
        step = np.round(probability * (PROBABILITY_STEPS - 1)).astype(np.int64)
        unmarked = [
            TextGroup(self.retrieved.texts.filter(pa.array(step == number)), number / (PROBABILITY_STEPS - 1))
            for number in np.unique(step).tolist()
        ]
        marked = [TextGroup(self.training_texts("right"), 1.0, True), TextGroup(self.training_texts("wrong"), 0.0, True)]
        return [*unmarked, *(group for group in marked if len(group.texts))], [TextGroup(self.background, 0.0)]

    def _probabilities(self) -> npt.NDArray[np.float64]:
        """How probably each unmarked case is right: by the best of its words, as the training marks know them."""
        words, bounds, numbers = self.retrieved.words
        cases = len(bounds) - 1
        marks = [mark for mark in self.training if mark.case not in self.task.controls]
        if not marks:
            return np.ones(cases)
        overall = sum(mark.verdict == "right" for mark in marks) / len(marks)
        of_word: dict[tuple[str, str], list[bool]] = {}
        for mark in marks:
            for word in {(cause.list, cause.word) for cause in self.task.causes.get(mark.case, ())}:
                of_word.setdefault(word, []).append(mark.verdict == "right")
        guesses = [(sum(of_word.get(word, ())) + PRIOR_MARKS * overall) / (len(of_word.get(word, ())) + PRIOR_MARKS) for word in words]
        probability = np.full(cases, overall)
        with_words = np.flatnonzero(np.diff(bounds))
        if len(with_words):
            probability[with_words] = np.maximum.reduceat(np.array(guesses)[numbers], bounds[with_words])
        return probability


@dataclass(frozen=True, eq=False)
class MarkedHits:
    """Which of some words hit which marked units, as the list would find them: shape (units, words)."""

    marks: tuple[Mark, ...]
    hits: Booleans

    @classmethod
    def of(cls, evidence: Evidence, terms: Sequence[str], *, exempt: bool = True) -> "MarkedHits":
        """Looks for words, under the list's transforms and, if asked, its exemptions, in all units marked right or wrong."""
        marks = tuple(mark for mark in evidence.task.newest.values() if mark.verdict != "unsure")
        words = trial_list(evidence.use.words, terms)
        return cls(marks, hits_in(evidence.texts_of(marks), words if exempt else words.model_copy(update={"exempt": ()})))

    def cases_with(self, terms: Sequence[int]) -> frozenset[CaseKey]:
        """The units that any of some words hits."""
        rows = np.flatnonzero(self.hits[:, list(terms)].any(axis=1)) if len(terms) else ()
        return frozenset(self.marks[row].case for row in rows)


def trial_list(words: ResolvedList, terms: Sequence[str]) -> ResolvedList:
    """Terms as words of a list, under its transforms and exemptions."""
    return words.model_copy(update={"type": "simple", "threshold": None, "words": tuple(terms)})


def hits_in(texts: pa.Array, words: ResolvedList) -> Booleans:
    """Which words of a list hit which texts: shape (texts, words)."""
    found = np.zeros((len(texts), len(words.words)), dtype=np.bool_)
    if len(texts) and words.words:
        hits = scanner.compile([words]).scan(texts)
        found[hits.row, hits.word] = True
    return found


def is_hit(texts: pa.Array, words: ResolvedList) -> Booleans:
    """Which texts any word of a list hits."""
    return np.logical_or.reduce(hits_in(texts, words), axis=1, initial=False)


def held_out_sample(evidence: Evidence, cases: Collection[CaseKey], controls: Collection[CaseKey]) -> Sample:
    """What the held-out marks say of a part of the task's cases together with a part of the rows that are none.

    Args:
        evidence: what is known.
        cases: of the marked cases those that are meant.
        controls: of the marked control rows those that are meant.
    """
    samples = []
    parts: tuple[tuple[Frame, Collection[CaseKey]], ...] = (("case", cases), ("control", controls))
    for frame, chosen in parts:
        found = marked_sample([evidence.task], frame, evidence.held_out)
        samples.append(found.where(np.array([unit.mark.case in chosen for unit in found.units], dtype=np.bool_)).sample)
    return joined(samples)


def surely_below(right: int, marked: int, threshold: float) -> bool:
    """Whether marks say with confidence that a share lies under a threshold."""
    return marked > 0 and wilson(right / marked, marked)[1] < threshold


def _order(case: CaseKey) -> bytes:
    return sha256(str(case).encode("utf-8", "surrogatepass")).digest()
