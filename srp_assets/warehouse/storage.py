"""Files of the warehouse, on a local disk or in an object store, through one door.

Paths in the registry are relative to the warehouse's location, so that a home can be moved. A file appears whole or not at all.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from srp_assets.errors import NotFound, Unavailable


class Storage:
    """The folder or bucket at `location`: an absolute path, or an address that pyarrow knows (`s3://bucket/folder`)."""

    def __init__(self, location: str) -> None:
        self.location = location

    def __reduce__(self) -> tuple[type["Storage"], tuple[str]]:
        return Storage, (self.location,)

    @cached_property
    def _resolved(self) -> tuple[fs.FileSystem, str]:
        if "://" in self.location:
            return fs.FileSystem.from_uri(self.location)
        return fs.LocalFileSystem(), self.location

    @property
    def filesystem(self) -> fs.FileSystem:
        """The pyarrow file system that `path` belongs to."""
        return self._resolved[0]

    @property
    def is_local(self) -> bool:
        """Whether files are on a disk of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def path(self, relative: str) -> str:
        """The path of a file for `filesystem`."""
        return f"{self._resolved[1].rstrip('/')}/{relative}"

    def address(self, relative: str) -> str:
        """The address under which Spark reads a file or folder.

        Not percent-encoded: Hadoop takes `%3D` for three characters, and folders of partitions have an equals sign in their names.
        """
        if self.is_local:
            return f"file:{Path(self.path(relative)).resolve()}"
        scheme = self.location.split("://", 1)[0]
        return f"{'s3a' if scheme == 's3' else scheme}://{self.path(relative)}"

    @contextmanager
    def parquet_writer(self, relative: str, schema: pa.Schema, *, dictionaries: bool = True) -> Iterator[pq.ParquetWriter]:
        """A writer of one Parquet file (zstd) that appears, whole, when the block ends without an error.

        `dictionaries` says whether columns may be dictionary-encoded: trying costs time where nearly all values differ.

        Raises:
            Unavailable: if the place cannot be written (disk full, no permission).
        """
        target = self.path(relative)
        written = f"{target}.{uuid4().hex}.partial" if self.is_local else target
        try:
            self.filesystem.create_dir(target.rsplit("/", 1)[0], recursive=True)
            try:
                with (
                    self.filesystem.open_output_stream(written) as stream,
                    pq.ParquetWriter(stream, schema, compression="zstd", use_dictionary=dictionaries, coerce_timestamps="us") as writer,
                ):
                    yield writer
            except BaseException:
                if self.is_local:
                    Path(written).unlink(missing_ok=True)
                raise
            if self.is_local:
                self.filesystem.move(written, target)
        except OSError as error:
            raise Unavailable(
                f"cannot write: {_reason(error)}", where=target, remedy="free space, or correct the permissions or SRP_HOME"
            ) from error

    def write(self, relative: str, table: pa.Table, *, row_group_rows: int = 131_072, dictionaries: bool = True) -> int:
        """Writes a table as one Parquet file (zstd), whole or not at all; returns its size in bytes.

        Raises:
            Unavailable: if the place cannot be written (disk full, no permission).
        """
        with self.parquet_writer(relative, table.schema, dictionaries=dictionaries) as writer:
            writer.write_table(table, row_group_size=row_group_rows)
        return self.sizes([relative])[0]

    def files(self, relative: str) -> list[tuple[str, int]]:
        """The Parquet files of a folder, by name, each with its size in bytes; paths are relative to the warehouse."""
        found = self.filesystem.get_file_info(fs.FileSelector(self.path(relative)))
        return sorted((f"{relative}/{info.base_name}", info.size) for info in found if info.extension == "parquet")

    def sizes(self, relative: Sequence[str]) -> list[int]:
        """Sizes of files in bytes.

        Raises:
            NotFound: if one is missing.
        """
        infos = self.filesystem.get_file_info([self.path(name) for name in relative])
        for info in infos:
            if info.type != fs.FileType.File:
                raise NotFound("a file of the warehouse is missing", where=info.path, remedy="restore it from a backup")
        return [info.size for info in infos]

    def read(self, relative: str, columns: list[str] | None = None) -> pa.Table:
        """Reads one Parquet file."""
        return pq.read_table(self.path(relative), columns=columns, filesystem=self.filesystem, partitioning=None)

    def rows(self, relative: str) -> int:
        """The number of rows of one Parquet file."""
        with pq.ParquetFile(self.path(relative), filesystem=self.filesystem) as file:
            return int(file.metadata.num_rows)

    def exists(self, relative: str) -> bool:
        """Whether a file or folder is there."""
        return self.filesystem.get_file_info(self.path(relative)).type != fs.FileType.NotFound

    def folders(self, relative: str) -> list[str]:
        """The names of the folders in a folder, in order; none where it is not there."""
        selector = fs.FileSelector(self.path(relative), allow_not_found=True)
        return sorted(entry.base_name for entry in self.filesystem.get_file_info(selector) if entry.type == fs.FileType.Directory)

    def delete_tree(self, relative: str) -> None:
        """Deletes a folder with all that is in it; none there is fine."""
        if self.exists(relative):
            self.filesystem.delete_dir(self.path(relative))


def _reason(error: OSError) -> str:
    """What the operating system said; Arrow wraps it in words of its own."""
    return os.strerror(error.errno) if error.errno else str(error)
