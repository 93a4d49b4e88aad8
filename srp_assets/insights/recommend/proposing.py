"""From evidence to a proposal: which words to add and to drop, and which exemptions, each with what is to be expected. No framework.

Words are chosen by one half of the marks and judged by the other (`Evidence.held_out`), so that what looks good by chance is not believed.
What a new word brings are rows that the list does not hit yet; only marked control rows are of that kind. Marked cases that hold the word
hold a word of the list too, and are mostly better: they are asked where there are no control rows, and the proposal says so.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.insights.intervals import Sample, proportion
from srp_assets.insights.marked_sample import marked_sample
from srp_assets.insights.marks import CaseKey, Cause, Mark
from srp_assets.insights.recommend.evidence import Evidence, MarkedHits, Trial, held_out_sample, hits_in, is_hit, surely_below, trial_list
from srp_assets.insights.recommend.proposal import Basis, ExpectedPrecision, Proposal, Recommendation
from srp_assets.insights.recommend.terms.candidates import Candidate, TextGroup, find_candidates
from srp_assets.insights.recommend.terms.log_odds import log_odds_z
from srp_assets.insights.recommend.trial_rows import EXAMPLES, FoundRow
from srp_assets.wordlists.resolved import ResolvedList
from srp_assets.wordlists.syntax import WordError, parse, rule_of
from srp_assets.wordlists.transforms import Fold, fold_of

REFERENCE_WORDS = 10
"""The best candidates, of which most are taken to be about nothing else (`_guessed_precision`)."""

GUESS_MARKS = 2.0
"""How many marks weigh as much as such a guess."""

TRIED_TERMS = 300
"""Candidates that are looked for in all rows: one scan for all of them."""

MOST_EXEMPTIONS = 10
"""Exemptions that are proposed at most: each of them silences a whole list."""

READABLE = ("simplify", "normalize")
"""The transforms of a list that leave words that people write: candidates are taken from texts under these."""


def readable_fold(transforms: Sequence[str], case_sensitive: bool) -> Fold:
    """What a list does to texts, as far as people can still read them."""
    return fold_of([name for name in transforms if name in READABLE], case_sensitive)


def propose(evidence: Evidence, trial: Trial, *, most: int, threshold: float) -> Proposal:
    """A new version of a list.

    Args:
        evidence: what is known.
        trial: looks for words in all rows of the task's cells.
        most: words to add at most.
        threshold: words that are surely righter than this are wanted, those that are surely less are not.
    """
    adds = _adds(evidence, trial, most, threshold)
    drops = _drops(evidence, threshold)
    exemptions = _exemptions(evidence, {found.term for found in drops}, threshold)
    changes = [found for found in (*adds, *drops, *exemptions) if found.chosen]
    return Proposal(
        task_id=evidence.task.task_id,
        list_id=evidence.use.words.id,
        version=evidence.use.words.version,
        recommendations=(*adds, *drops, *exemptions),
        expected_precision=_expected_of_version(evidence, changes),
        marks=sum(mark.verdict != "unsure" for mark in evidence.task.newest.values()),
        texts=len(evidence.retrieved.texts) + len(evidence.training),
        background=len(evidence.background),
        notes=tuple(_notes(evidence)),
    )


def candidates_of(evidence: Evidence, *, most: int = TRIED_TERMS) -> list[Candidate]:
    """The most telling words that the list does not hit yet, the best first."""
    words = evidence.use.words
    looked_at, background = evidence.groups()
    found = find_candidates(looked_at, background, readable_fold(words.transforms, words.case_sensitive), most=2 * most)
    return new_words(found, words)[:most]


def new_words(candidates: Sequence[Candidate], words: ResolvedList) -> list[Candidate]:
    """The candidates that can be words of a list, and that it does not hit."""
    candidates = [candidate for candidate in candidates if _can_be_word(candidate.term, words)]
    terms = pa.array([candidate.term for candidate in candidates], pa.string())
    known = is_hit(terms, words.model_copy(update={"exempt": ()}))
    return [candidates[place] for place in np.flatnonzero(~known).tolist()]


def _can_be_word(term: str, words: ResolvedList) -> bool:
    """Whether the list's transforms leave something of a term."""
    try:
        rule_of(parse(term), fold_of(words.transforms, words.case_sensitive))
    except WordError:
        return False
    return True


def _adds(evidence: Evidence, trial: Trial, most: int, threshold: float) -> list[Recommendation]:
    """Words to add, the best first."""
    candidates = candidates_of(evidence)
    if not candidates:
        return []
    terms = [candidate.term for candidate in candidates]
    findings = trial(terms)
    marked = MarkedHits.of(evidence, terms)
    training = marked_sample([evidence.task], "control", {mark.case for mark in evidence.training})
    guesses = _guessed_precision(candidates, findings.new_rows)
    found: list[Recommendation] = []
    for number, candidate in enumerate(candidates):
        new_rows = int(findings.new_rows[number])
        if len(found) == most or not new_rows:
            continue
        with_term = marked.cases_with([number])
        of_term = training.where(np.array([unit.mark.case in with_term for unit in training.units], dtype=np.bool_)).sample
        expected = _expected(evidence, with_term)
        found.append(
            Recommendation(
                term=candidate.term,
                action="add",
                score=candidate.score,
                support=candidate.texts,
                new_hits=new_rows,
                expected_precision=expected,
                examples=_shown(findings.examples.get(number, ())),
                reason=_reason_to_add(candidate, new_rows, expected),
                chosen=_probable_precision(of_term, new_rows, float(guesses[number])) >= threshold,
            )
        )
    return found


