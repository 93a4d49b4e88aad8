"""One round of marks on generated texts with a planted topic: everything that recommendations do, but for Spark and files.

The texts are comments of the sample catalogue; the merged scan's own kernel evaluates trials in this process. The truth plays the analyst.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from srp_assets.insights.marked_sample import TaskMarks
from srp_assets.insights.marks import CaseKey, Cause, Mark
from srp_assets.insights.recommend.controls import draw_controls, near_words
from srp_assets.insights.recommend.evidence import Evidence, Retrieved, hits_in
from srp_assets.insights.recommend.proposal import Proposal
from srp_assets.insights.recommend.proposing import candidates_of, propose
from srp_assets.insights.recommend.retrieved import cases_by_word, words_of
from srp_assets.insights.recommend.trial import trial_plan, uses_of
from srp_assets.insights.recommend.trial_rows import TrialCounter, TrialFindings, TrialOrder, findings_of
from srp_assets.insights.sheets.keeping import Controls
from srp_assets.insights.sheets.model import Sheet, SheetRow, Stratum
from srp_assets.insights.sheets.sample_sheet import CaseWords, draw, strata_by_word
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.scan.kernel import EntityKernel, UnitCount
from srp_assets.recall.scan.plan_scan import ScanOrder
from srp_assets.samples.topics import GAMBLING, TopicTexts, topic_texts
from srp_assets.strategy.resolved import Feature, ResolvedStrategy, Rule
from srp_assets.warehouse.catalogue import Catalogue
from srp_assets.warehouse.schema import entity_schema
from srp_assets.wordlists.resolved import ExemptGroup, ResolvedList

START = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = Feature(name="text", kind="text", type="string", parts=("text",))
LIST, KEY, TASK = "topic", "topic@1", "t-round"


class TopicRound:
    """A task that looks for a third of a topic's words, among so many texts of one seed."""

    def __init__(self, catalogue: Catalogue, product: str, seed: int, *, texts: int = 8_000, also: Sequence[str] = ()) -> None:
        self.catalogue, self.product, self.seed = catalogue, product, seed
        self.planted: TopicTexts = topic_texts(product, texts, seed)
        known = np.random.default_rng(seed).choice(self.planted.words, len(self.planted.words) // 3, replace=False)
        self.known = (*known.tolist(), *also)
        self.other_words = GAMBLING[product].other
        self.missing = frozenset(self.planted.words) - frozenset(self.known)
        self.words = ResolvedList(id=LIST, version=1, words=self.known)
        rule = Rule(feature=TEXT, match="matches", value=KEY)
        strategy = ResolvedStrategy(
            id="topic", version=1, products=(product,), recall="comment", objects={"comment": rule}, lists={KEY: self.words}
        )
        self.spec = TaskSpec(task_id=TASK, strategy=strategy, products=(product,))
        (self.use,) = uses_of(strategy)
        self.rows = self._rows()
        hits = hits_in(self.planted.texts, self.words)
        self.is_case = hits.any(axis=1)
        self.cases = np.flatnonzero(self.is_case)
        row, word = np.nonzero(hits[self.cases])
        bounds = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(self.cases)))])
        self.case_words = CaseWords([(LIST, word) for word in self.known], bounds, word.astype(np.int64))

    def _rows(self) -> pa.RecordBatch:
        schema = entity_schema(self.catalogue.entities["comment"])
        count = len(self.planted.texts)
        columns = {
            "comment_id": pa.array(range(count), pa.int64()),
            "post_id": pa.array(np.ones(count, dtype=np.int64)),
            "user_id": pa.array(np.ones(count, dtype=np.int64)),
            "text": self.planted.texts,
        }
        arrays = [columns[field.name] if field.name in columns else pa.nulls(count, field.type) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def key(self, row: int) -> CaseKey:
        return CaseKey(self.product, "comment", str(row))

    def trial(self, terms: Sequence[str], *, share: float = 0.0) -> TrialFindings:
        """A trial in this process."""
        tried = {KEY: terms} if terms else {}
        plan = trial_plan(self.catalogue, self.spec, "comment", tried, share=share, seed=self.seed)
        scan = ScanOrder(entity="comment", units=(), slots=())
        order = TrialOrder(scan=scan, object="comment", keys=tuple(tried), features=(TEXT,), per_stratum=50, seed=self.seed)
        kernel, counter = EntityKernel(plan, "comment"), TrialCounter(plan, order)
        active = kernel.active(self.product, "2026-03", True)
        for batch in kernel.scan(self.rows.select(list(kernel.columns)), self.product, active, UnitCount()):
            counter.add(batch)
        return findings_of(counter.table().to_batches(), order, len(terms))

    def evidence(self, marks: TaskMarks, background: pa.Array) -> Evidence:
        marked = {int(case.id) for case in marks.newest}
        kept = np.array([row not in marked for row in self.cases.tolist()], dtype=np.bool_)
        texts = self.planted.texts
        retrieved = Retrieved(texts.take(pa.array(self.cases[kept])), words_of(self.case_words, kept))
        shown = {case: texts[int(case.id)].as_py() for case in marks.newest}
        return Evidence(marks, self.use, retrieved, background, shown, cases_by_word(self.case_words, LIST))

    def marks(self, size: int, controls: int, *, share: float = 0.5) -> tuple[TaskMarks, pa.Array]:
        """A sheet that is drawn, and marked by the truth; and the background."""
        findings = self.trial((), share=share)
        background = pa.array([text for row in findings.background for _, text in row.texts], pa.string())
        unmarked = TaskMarks(TASK, len(self.cases), 0, (), ())
        if not size:
            return unmarked, background
        drawn = Controls((), ())
        if controls:
            terms = [candidate.term for candidate in candidates_of(self.evidence(unmarked, background), most=near_words(controls))]
            near = self.trial(terms, share=share)
            drawn = draw_controls(self.words, terms, near, size=controls, share=share, seed=self.seed)
        strata = strata_by_word(self.case_words, size // 2)
        counts, places = draw(strata, size, self.seed)
        own = tuple(
            Stratum("case", name, int((strata.of_case == number).sum()), counts[number]) for number, name in enumerate(strata.names)
        )
        rows = [SheetRow(self.key(self.cases[place]), int(strata.of_case[place]), self._causes(place)) for place in places.tolist()]
        rows += [SheetRow(row.case, len(own) + row.stratum) for row in drawn.rows]
        sheet = Sheet("s-round", TASK, self.seed, START, "tests", len(self.cases), 0, (*own, *drawn.strata), tuple(rows))
        return TaskMarks(TASK, len(self.cases), 0, tuple(self.mark(row) for row in rows), (sheet,)), background

    def mark(self, row: SheetRow) -> Mark:
        verdict = "right" if self.planted.is_right[int(row.case.id)] else "wrong"
        return Mark(TASK, row.case, verdict, None, "truth", START, "s-round", row.causes)

    def _causes(self, place: int) -> tuple[Cause, ...]:
        numbers = self.case_words.numbers[self.case_words.bounds[place] : self.case_words.bounds[place + 1]]
        return tuple(Cause("comment", "text", LIST, self.known[number]) for number in numbers)

    def proposal(self, *, size: int = 200, controls: int = 200, most: int = 50, threshold: float = 0.5) -> Proposal:
        """What is proposed after one round of marks."""
        marks, background = self.marks(size, controls)
        return propose(self.evidence(marks, background), self.trial, most=most, threshold=threshold)

    def found(self, proposal: Proposal) -> frozenset[str]:
        """The missing words that are recommended."""
        return self.missing & {one.term for one in proposal.of("add")}

    def measured_precision(self, proposal: Proposal) -> float:
        """The share of right ones among all texts that the proposed version hits."""
        dropped = {one.term for one in proposal.chosen("drop")}
        words = [word for word in self.known if word not in dropped] + [one.term for one in proposal.chosen("add")]
        exempt = [one.term for one in proposal.chosen("exempt")]
        groups = self.words.exempt
        if exempt:
            groups = (*groups, ExemptGroup(words=tuple(exempt)))
        version = self.words.model_copy(update={"words": tuple(words), "exempt": groups})
        return float(self.planted.is_right[hits_in(self.planted.texts, version).any(axis=1)].mean())
