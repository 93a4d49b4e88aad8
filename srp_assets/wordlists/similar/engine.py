"""Finds texts that are similar to words as a whole: 1 - edits / length of the longer one is the threshold or more.

Comparing every text with every word is out of the question for millions of texts. Three observations leave little of it, and lose nothing:

- A text much shorter or longer than the word needs too many edits for its length alone.
- A word cut into one piece more than there may be edits has a piece that no edit touches, so a similar text holds it, at most as many
  places away as there are edits (pigeonhole). Where the pieces are long enough to be rare, only texts that hold one are compared
  (`pieces.py`).
- An edit takes at most one character and two pairs of neighbours from a text. The others are compared only with texts of a fitting length
  that lack no more of the word's characters and pairs, and it no more of theirs (`signatures.py`).

rapidfuzz measures what is left.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from srp_assets.wordlists.engine import Found
from srp_assets.wordlists.similar.limit import limit_of
from srp_assets.wordlists.similar.pieces import Piece, Pieces, cut
from srp_assets.wordlists.similar.signatures import Signatures
from srp_assets.wordlists.text_column import ColumnFold, TextColumn, read_texts
from srp_assets.wordlists.transforms import fold_of

MAX_ROWS = 1 << 16
"""Texts whose signatures are held at a time; each takes some hundred bytes while it is made."""

BLOCK = 64
"""Words that are compared at once with the same texts: enough for rapidfuzz to compare several in one go, few enough to have one length."""

INEXACT = 1e-5
"""By more than this no similarity in float32 is wrong."""

Int64s = npt.NDArray[np.int64]

_NOTHING = np.empty(0, np.int64)


class SimilarEntry(NamedTuple):
    """One word of a similar list."""

    word: str
    threshold: float
    transforms: tuple[str, ...]
    case_sensitive: bool


class SimilarEngine:
    """Compiled words of similar lists."""

    def __init__(self, entries: Sequence[SimilarEntry]) -> None:
        self._entries = list(entries)
        numbers_of: dict[tuple[frozenset[str], bool], list[int]] = {}
        for number, entry in enumerate(entries):
            numbers_of.setdefault((frozenset(entry.transforms), entry.case_sensitive), []).append(number)
        self._groups = [_group(entries, numbers) for numbers in numbers_of.values()]

    @classmethod
    def build(cls, entries: Sequence[SimilarEntry]) -> Self:
        """Compiles words; none of them may be emptied by its transforms."""
        return cls(entries)

    def scan(self, parts: Sequence[pa.Array]) -> Found:
        """Finds the words to which any part of a text is similar, each part as a whole."""
        width = max(1, len(self._entries))
        hits = [np.empty(0, np.int64)]
        for part in parts:
            column = read_texts(part).column()
            for group in self._groups:
                rows, entries = group.scan(group.fold(column))
                hits.append(rows * width + entries)
        both = np.unique(np.concatenate(hits))
        return Found(both // width, both % width, np.zeros(len(both), np.bool_))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The words as plain arrays; compiling them takes no time worth keeping anything for."""
        return {"written": np.frombuffer(json.dumps(self._entries).encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Opens what `to_arrays` gave."""
        written = json.loads(arrays["written"].tobytes())
        return cls([SimilarEntry(word, threshold, tuple(transforms), case) for word, threshold, transforms, case in written])


def _group(entries: Sequence[SimilarEntry], numbers: Sequence[int]) -> "_Group":
    """The words with these numbers, which have one fold."""
    fold = fold_of(entries[numbers[0]].transforms, entries[numbers[0]].case_sensitive)
    words, pieces, compared = [], [], []
    for place, number in enumerate(numbers):
        word = _Word(number, fold(entries[number].word), entries[number].threshold)
        words.append(word)
        parts = cut(word.text, word.limit.most_edits + 1)
        if parts is None:
            compared.append(place)
        else:
            pieces += [Piece(text, start, word.limit.most_edits, place) for start, text in parts]
    compared.sort(key=lambda place: (words[place].limit, len(words[place].text)))
    return _Group(ColumnFold.of(fold), words, Pieces(pieces), compared, Signatures.of_texts([words[place].text for place in compared]))


class _Word:
    """A transformed word, with its number among the entries."""

    def __init__(self, number: int, text: str, threshold: float) -> None:
        self.number = number
        self.text = text
        self.limit = limit_of(len(text), threshold)


@dataclass(frozen=True, eq=False)
class _Group:
    """The words under one fold: those that are found by their pieces, and the places and signatures of those that are compared."""

    fold: ColumnFold
    words: list[_Word]
    pieces: Pieces
    compared: list[int]
    signatures: Signatures

    def scan(self, column: TextColumn) -> tuple[Int64s, Int64s]:
        """Rows and entries that hit."""
        texts = column.texts()
        found: list[tuple[int, Int64s]] = []
        for place, rows in self._by_pieces(column):
            found += self._similar(column, texts, [place], rows)
        for places, rows in self._by_signatures(column):
            found += self._similar(column, texts, places, rows)
        numbers = [np.full(len(rows), self.words[place].number, np.int64) for place, rows in found]
        return np.concatenate([_NOTHING, *(rows for _, rows in found)]), np.concatenate([_NOTHING, *numbers])

    def _by_pieces(self, column: TextColumn) -> Iterator[tuple[int, Int64s]]:
        """The places of words, each with the rows that hold a piece of it and have a length that fits."""
        places, rows = self.pieces.candidates(column)
        found, begins = np.unique(places, return_index=True)
        for place, some in zip(found.tolist(), np.split(rows, begins[1:]), strict=False):
            limit = self.words[place].limit
            lengths = column.lengths[some]
            yield place, some[(limit.shortest <= lengths) & (lengths <= limit.longest)]

    def _by_signatures(self, column: TextColumn) -> Iterator[tuple[list[int], Int64s]]:
        """The places of words, each with the rows that may be similar as far as lengths and signatures tell.

        Words of which signatures would tell too little come in blocks of similar lengths, with all rows of fitting lengths.
        """
        if not self.compared:
            return
        rows = np.flatnonzero(column.is_there)
        rows = rows[np.argsort(column.lengths[rows], kind="stable")]
        for start in range(0, len(rows), MAX_ROWS):
            some = rows[start : start + MAX_ROWS]
            lengths = column.lengths[some]
            signatures = Signatures.of_column(column, some)
            block: list[int] = []
            for number, place in enumerate(self.compared):
                begin, end = np.searchsorted(lengths, self._window([place]))
                near = signatures.near(begin, end, self.signatures, number, self._allowed(place, lengths[begin:end]))
                if near is not None:
                    yield [place], some[begin + near]
                else:
                    block.append(place)
                if len(block) == BLOCK:
                    yield block, some[slice(*np.searchsorted(lengths, self._window(block)))]
                    block = []
            if block:
                yield block, some[slice(*np.searchsorted(lengths, self._window(block)))]

    def _window(self, places: Sequence[int]) -> tuple[int, int]:
        """The least length of a text that may be similar to any of some words, and the length behind the greatest."""
        limits = [self.words[place].limit for place in places]
        return min(limit.shortest for limit in limits), max(limit.longest for limit in limits) + 1

    def _allowed(self, place: int, lengths: Int64s) -> Int64s:
        """How many edits a word allows for texts of these lengths."""
        word = self.words[place]
        return word.limit.all_edits(np.maximum(lengths, len(word.text)))

    def _similar(self, column: TextColumn, texts: Sequence[str], places: Sequence[int], rows: Int64s) -> Iterator[tuple[int, Int64s]]:
        """The places of words, each with those of the rows to whose texts it is similar."""
        if not len(rows):
            return
        words, chosen = [self.words[place] for place in places], [texts[row] for row in rows.tolist()]
        # Thresholds are decimal numbers and similarities are not exact: what is near is counted in edits.
        near = min(word.limit.threshold for word in words) - INEXACT
        similarity = cdist(
            [word.text for word in words],
            chosen,
            scorer=Levenshtein.normalized_similarity,
            score_cutoff=max(0.0, near),
            dtype=np.float32,
            workers=1,
        )
        for place, of_word in zip(places, similarity >= near, strict=True):
            some = np.flatnonzero(of_word)
            text = self.words[place].text
            edits = np.fromiter((Levenshtein.distance(text, chosen[number]) for number in some.tolist()), np.int64, len(some))
            yield place, rows[some[edits <= self._allowed(place, column.lengths[rows[some]])]]