def _probable_precision(marked: Sample, new_rows: int, guess: float) -> float:
    """How right the new rows of a word probably are: as the training marks say of the rows that they stand for, as guessed of the others.

    Marks stand for few of the rows of a usual word, and for those that are near the topic rather than for the rest.
    """
    total = float(marked.weight.sum())
    if not total:
        return guess
    share = float(marked.weight[marked.right].sum()) / total
    known = min(1.0, total / new_rows)
    return known * (len(marked) * share + GUESS_MARKS * guess) / (len(marked) + GUESS_MARKS) + (1 - known) * guess


def _guessed_precision(candidates: Sequence[Candidate], new_rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """How right the new rows of each word would be, as far as counts tell without a mark.

    Rows of the topic that are missed hold a word about as often as those that are found do. How many are missed follows from the best
    words, which are of little else: their new rows over the rate at which found rows hold them (as in capture and recapture: Lincoln
    and Petersen). Of a word with more new rows than that makes, the others are of something else.
    """
    rates = np.array([candidate.rate for candidate in candidates])
    missed = float(np.median(new_rows[:REFERENCE_WORDS] / np.maximum(rates[:REFERENCE_WORDS], 1e-9)))
    return np.minimum(1.0, missed * rates / np.maximum(new_rows, 1))


def _drops(evidence: Evidence, threshold: float) -> list[Recommendation]:
    """Words of the list that the training marks say are surely wrong too often."""
    words, marks = evidence.use.words, _training_cases(evidence)
    right = sum(mark.verdict == "right" for mark in marks)
    found = []
    for word in dict.fromkeys(words.shown(number) for number in range(len(words.words))):
        mine = [mark for mark in marks if _is_brought_by(evidence, mark, word)]
        good = sum(mark.verdict == "right" for mark in mine)
        if not surely_below(good, len(mine), threshold):
            continue
        brought, alone = evidence.word_cases.get(word, (0, 0))
        wrong = [mark for mark in mine if mark.verdict == "wrong"]
        brought_by = {mark.case for mark in evidence.task.marked_cases if _is_brought_by(evidence, mark, word)}
        expected = _expected_cases(evidence, brought_by)
        found.append(
            Recommendation(
                term=word,
                action="drop",
                score=_z(len(wrong), good, len(marks) - right, right),
                support=brought,
                new_hits=-alone,
                expected_precision=expected,
                examples=_texts_of(evidence, wrong),
                reason=f"{good} of {len(mine)} marked cases of it are right; {_share(expected)}",
            )
        )
    return sorted(found, key=lambda one: -one.score)


def _exemptions(evidence: Evidence, dropped: Collection[str], threshold: float) -> list[Recommendation]:
    """Phrases of wrong cases that right ones do not have: they would silence what is left of the list."""
    words = evidence.use.words
    marks = [
        mark for mark in _training_cases(evidence) if any(_is_own(evidence, cause, dropped) for cause in evidence.task.causes[mark.case])
    ]
    wrong = [mark for mark in marks if mark.verdict == "wrong"]
    right = [mark for mark in marks if mark.verdict == "right"]
    if not wrong or not right:
        return []
    looked_at = [TextGroup(evidence.texts_of(wrong), 1.0)]
    others = [TextGroup(evidence.texts_of(right), 0.0), TextGroup(evidence.retrieved.texts, 0.0), TextGroup(evidence.background, 0.0)]
    candidates = find_candidates(looked_at, others, readable_fold(words.transforms, words.case_sensitive), most=TRIED_TERMS)
    candidates = new_words(candidates, words)
    if not candidates:
        return []
    plain = trial_list(words, [candidate.term for candidate in candidates]).model_copy(update={"exempt": ()})
    in_marked = MarkedHits.of(evidence, [candidate.term for candidate in candidates], exempt=False)
    in_cases = hits_in(evidence.retrieved.texts, plain).sum(axis=0)
    silenced: set[CaseKey] = set()
    found: list[Recommendation] = []
    for number, candidate in enumerate(candidates):
        with_term = in_marked.cases_with([number])
        mine = [mark for mark in marks if mark.case in with_term]
        good = sum(mark.verdict == "right" for mark in mine)
        news = {mark.case for mark in mine} - silenced
        if len(found) == MOST_EXEMPTIONS or not news or not surely_below(good, len(mine), threshold):
            continue
        silenced |= news
        expected = _expected_cases(evidence, with_term)
        gone = int(in_cases[number]) + len(mine)
        found.append(
            Recommendation(
                term=candidate.term,
                action="exempt",
                score=candidate.score,
                support=gone,
                new_hits=-gone,
                expected_precision=expected,
                examples=_texts_of(evidence, [mark for mark in mine if mark.verdict == "wrong"]),
                reason=f"{len(mine) - good} of {len(mine)} marked cases with it are wrong; {_share(expected)}",
            )
        )
    return found


def _expected(evidence: Evidence, with_term: Collection[CaseKey]) -> ExpectedPrecision:
    """What a new word would bring, by held-out control rows with it; by held-out cases with it where there are none."""
    controls = held_out_sample(evidence, (), with_term)
    if len(controls):
        return ExpectedPrecision(proportion(controls), "new rows", len(controls))
    cases = held_out_sample(evidence, with_term, ())
    return ExpectedPrecision(proportion(cases), "cases" if len(cases) else "none", len(cases))


def _expected_cases(evidence: Evidence, meant: Collection[CaseKey]) -> ExpectedPrecision:
    """How right some cases are, by held-out marks."""
    cases = held_out_sample(evidence, meant, ())
    return ExpectedPrecision(proportion(cases), "cases" if len(cases) else "none", len(cases))


def _expected_of_version(evidence: Evidence, changes: Sequence[Recommendation]) -> ExpectedPrecision:
    """How right all would be that the new version hits: the cases that stay, and the rows that come."""
    adds, drops, exemptions = ([found for found in changes if found.action == action] for action in ("add", "drop", "exempt"))
    words = evidence.use.words
    dropped = {found.term for found in drops}
    silencing = MarkedHits.of(evidence, [found.term for found in exemptions], exempt=False)
    silenced = silencing.cases_with(range(len(exemptions)))
    added = MarkedHits.of(evidence, [found.term for found in adds]).cases_with(range(len(adds)))

    def stays(mark: Mark) -> bool:
        causes = evidence.task.causes.get(mark.case, ())
        others = [cause for cause in causes if cause.list != words.id]
        own = [cause for cause in causes if _is_own(evidence, cause, dropped)]
        return bool(others) or ((bool(own) or mark.case in added) and mark.case not in silenced)

    cases = {mark.case for mark in evidence.task.marked_cases if stays(mark)}
    sample = held_out_sample(evidence, cases, (added & evidence.task.controls) - silenced)
    has_controls = any(case in evidence.task.controls for case in evidence.held_out)
    basis: Basis = "new rows" if has_controls else "cases" if len(sample) else "none"
    return ExpectedPrecision(proportion(sample), basis, len(sample))


def _training_cases(evidence: Evidence) -> list[Mark]:
    return [mark for mark in evidence.training if mark.case not in evidence.task.controls and mark.case in evidence.task.causes]


def _is_own(evidence: Evidence, cause: Cause, dropped: Collection[str]) -> bool:
    """Whether a word that brought a case is of the list, and stays in it."""
    return cause.list == evidence.use.words.id and cause.word not in dropped


def _is_brought_by(evidence: Evidence, mark: Mark, word: str) -> bool:
    return any((cause.list, cause.word) == (evidence.use.words.id, word) for cause in evidence.task.causes.get(mark.case, ()))


def _z(wrong: int, right: int, all_wrong: int, all_right: int) -> float:
    """How surely wrong cases have a word that right ones have not."""
    usual = np.array([(wrong + right) / max(1, all_wrong + all_right)])
    return float(log_odds_z(np.array([float(wrong)]), np.array([float(right)]), all_wrong, all_right, usual)[0])


def _reason_to_add(candidate: Candidate, new_rows: int, expected: ExpectedPrecision) -> str:
    rows = "1 new row" if new_rows == 1 else f"{new_rows:,} new rows"
    return f"in {candidate.texts:,} texts, z {candidate.score:.1f}; {rows}; {_share(expected)}"


def _share(expected: ExpectedPrecision) -> str:
    if expected.interval is None:
        return "no mark tells how right they are"
    interval = expected.interval
    marks = "1 mark" if expected.marked == 1 else f"{expected.marked:,} marks"
    of_what = "of new rows" if expected.basis == "new rows" else "of cases with it"
    return f"{interval.estimate:.0%} right ({interval.low:.0%} to {interval.high:.0%}, {marks} {of_what})"


def _shown(rows: Iterable[FoundRow]) -> tuple[str, ...]:
    return tuple("\n".join(text for _, text in row.texts) for row in rows)


def _texts_of(evidence: Evidence, marks: Sequence[Mark]) -> tuple[str, ...]:
    return tuple(text for mark in marks if (text := evidence.marked_texts.get(mark.case)))[:EXAMPLES]


def _notes(evidence: Evidence) -> Iterable[str]:
    command = f"srp cases {evidence.task.task_id} --sample N --controls N --export FILE"
    if not evidence.training:
        yield f"nothing is marked: words are ranked by retrieved against background texts alone; `{command}` draws a sheet to mark"
    elif not any(case in evidence.task.controls for case in evidence.held_out):
        yield f"no control rows are marked: how right new rows are is judged by cases, and mostly too high; `{command}` draws some"
    missing = sum(case not in evidence.marked_texts for case in evidence.task.newest)
    if missing:
        yield f"the texts of {missing:,} marked cases are no longer kept"
