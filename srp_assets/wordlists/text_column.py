"""Columns of text as engines read them that need more than bytes: valid UTF-8, code points, transformed texts."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from srp_assets.wordlists.columns import units_of
from srp_assets.wordlists.transforms import Fold

_UNICODE = 0x110000

Int64s = npt.NDArray[np.int64]


class TextColumn(NamedTuple):
    """The texts of a column.

    Attributes:
        codes: uint32, the code points of all texts, one after the other.
        bounds: int64 (rows + 1), where each text begins among them, and where the last one ends.
        is_there: bool (rows), False for a null, whose text is empty.
    """

    codes: npt.NDArray[np.uint32]
    bounds: npt.NDArray[np.int64]
    is_there: npt.NDArray[np.bool_]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The number of characters of each text."""
        return np.diff(self.bounds)

    def text(self, row: int) -> str:
        """One text."""
        return self.codes[self.bounds[row] : self.bounds[row + 1]].tobytes().decode("utf-32-le")

    def texts(self) -> list[str]:
        """All texts."""
        whole, bounds = self.codes.tobytes().decode("utf-32-le"), self.bounds.tolist()
        return [whole[begin:end] for begin, end in zip(bounds, bounds[1:], strict=False)]


class Utf8Texts(NamedTuple):
    """The texts of a column as valid UTF-8.

    Attributes:
        data: uint8, the bytes in which the texts lie, one after the other; between them may be others, which are no text.
        starts, ends: int64 (rows), where each text begins and ends.
        is_there: bool (rows), False for a null.
    """

    data: npt.NDArray[np.uint8]
    starts: Int64s
    ends: Int64s
    is_there: npt.NDArray[np.bool_]

    def text(self, row: int) -> bytes:
        """One text."""
        return self.data[self.starts[row] : self.ends[row]].tobytes()

    def column(self, rows: Int64s | None = None) -> TextColumn:
        """The code points of all texts, or of those of some rows."""
        starts, ends, is_there = self.starts, self.ends, self.is_there
        if rows is not None:
            starts, ends, is_there = starts[rows], ends[rows], is_there[rows]
        bounds = np.concatenate([[0], np.cumsum(ends - starts)])
        is_together = len(starts) and bounds[-1] == ends[-1] - starts[0] and bool(np.all(starts[1:] == ends[:-1]))
        if is_together:
            chosen = self.data[starts[0] : ends[-1]]
        else:
            chosen = self.data[np.arange(bounds[-1]) + np.repeat(starts - bounds[:-1], ends - starts)]
        codes = np.frombuffer(str(chosen.data, "utf-8").encode("utf-32-le"), dtype=np.uint32)
        if len(codes) < len(chosen):
            # A code point has one byte that does not continue another.
            before = np.concatenate([[0], np.cumsum(chosen & 0xC0 != 0x80)])
            bounds = before[bounds]
        return TextColumn(codes, bounds, is_there)


def read_texts(part: pa.Array) -> Utf8Texts:
    """The texts of an array of string or large_string. Bytes that are no UTF-8 become U+FFFD."""
    data, starts, ends, _ = units_of([part])
    texts = Utf8Texts(data, starts, ends, part.is_valid().to_numpy(zero_copy_only=False))
    first_bytes = data[starts[ends > starts]]
    try:
        str(data.data, "utf-8")
        is_whole = not np.any(first_bytes & 0xC0 == 0x80)  # else a character's halves lie in two rows
    except UnicodeDecodeError:
        is_whole = False
    return texts if is_whole else read_texts(_repaired(part))


def utf8_of(column: TextColumn) -> Utf8Texts:
    """A column of code points as UTF-8."""
    widths = np.ones(len(column.codes), np.uint8)
    for first in (0x80, 0x800, 0x10000):
        widths += column.codes >= first
    places = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])[column.bounds]
    data = np.frombuffer(column.codes.tobytes().decode("utf-32-le").encode(), np.uint8)
    return Utf8Texts(data, places[:-1], places[1:], column.is_there)


def _repaired(part: pa.Array) -> pa.Array:
    binary = part.cast(pa.large_binary() if pa.types.is_large_string(part.type) else pa.binary())
    return pa.array([None if row is None else row.decode("utf-8", "replace") for row in binary.to_pylist()], type=part.type)


@dataclass(frozen=True, eq=False)
class ColumnFold:
    """A fold that is applied to whole columns: a table over all code points.

    `becomes` holds what each code point becomes if that is one character; if not, `widths` says how many, and `starts` where they begin
    in `results`. `widths` is None if every code point becomes one.
    """

    becomes: npt.NDArray[np.uint32]
    widths: npt.NDArray[np.uint8] | None
    starts: npt.NDArray[np.int32] | None
    results: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, fold: Fold) -> "ColumnFold":
        """The table of a fold."""
        becomes = np.arange(_UNICODE, dtype=np.uint32)
        single = fold.widths == 1
        becomes[fold.code_points[single]] = fold.results[fold.starts[single]]
        if np.all(single):
            return cls(becomes, None, None, fold.results)
        widths = np.ones(_UNICODE, np.uint8)
        widths[fold.code_points] = fold.widths
        starts = np.zeros(_UNICODE, np.int32)
        starts[fold.code_points] = fold.starts
        return cls(becomes, widths, starts, fold.results)

    @property
    def is_identity(self) -> bool:
        """Whether no text is changed."""
        return self.widths is None and not len(self.results)

    def __call__(self, column: TextColumn) -> TextColumn:
        """The column with every text transformed."""
        codes = column.codes
        if self.is_identity:
            return column
        if self.widths is None or self.starts is None:
            return column._replace(codes=self.becomes[codes])
        widths = self.widths[codes]
        places = np.zeros(len(codes) + 1, np.int64)
        np.cumsum(widths, out=places[1:])
        folded = np.repeat(self.becomes[codes], widths)
        several = np.flatnonzero(widths > 1)
        # The places of the characters that come from one which becomes several, and where in `results` they are.
        counts = widths[several].astype(np.int64)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        folded[np.repeat(places[several], counts) + within] = self.results[np.repeat(self.starts[codes[several]], counts) + within]
        return column._replace(codes=folded, bounds=places[column.bounds])
