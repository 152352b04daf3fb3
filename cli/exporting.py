"""readings.py export: readings as CSV or JSON, in constant memory."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from cli.context import CommandContext
from cli.times import TIMEZONE, range_of, span, zone_of
from runtime.errors import Unavailable, Unusable
from runtime.files import temporary
from storage.past import COLUMNS

if TYPE_CHECKING:
    from cli.formats import CsvWriter, JsonWriter


class Options(NamedTuple):
    form: str
    since: str | None
    until: str | None
    devices: str | None
    columns: list[str]
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
@click.option("--format", "form", type=click.Choice(["csv", "json", "ndjson"]), default="csv", show_default=True)
@span(None)
@click.option("--devices", metavar="ID,ID", help="Only these devices.")
@click.option("--columns", type=columns_type, default=",".join(COLUMNS), metavar="NAME,NAME", help="Default: all but id.")
@click.option("--utc", "is_utc", is_flag=True, help="Times in UTC.")
@click.option("--excel", is_flag=True, help="CSV for Excel: a byte order mark, and semicolons where commas are decimal.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="In place of standard output.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@TIMEZONE
@click.pass_obj
def main(command: CommandContext, /, **options: Any) -> None:
    """Write readings as CSV (RFC 4180), JSON or a line of JSON each, with local times and their offsets.

    In CSV, a text that begins with = + - @ ' or a tab gets a ' before it, so that no spreadsheet takes it for a formula.
    """
    wanted = Options(**options)
    zone = timezone.utc if wanted.is_utc else zone_of(command, wanted.zone_name)
    start, end = range_of(command, zone, wanted.since, wanted.until)
    with _target(command, wanted.output, wanted.overwrite, "utf-8-sig" if wanted.excel else "utf-8") as stream:
        writer, count = _writer(wanted, stream), 0
        with command.reading() as connection:
            from storage import past
            chosen = _device_ids(connection, wanted.devices)
            for batch in _localized(past.batches(connection, wanted.columns, chosen, start, end), wanted.columns, zone):
                writer.write(batch)
                count += len(batch)
                _progress(count)
        writer.close()
    _progress(count, is_last=True)


def _writer(wanted: Options, stream: TextIO) -> "CsvWriter | JsonWriter":
    from cli import formats
    if wanted.form == "csv":
        return formats.CsvWriter(stream, wanted.columns, wanted.excel and formats.has_decimal_comma())
    return formats.JsonWriter(stream, wanted.columns, as_list=wanted.form == "json")


def _device_ids(connection: object, text: str | None) -> list[str]:
    from cli.arguments import find_device
    from storage import registry
    if not text:
        return []
    registered = registry.all_devices(connection)  # type: ignore[arg-type] # only storage names its type
    return [find_device(part.strip(), registered).device_id for part in text.split(",")]


def _localized(batches: Iterator[list[tuple[object, ...]]], columns: Sequence[str],
               zone: tzinfo) -> Iterator[list[list[object]]]:
    """Replace the times, each once: all devices of a cycle have the same."""
    from functools import lru_cache

    from cli.times import iso
    local = lru_cache(4096)(lambda stored: iso(stored, zone))
    at = [place for place, name in enumerate(columns) if name in ("timestamp", "measured_at", "created_at")]
    for batch in batches:
        rows = [list(row) for row in batch]
        for row in rows:
            for place in at:
                row[place] = local(row[place])
        yield rows


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
    database = command.configuration.storage.database_path
    own = [Path(f"{os.path.realpath(database)}{end}") for end in ("", "-wal", "-shm", ".lock")]
    if Path(os.path.realpath(output)) in own:
        raise Unusable(f"{output} belongs to the database itself", "choose another place with --output")
    if output.is_dir():
        raise Unusable(f"{output} is a folder", "add a file name to it")
    if os.path.lexists(output) and not overwrite:
        raise Unusable(f"{output} exists already and was left as it is", "add --overwrite to replace it")
