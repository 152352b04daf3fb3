"""CSV and JSON as `readings.py export` writes them and `import` reads them."""

import csv
import json
from collections.abc import Sequence
from typing import TextIO

TEXT_COLUMNS = ("device_id", "device_type", "name", "location", "thermostat_mode", "thermostat_state", "day_night",
                "weather_conditions", "raw_response")
TIMES = ("timestamp", "measured_at", "created_at")
FORMULA = ("=", "+", "-", "@", "\t", "'")  # https://owasp.org/www-community/attacks/CSV_Injection, 2026-11


class CsvWriter:
    """Numbers are written so that they come back equal; an empty text is a lone ', which NULL is not."""

    def __init__(self, stream: TextIO, columns: Sequence[str], decimal_comma: bool = False) -> None:
        self._writer = csv.writer(stream, delimiter=";" if decimal_comma else ",")
        self._texts = [place for place, name in enumerate(columns) if name in TEXT_COLUMNS]
        self._decimal_comma = decimal_comma
        self._writer.writerow(columns)

    def write(self, columns: list[Sequence[object]]) -> None:
        for place in self._texts:
            marked: dict[object, str] = {
                value: f"'{value}" for value in set(columns[place])
                if isinstance(value, str) and (not value or value[0] in FORMULA)}
            if marked:
                columns[place] = [marked.get(value, value) for value in columns[place]]
        if self._decimal_comma:
            columns = [[str(value).replace(".", ",") if isinstance(value, float) else value for value in column]
                       for column in columns]
        self._writer.writerows(zip(*columns))

    def close(self) -> None:
        """CSV has no end."""


class JsonWriter:
    def __init__(self, stream: TextIO, columns: Sequence[str], as_list: bool) -> None:
        self._stream, self._columns, self._as_list, self._between = stream, columns, as_list, ""
        self._encode = json.JSONEncoder(ensure_ascii=False, default=_text).encode
        stream.write("[\n" if as_list else "")

    def write(self, columns: list[Sequence[object]]) -> None:
        for row in zip(*columns):
            self._stream.write(f"{self._between}{self._encode(dict(zip(self._columns, row)))}")
            self._between = ",\n" if self._as_list else "\n"

    def close(self) -> None:
        self._stream.write("\n]\n" if self._as_list else "\n" if self._between else "")


def plain(text: str) -> str:
    """Return a text as it was before export marked it."""
    return text[1:] if text.startswith("'") else text


def has_decimal_comma() -> bool:
    import locale
    try:
        locale.setlocale(locale.LC_NUMERIC, "")
    except locale.Error:
        return False
    return locale.localeconv()["decimal_point"] == ","


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
