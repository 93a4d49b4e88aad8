"""What a worker finds in a trial: how many rows would come anew by each word, a random sample of them, and the random share of all rows.

Rows stay where they are: counts, and samples of bounded size, leave a worker. No framework but numpy and pyarrow.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.insights.marks import CaseKey
from srp_assets.insights.recommend.lowest import Lowest, hashes_of
from srp_assets.insights.recommend.trial import CURRENT_BIT, SAMPLED, trial_key
from srp_assets.recall.scan.compile import BatchPlan
from srp_assets.recall.scan.kernel import HIT_WORD_BITS
from srp_assets.recall.scan.plan_scan import ScanOrder
from srp_assets.strategy.reference import key_text
from srp_assets.strategy.resolved import Feature, Frozen
from srp_assets.strategy.shown import shown_text

EXAMPLES = 3
"""Texts that are shown of a word."""

HIT_WORD_MASK = (1 << HIT_WORD_BITS) - 1

Ints = npt.NDArray[np.int64]
Texts = tuple[tuple[str, str], ...]


class TrialOrder(Frozen):
    """What the workers of a trial read beside the plan.

    `keys` are the lists that are tried, `features` the texts that rows are shown by; `per_stratum` rows of each stratum (the first word
    that would bring them) are sampled.
    """

    scan: ScanOrder
    object: str
    keys: tuple[str, ...]
    features: tuple[Feature, ...]
    per_stratum: int
    seed: int


@dataclass(frozen=True)
class FoundRow:
    """A row that was seen in a trial."""

    case: CaseKey
    texts: Texts


@dataclass(frozen=True)
class TrialFindings:
    """What a trial found.

    `new_rows` has for each tried word the rows that it would bring; `strata` the rows whose first word it is; `sampled` rows of each of
    these strata, `examples` up to three rows of each word. `background` are the rows of the random share that the task does not find now.
    Words are numbered through all lists that are tried, in their order.
    """

    new_rows: Ints
    strata: Ints
    sampled: Mapping[int, tuple[FoundRow, ...]]
    examples: Mapping[int, tuple[FoundRow, ...]]
    background: tuple[FoundRow, ...]


FINDINGS_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("rows", pa.int64()),
        pa.field("strata", pa.int64()),
        pa.field("hash", pa.int64()),
        pa.field("product", pa.string()),
        pa.field("id", pa.string()),
        pa.field("texts", pa.map_(pa.string(), pa.string())),
    ]
)
"""How findings leave a worker: counts of words, and rows that are sampled, shown as examples, or background."""


@dataclass
class TrialCounter:
    """Looks at what the scan's kernel yields for the place of the trial.

    Args:
        plan: the plan of the trial.
        order: what the workers read.
    """

    plan: BatchPlan
    order: TrialOrder
    background: list[FoundRow] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Finds the numbers of what hits name."""
        plan, order = self.plan, self.order
        self.place = plan.place(plan.groups[0], order.object).index
        sizes = [len(plan.lists[trial_key(key)].words) for key in order.keys]
        firsts = np.cumsum([0, *sizes])
        probes = plan.probes(order.scan.entity)
        # For each probe the first number of its words and the bit of its trial; -1 where it belongs to none.
        self._first, self._bit = (np.full(len(probes), -1, dtype=np.int64) for _ in range(2))
        for number, key in enumerate(order.keys):
            for probe, found in enumerate(probes):
                if found.list_key == trial_key(key):
                    self._first[probe], self._bit[probe] = firsts[number], number + 1
        self._sampled_bit = next((bit for bit, task in enumerate(plan.tasks) if task.task_id == SAMPLED), None)
        self._key = plan.catalogue.entity_of(order.object).key
        self.new_rows, self.strata = (np.zeros(int(firsts[-1]), dtype=np.int64) for _ in range(2))
        self.sampled: Lowest[FoundRow] = Lowest(order.per_stratum)
        self.examples: Lowest[FoundRow] = Lowest(EXAMPLES)

    def add(self, batch: pa.RecordBatch) -> None:
        """Looks at the rows of one batch that fit some of the plan's tasks."""
        if not batch.num_rows or batch.column("_place")[0].as_py() != self.place:
            return
        bits = pc.list_flatten(batch.column("_bits")).to_numpy(zero_copy_only=False).astype(np.int64)
        is_new = bits >> CURRENT_BIT & 1 == 0
        if self._sampled_bit is not None:
            self.background += self._rows(batch, np.flatnonzero(is_new & (bits >> self._sampled_bit & 1 == 1)))
        hits = batch.column("_hits")
        row = pc.list_parent_indices(hits).to_numpy(zero_copy_only=False).astype(np.int64)
        packed = pc.list_flatten(hits).to_numpy(zero_copy_only=False).astype(np.int64)
        probe, word = packed >> HIT_WORD_BITS, packed & HIT_WORD_MASK
        tried = is_new[row] & (self._bit[probe] >= 0)
        row, probe, word = row[tried], probe[tried], word[tried]
        # A word alone brings nothing where another rule of the object does not hold.
        brought = bits[row] >> self._bit[probe] & 1 == 1
        pairs = np.unique(row[brought] << 32 | (self._first[probe[brought]] + word[brought]))
        self._count(batch, pairs >> 32, pairs & 0xFFFFFFFF)

    def _count(self, batch: pa.RecordBatch, row: Ints, word: Ints) -> None:
        if not len(row):
            return
        self.new_rows += np.bincount(word, minlength=len(self.new_rows))
        rows, first, place = np.unique(row, return_index=True, return_inverse=True)
        stratum = word[first]  # pairs are sorted, so that it is the best word of the row
        self.strata += np.bincount(stratum, minlength=len(self.strata))
        hashes = hashes_of([str(key) for key in self._keys(batch, rows)], self.order.seed)
        self.sampled.add(stratum, hashes, lambda places: self._rows(batch, rows[places]))
        self.examples.add(word, hashes[place], lambda places: self._rows(batch, row[places]))

    def _keys(self, batch: pa.RecordBatch, rows: Ints) -> list[CaseKey]:
        chosen = pa.array(rows)
        columns = [batch.column(name).take(chosen).to_pylist() for name in self._key]
        products = batch.column("_product").take(chosen).to_pylist()
        return [CaseKey(product, self.order.object, key_text(tuple(key))) for product, *key in zip(products, *columns, strict=True)]

    def _rows(self, batch: pa.RecordBatch, rows: Ints) -> list[FoundRow]:
        if not len(rows):
            return []
        chosen = pa.array(rows)
        parts = {name: batch.column(name).take(chosen).to_pylist() for feature in self.order.features for name in feature.parts}
        found = []
        for place, key in enumerate(self._keys(batch, rows)):
            shown = {feature.name: shown_text([parts[name][place] for name in feature.parts]) for feature in self.order.features}
            texts = tuple((f"{self.order.object}.{name}", text) for name, text in shown.items() if text is not None)
            found.append(FoundRow(key, texts))
        return found

    def table(self) -> pa.Table:
        """What was found, as it leaves a worker."""
        counts = [
            {"kind": "word", "number": number, "rows": rows, "strata": strata}
            for number, (rows, strata) in enumerate(zip(self.new_rows.tolist(), self.strata.tolist(), strict=True))
            if rows
        ]
        sampled = [_row("sampled", row.payload, row.group, row.hash) for row in self.sampled]
        examples = [_row("example", row.payload, row.group, row.hash) for row in self.examples]
        background = [_row("background", row) for row in self.background]
        return pa.Table.from_pylist([*counts, *sampled, *examples, *background], schema=FINDINGS_SCHEMA)


