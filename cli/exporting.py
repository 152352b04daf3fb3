"""readings.py export: readings, or means per step, as CSV, JSON or Parquet, in constant memory."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from cli.arguments import duration_type
from cli.context import CommandContext
from cli.times import TIMEZONE, range_of, span, zone_of
from runtime.errors import Unavailable, Unusable
from runtime.files import temporary
from storage.past import COLUMNS

if TYPE_CHECKING:
    from cli.formats import CsvWriter, JsonWriter
    from cli.parquet import ParquetWriter
    from storage.manager import Connection


class Options(NamedTuple):
    form: str
    since: str | None
    until: str | None
    devices: str | None
    columns: list[str] | None
    every: timedelta | None
    is_utc: bool
    excel: bool
    output: Path | None
    overwrite: bool
    zone_name: str | None


def columns_type(text: str) -> list[str]:
    columns = [name.strip() for name in text.split(",")]
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise click.BadParameter(f"there is no column {unknown[0]!r}; there are {', '.join(COLUMNS)}")
    return columns


@click.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "json", "ndjson", "parquet"]), default="csv", show_default=True)
@span(None)
@click.option("--devices", metavar="ID,ID", help="Only these devices.")
@click.option("--columns", type=columns_type, metavar="NAME,NAME", help="Default: all but id.")
@click.option("--every", type=duration_type, metavar="STEP", help="Means per step, such as 1h, in place of readings.")
@click.option("--utc", "is_utc", is_flag=True, help="Times in UTC.")
@click.option("--excel", is_flag=True, help="CSV for Excel: a byte order mark, and semicolons where commas are decimal.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="In place of standard output.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@TIMEZONE
@click.pass_obj
def main(command: CommandContext, /, **options: Any) -> None:
    """Write readings as CSV (RFC 4180), JSON, a line of JSON each, or Parquet, with local times and their offsets.

    In CSV, a text that begins with = + - @ ' or a tab gets a ' before it, so that no spreadsheet takes it for a formula.
    """
    wanted = Options(**options)
    columns = _columns(wanted)
    zone = timezone.utc if wanted.is_utc else zone_of(command, wanted.zone_name)
    start, end = range_of(command, zone, wanted.since, wanted.until)
    with _target(command, wanted.output, wanted.overwrite, "utf-8-sig" if wanted.excel else "utf-8") as stream:
        count = 0
        with _writer(wanted, columns, stream) as writer, command.reading() as connection:
            chosen = _device_ids(connection, wanted.devices)
            if wanted.every is None:
                from storage import past
                batches = past.batches(connection, columns, chosen, start, end)
            else:
                from cli import means
                batches = means.batches(connection, columns, chosen, start, end or command.now, wanted.every, zone)
            for batch in _localized(batches, columns, zone):
                writer.write(batch)
                count += len(batch[0])
                _progress(count)
    _progress(count, is_last=True)


def _columns(wanted: Options) -> Sequence[str]:
    if wanted.every is None:
        return wanted.columns or COLUMNS
    from cli import means
    columns = wanted.columns or means.COLUMNS
    means.check(wanted.every, columns)
    return columns


@contextmanager
def _writer(wanted: Options, columns: Sequence[str],
            stream: TextIO) -> "Iterator[CsvWriter | JsonWriter | ParquetWriter]":
    """Yield the writer; end the document unless there was an error."""
    if wanted.form == "parquet":
        from cli.parquet import ParquetWriter
        parquet = ParquetWriter(stream.buffer, columns)
        try:
            yield parquet
            parquet.close()
        finally:
            parquet.abandon()
        return
    from cli import formats
    writer = formats.CsvWriter(stream, columns, wanted.excel and formats.has_decimal_comma()) if (
        wanted.form == "csv") else formats.JsonWriter(stream, columns, as_list=wanted.form == "json")
    yield writer
    writer.close()


def _device_ids(connection: "Connection", text: str | None) -> list[str]:
    from cli.arguments import find_device
    from storage import registry
    if not text:
        return []
    registered = registry.all_devices(connection)
    return [find_device(part.strip(), registered).device_id for part in text.split(",")]


def _localized(batches: Iterator[list[tuple[object, ...]]], columns: Sequence[str],
               zone: tzinfo) -> Iterator[list[Sequence[object]]]:
    """Yield each batch by columns, its times replaced, each once: all devices of a cycle have the same."""
    from functools import lru_cache

    from cli.formats import TIMES
    from cli.times import iso
    local = lru_cache(4096)(lambda stored: iso(stored, zone))
    at = [place for place, name in enumerate(columns) if name in TIMES]
    for batch in batches:
        values: list[Sequence[object]] = list(zip(*batch))
        for place in at:
            values[place] = [local(stored) for stored in values[place]]
        yield values


def _progress(count: int, is_last: bool = False) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{count:,} readings", err=True, nl=is_last)


@contextmanager
def _target(command: CommandContext, output: Path | None, overwrite: bool, encoding: str) -> Iterator[TextIO]:
    """Open standard output, or a file beside the wanted one, which takes its place at the end."""
    if output is None:
        with open(os.dup(1), "w", encoding=encoding, newline="") as stream:
            yield stream
        return
    _ensure_writable(command, output, overwrite)
    beside = temporary(output)
    try:
        with open(beside, "x", encoding=encoding, newline="") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, output)
    except OSError as error:
        from runtime.files import FOR_A_HUMAN
        kind = Unusable if error.errno in FOR_A_HUMAN else Unavailable
        raise kind(f"{output} cannot be written: {error.strerror}; nothing was left there",
                   "choose another place with --output") from error
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


def _ensure_writable(command: CommandContext, output: Path, overwrite: bool) -> None:
    settings = command.configuration
    own = settings.storage.database_path, settings.path, settings.secrets_path
    folders = {os.path.realpath(path.parent) for path in own}
    if folders & {*map(str, Path(os.path.realpath(output)).parents)}:
        raise Unusable(f"{output} is among the files of this program", "choose another place with --output")
    if output.is_dir():
        raise Unusable(f"{output} is a folder", "add a file name to it")
    if output.exists() and not output.is_file():
        raise Unusable(f"{output} is not a file", "for a pipe or a device, leave out --output and write > before its name")
    if os.path.lexists(output) and not overwrite:
        raise Unusable(f"{output} exists already and was left as it is", "add --overwrite to replace it")
