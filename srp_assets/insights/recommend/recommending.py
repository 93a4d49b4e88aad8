"""Recommends words for the lists of a task, and draws the control rows that judge them: reads, scans, proposes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from srp_assets.errors import Conflict, InvalidInput, NotFound, nearest
from srp_assets.insights.marked_sample import TaskMarks
from srp_assets.insights.marking import cases_folder
from srp_assets.insights.recommend.controls import draw_controls, near_words
from srp_assets.insights.recommend.evidence import Evidence
from srp_assets.insights.recommend.proposal import Proposal
from srp_assets.insights.recommend.proposing import candidates_of, propose
from srp_assets.insights.recommend.retrieved import cases_by_word, read_marked_texts, read_retrieved
from srp_assets.insights.recommend.trial import ListUse, trial_plan, uses_of
from srp_assets.insights.recommend.trial_rows import TrialFindings
from srp_assets.insights.registry_marks import task_marks, texts_paths
from srp_assets.insights.sheets.keeping import Controls
from srp_assets.progress import Progress
from srp_assets.recall import registry
from srp_assets.recall.batch import TaskSpec
from srp_assets.recall.pins import current_pins
from srp_assets.recall.registry import Task
from srp_assets.recall.scratch import scratch_folder
from srp_assets.recall.service import Workshop
from srp_assets.strategy.registry import find_document
from srp_assets.warehouse.registry_builds import Build

BACKGROUND_ROWS = 50_000
"""Rows of background text: a word in one of a thousand texts is in fifty of them."""

SEED = 20_261_101
"""Of the background (arbitrary): asked again, the same rows are looked at."""

MOST_PER_STRATUM = 50
"""Control rows of one near word at most: enough for the largest sheets that people mark."""

STEPS = 3


@dataclass(frozen=True)
class ListProposal:
    """A proposal, and the newest stored version of its list, which it changes."""

    proposal: Proposal
    body: Mapping[str, Any]


def recommend(
    workshop: Workshop, task_id: str, *, list_id: str | None, most: int, threshold: float, progress: Progress | None = None
) -> list[ListProposal]:
    """Proposes a new version of each list, or of one, whose hits a task asks for.

    Args:
        workshop: what it works with.
        task_id: the task, which is done.
        list_id: this list alone.
        most: words to add at most.
        threshold: words that are surely less right than this are not wanted.
        progress: told about each step.

    Raises:
        NotFound: if there is no such task or its cases are gone, or the list is not the task's.
        Conflict: if the task is not done.
        InvalidInput: if it has no list whose words can be recommended.
    """
    with workshop.engine.connect() as connection:
        task = registry.task(connection, task_id)
        (spec,) = registry.task_specs(connection, [task_id])
        marks = task_marks(connection, task_id)
    found = []
    for use in chosen_uses(spec, list_id):
        desk = _Desk(workshop, task, spec, use, progress)
        evidence = desk.evidence(marks)
        proposal = propose(evidence, desk.trial, most=most, threshold=threshold)
        with workshop.engine.connect() as connection:
            newest = find_document(connection, "word_list", use.words.id)
        if newest is not None:
            found.append(ListProposal(proposal, newest.body))
    return found


def control_rows(workshop: Workshop, task: Task, *, size: int, seed: int, progress: Progress | None = None) -> Controls:
    """Draws rows that a task evaluated and that are no cases, most of them near its topic.

    Raises:
        Conflict: if the task is not done.
        NotFound: if its cases are gone.
        InvalidInput: if no list of words is looked for in the recalled object.
    """
    with workshop.engine.connect() as connection:
        (spec,) = registry.task_specs(connection, [task.task_id])
    uses = [use for use in chosen_uses(spec, None) if use.object == spec.strategy.recall]
    if not uses:
        where = f"task {task.task_id}"
        remedy = "leave --controls out"
        raise InvalidInput(f"no word list is looked for in {spec.strategy.recall}, which it recalls", where=where, remedy=remedy)
    desk = _Desk(workshop, task, spec, uses[0], progress)
    evidence = desk.evidence(TaskMarks(task.task_id, task.cases or 0, task.refills, (), ()))
    terms = [candidate.term for candidate in candidates_of(evidence, most=near_words(size))]
    findings = desk.trial(terms, with_background=True, seed=seed)
    return draw_controls(uses[0].words, terms, findings, size=size, share=desk.share, seed=seed)


def chosen_uses(spec: TaskSpec, list_id: str | None) -> list[ListUse]:
    """The lists of a task for which words can be recommended, each where it is looked for first.

    Raises:
        NotFound: if the one that is asked for is none of them.
        InvalidInput: if there are none.
    """
    found: dict[str, ListUse] = {}
    for use in uses_of(spec.strategy):
        if use.words.type == "simple":
            found.setdefault(use.words.id, use)
    where = f"task {spec.task_id}"
    if not found:
        raise InvalidInput("the task looks for no simple word list", where=where, remedy="choose a task whose strategy does")
    if list_id is None:
        return list(found.values())
    if list_id not in found:
        raise NotFound(f"the task looks for no simple word list {list_id!r}", where=where, remedy=nearest(list_id, found))
    return [found[list_id]]


class _Desk:
    """Where one list of one task is worked on: what is read of it, and the trials in its rows."""

    def __init__(self, workshop: Workshop, task: Task, spec: TaskSpec, use: ListUse, progress: Progress | None) -> None:
        self._workshop, self._task, self._spec, self._use, self._progress = workshop, task, spec, use, progress
        self._done = 0
        with workshop.engine.connect() as connection:
            self._builds: Mapping[str, Sequence[Build]] = current_pins(connection, workshop.catalogue, [spec]).builds
            self._texts_paths = texts_paths(connection, task.task_id)
        entity = workshop.catalogue.objects[use.object].entity
        rows = sum(build.rows_visible + build.rows_hidden for build in self._builds.get(entity, ()))
        if not rows:
            raise Conflict("nothing is built of what the task reads", where=task.task_id, remedy="run `srp build`")
        self.share = min(1.0, BACKGROUND_ROWS / rows)

    def evidence(self, marks: TaskMarks) -> Evidence:
        """All that is known of the list's words."""
        storage, folder = self._workshop.storage, cases_folder(self._task)
        with self._step("texts of cases"):
            retrieved, words = read_retrieved(storage, folder, self._task.task_id, self._use, frozenset(marks.newest))
            marked = read_marked_texts(storage, folder, marks, self._use, self._texts_paths) if marks.marks else {}
        findings = self.trial((), with_background=True, seed=SEED)
        texts = ["\n".join(text for _, text in row.texts) for row in findings.background if row.case not in marks.newest]
        return Evidence(
            task=marks,
            use=self._use,
            retrieved=retrieved,
            background=pa.array(texts, pa.string()),
            marked_texts=marked,
            word_cases=cases_by_word(words, self._use.words.id),
        )

    def trial(self, terms: Sequence[str], *, with_background: bool = False, seed: int = SEED) -> TrialFindings:
        """Looks for words in all rows of the task's cells, and for the random share of these rows."""
        from srp_assets.insights.plan_recommend import order_trial, run_trial  # brings pyspark: half a second that marks should not cost

        title = f"{len(terms):,} words in all rows" if terms else "background"
        with self._step(title), scratch_folder(self._workshop.storage) as folder:
            spark = self._workshop.session()
            tried = {self._use.key: terms} if terms else {}
            share = self.share if with_background else 0.0
            plan = trial_plan(self._workshop.catalogue, self._spec, self._use.object, tried, share=share, seed=seed)
            order = order_trial(
                spark,
                plan,
                self._use.object,
                self._builds,
                keys=list(tried),
                features=self._use.features,
                per_stratum=MOST_PER_STRATUM,
                seed=seed,
            )
            return run_trial(spark, self._workshop.storage, plan, order, folder, words=len(terms))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        if self._progress:
            self._progress(name, self._done, STEPS)
        yield
        self._done = min(STEPS, self._done + 1)
        if self._progress:
            self._progress(name, self._done, STEPS)