def findings_of(parts: Iterable[pa.RecordBatch], order: TrialOrder, words: int) -> TrialFindings:
    """What all workers found together.

    Args:
        parts: what they gave, in any order.
        order: what they read.
        words: how many words were tried.
    """
    new_rows, strata = (np.zeros(words, dtype=np.int64) for _ in range(2))
    seen: dict[str, list[tuple[int, int, FoundRow]]] = {"sampled": [], "example": [], "background": []}
    for row in (row for part in parts for row in part.to_pylist()):
        if row["kind"] == "word":
            new_rows[row["number"]] += row["rows"]
            strata[row["number"]] += row["strata"]
        else:
            found = FoundRow(CaseKey(row["product"], order.object, row["id"]), tuple(row["texts"]))
            seen[row["kind"]].append((row["number"] or 0, row["hash"] or 0, found))
    background = sorted((found for _, _, found in seen["background"]), key=lambda row: row.case)
    sampled, examples = _lowest(seen["sampled"], order.per_stratum), _lowest(seen["example"], EXAMPLES)
    return TrialFindings(new_rows, strata, sampled, examples, tuple(background))


def _lowest(seen: Sequence[tuple[int, int, FoundRow]], most: int) -> dict[int, tuple[FoundRow, ...]]:
    """The rows with the lowest hashes of each group."""
    kept: Lowest[FoundRow] = Lowest(most)
    groups, hashes = (np.array([row[column] for row in seen], dtype=np.int64) for column in range(2))
    kept.add(groups, hashes, lambda places: [seen[place][2] for place in places])
    found: dict[int, list[FoundRow]] = {}
    for row in kept:
        found.setdefault(row.group, []).append(row.payload)
    return {group: tuple(rows) for group, rows in found.items()}


def count_slot(counter: TrialCounter, batches: Iterator[pa.RecordBatch]) -> pa.Table:
    """What one worker finds in the batches that the kernel yields."""
    for batch in batches:
        counter.add(batch)
    return counter.table()


def _row(kind: str, row: FoundRow, number: int | None = None, hash_: int | None = None) -> dict[str, object]:
    return {"kind": kind, "number": number, "hash": hash_, "product": row.case.product, "id": row.case.id, "texts": list(row.texts)}
