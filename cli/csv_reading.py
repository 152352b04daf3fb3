"""Rows of a CSV file: what `export` wrote, or a table of another program whose columns are mapped to ours."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

from cli.arguments import named_device
from cli.formats import TEXT_COLUMNS, TIMES, plain
from cli.times import from_local
from runtime.errors import Unusable
from runtime.formats import finite_number, parse_time
from storage.past import COLUMNS
from storage.quantities import BY_COLUMN
from storage.reading import Row
from storage.registry import Device

WHOLE = ("battery_level", "signal_strength", "is_anomalous")
NEEDED = ("timestamp", "device_id", "device_type")
FOREIGN_TYPE = "csv_import"


def mapping(names: Iterable[str]) -> dict[str, str]:
    """Return the fields by column, of texts such as `Temp (C)=temperature_celsius`."""
    fields = {}
    for text in names:
        column, _, field = text.rpartition("=")
        if field not in COLUMNS:
            raise Unusable(f"--map {text} names no field", f"write --map COLUMN=FIELD with one of {', '.join(COLUMNS)}")
        fields[column] = field
    return fields


class Table:
    """Times without an offset are local ones of `zone`. `left_out` are the columns without a field."""

    def __init__(self, path: Path, fields: Mapping[str, str], zone: tzinfo, devices: Sequence[Device], created: str) -> None:
        self._path, self._fields, self._zone, self._devices = path, fields, zone, devices
        self._ids = {device.device_id for device in devices}
        self._latest = parse_time(created) + timedelta(days=1)
        self._blank = dict.fromkeys(COLUMNS) | {
            "is_anomalous": 0, "created_at": created, "device_type": FOREIGN_TYPE if fields else None}
        self.left_out: list[str] = []

    def rows(self) -> Iterator[Row]:
        """Raise Unusable, naming the line, for the first row that is wrong."""
        path = self._path
        try:
            with open(path, encoding="utf-8-sig", newline="") as stream:
                lines = csv.reader(stream, delimiter=";" if ";" in stream.readline() else ",", strict=True)
                stream.seek(0)
                fields = self._header(next(lines, []))
                for cells in lines:
                    yield self._row(f"line {lines.line_num} of {path}", fields, cells)
        except OSError as error:
            raise Unusable(f"{path} cannot be read: {error.strerror or 'it is no file'}", "name a CSV file") from error
        except UnicodeDecodeError as error:
            raise Unusable(f"{path} is not UTF-8", "save it as CSV in UTF-8") from error
        except csv.Error as error:
            raise Unusable(f"line {lines.line_num} of {path} is not CSV: {error}; nothing was stored",
                           "complete the file, or name another one") from error

    def _header(self, columns: list[str]) -> list[str]:
        """Return the field of each column, empty for those left out."""
        fields = [self._fields.get(name, name) for name in columns]
        strange = [name for name, field in zip(columns, fields) if field not in COLUMNS]
        needed = NEEDED[:2] if self._fields else NEEDED
        problems = [f"no column {name!r}" for name in (*self._fields, *needed) if name not in (*columns, *fields)]
        problems += [f"several columns for {name}" for name in COLUMNS if fields.count(name) > 1]
        problems += ["no column of a quantity"] if self._fields and not BY_COLUMN.keys() & fields else []
        problems += [] if self._fields else [f"an unknown column {name[:40]!r}" for name in strange]
        if problems:
            raise Unusable(f"{self._path} has {problems[0]}",
                           f"its first line has to name columns of {', '.join(COLUMNS)}; --map COLUMN=FIELD names others")
        self.left_out = strange
        return [field if field in COLUMNS else "" for field in fields]

    def _row(self, where: str, fields: list[str], cells: list[str]) -> Row:
        if len(cells) != len(fields):
            raise Unusable(f"{where} has {len(cells)} cells in place of {len(fields)}; nothing was stored", "correct it")
        row = dict(self._blank)
        for field, cell in zip(fields, cells):
            try:
                if field and cell:
                    row[field] = self._value(field, cell)
            except (ValueError, OverflowError):
                raise Unusable(f"{where} has {cell[:40]!r} as {field}; nothing was stored", "correct it") from None
            except Unusable as error:
                raise Unusable(f"{where}: {error}; nothing was stored", error.remedy) from None
        if not row["timestamp"] or not row["device_id"] or not row["device_type"]:
            raise Unusable(f"{where} lacks a time, a device or its type; nothing was stored", "correct it")
        self._check_device(where, str(row["device_id"]))
        return row

    def _check_device(self, where: str, device_id: str) -> None:
        if device_id in self._ids:
            return
        if device := named_device(device_id, self._devices):
            raise Unusable(f"{where} has {device_id!r}, which means {device.label()}; nothing was stored",
                           f"write {device.device_id} there, or another name if it is another device")
        self._ids.add(device_id)

    def _value(self, field: str, cell: str) -> str | float | int:
        if field in TEXT_COLUMNS:
            return plain(cell)
        if field in TIMES:
            moment = datetime.fromisoformat(cell)
            utc = from_local(moment, self._zone, cell) if moment.tzinfo is None else moment.astimezone(timezone.utc)
            if utc > self._latest:
                raise Unusable(f"{cell} is a time to come", "correct it, or the clock of this machine")
            return utc.isoformat()
        if field in WHOLE:
            return int(cell)
        number = finite_number(float(cell.replace(",", ".")))
        if number is None:
            raise ValueError(cell)
        return number
