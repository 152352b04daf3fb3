"""Parquet as `readings.py export` writes it, with pyarrow (https://arrow.apache.org/docs/python/parquet.html)."""

import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from cli.formats import TEXT_COLUMNS, TIMES
from runtime.errors import Unusable

PACKAGE = "pyarrow>=15"
ROWS_IN_A_GROUP = 50_000  # a reader takes a group at a time


class ParquetWriter:
    """Times are microseconds in UTC; every number is a double, as some early databases have half percents."""

    def __init__(self, stream: BinaryIO, columns: Sequence[str]) -> None:
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise Unusable("Parquet needs the package pyarrow",
                           shlex.join([sys.executable or "python3", "-m", "pip", "install", PACKAGE])) from error
        self._arrow, self._columns = pyarrow, columns
        types = {name: pyarrow.timestamp("us", tz="UTC") if name in TIMES else pyarrow.string() if name in TEXT_COLUMNS
                 else pyarrow.float64() for name in columns}
        self._schema = pyarrow.schema(list(types.items()))
        self._writer, self._waiting = parquet.ParquetWriter(stream, self._schema), list[list[Sequence[object]]]()

    def write(self, columns: list[Sequence[object]]) -> None:
        self._waiting.append(columns)
        if sum(len(batch[0]) for batch in self._waiting) >= ROWS_IN_A_GROUP:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        self._writer.close()

    def abandon(self) -> None:
        """Prevent the writer, if it is still open, from writing the end of the file when Python deletes it."""
        self._writer.is_open = False

    def _write_group(self) -> None:
        batches, self._waiting = self._waiting, []
        arrays = [self._array(field, [value for batch in batches for value in batch[place]])
                  for place, field in enumerate(self._columns)]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def _array(self, column: str, values: list[object]) -> object:
        try:
            cells = [datetime.fromisoformat(str(value)) if value is not None and column in TIMES else value
                     for value in values]
            return self._arrow.array(cells, self._schema.field(column).type)
        except (ValueError, TypeError, OverflowError) as error:  # pyarrow's own errors are among them
            raise Unusable(f"Parquet cannot hold what {column} has in some reading: {' '.join(str(error).split())[:80]}",
                           "leave it out with --columns, or choose --format csv") from error
