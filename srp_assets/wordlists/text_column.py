"""Columns of text as code points, transformed at once: what engines read that need more than bytes."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from srp_assets.wordlists.transforms import Fold

_UNICODE = 0x110000


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


def read_column(part: pa.Array) -> TextColumn:
    """The texts of an array of string or large_string. Bytes that are no UTF-8 become U+FFFD."""
    is_there = pc.is_valid(part).to_numpy(zero_copy_only=False)
    filled = pc.fill_null(part, "") if part.null_count else part
    bounds = np.zeros(len(filled) + 1, np.int64)
    offsets, data = filled.buffers()[1:]
    if data is None or not len(filled):
        return TextColumn(np.empty(0, np.uint32), bounds, is_there)
    width = np.int64 if pa.types.is_large_string(filled.type) else np.int32
    ends = np.frombuffer(offsets, dtype=width)[filled.offset : filled.offset + len(filled) + 1]
    first_bytes = np.frombuffer(data, dtype=np.uint8)[ends[:-1][np.diff(ends) > 0]]
    try:
        text = str(memoryview(data)[ends[0] : ends[-1]], "utf-8")
        is_whole = not np.any(first_bytes & 0xC0 == 0x80)  # else a character's halves lie in two rows
    except UnicodeDecodeError:
        is_whole = False
    if not is_whole:
        return read_column(_repaired(part))
    np.cumsum(pc.utf8_length(filled).to_numpy(zero_copy_only=False), out=bounds[1:])
    return TextColumn(np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32), bounds, is_there)


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

    def __call__(self, column: TextColumn) -> TextColumn:
        """The column with every text transformed."""
        codes = column.codes
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
