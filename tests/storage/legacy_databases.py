"""Databases as the predecessor left them, in all the shapes they had over its life, with what people added."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

AIR = ("pm25_ugm3", "voc_ppb", "co_ppm", "co2_ppm", "iaq_score")
NEWEST = """
    CREATE TABLE readings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        timestamp DATETIME NOT NULL,
        device_id TEXT NOT NULL,
        temperature_celsius REAL NOT NULL,
        location TEXT NOT NULL,
        name TEXT,
        device_type TEXT NOT NULL CHECK (device_type IN ('hue_sensor', 'alexa_aqm', 'amazon_aqm', 'weather_api')),
        is_anomalous BOOLEAN DEFAULT 0,
        humidity_percent REAL CHECK (humidity_percent BETWEEN 0 AND 100),
        pm25_ugm3 REAL CHECK (pm25_ugm3 >= 0),
        voc_ppb REAL CHECK (voc_ppb >= 0),
        co_ppm REAL CHECK (co_ppm >= 0),
        co2_ppm REAL CHECK (co2_ppm >= 0),
        iaq_score REAL CHECK (iaq_score BETWEEN 0 AND 100),
        battery_level INTEGER CHECK (battery_level BETWEEN 0 AND 100),
        signal_strength INTEGER CHECK (signal_strength BETWEEN 0 AND 100),
        thermostat_mode TEXT,
        thermostat_state TEXT,
        day_night TEXT,
        weather_conditions TEXT,
        raw_response TEXT,
        created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
        UNIQUE (device_id, timestamp),
        CHECK (temperature_celsius BETWEEN -40 AND 50)
    )
"""
OLDER = "\n".join(line for line in NEWEST.splitlines() if not line.strip().startswith(("name", *AIR)))
ALTERED = """
    CREATE TABLE readings (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        created_at DATETIME,
        is_anomalous BOOLEAN,
        device_type TEXT NOT NULL,
        location TEXT NOT NULL,
        temperature_celsius REAL NOT NULL CHECK (temperature_celsius BETWEEN -40 AND 50),
        device_id TEXT NOT NULL,
        timestamp DATETIME NOT NULL,
        battery_level INTEGER,
        raw_response TEXT,
        "my ""own"" note" TEXT,
        humidity_percent REAL,
        UNIQUE (device_id, timestamp)
    )
"""
UNGUARDED = NEWEST.replace(" NOT NULL", "").replace("UNIQUE (device_id, timestamp),", "")
SHAPES = {"newest": NEWEST, "older": OLDER, "altered": ALTERED}
INDEXES = ("timestamp", "device_id", "device_id, timestamp", "location", "device_type",
           "is_anomalous) WHERE (is_anomalous = 1")
REGISTRY = """
    CREATE TABLE device_registry (
        device_id INTEGER PRIMARY KEY AUTOINCREMENT,
        device_type TEXT NOT NULL,
        device_name TEXT,
        location TEXT,
        unique_id TEXT NOT NULL UNIQUE,
        model_info TEXT,
        first_seen DATETIME,
        last_seen DATETIME,
        is_active BOOLEAN DEFAULT 1
    )
"""


def awkward_rows() -> list[dict[str, Any]]:
    """Return what its databases really hold: all forms of times, values it should have refused, missing ones."""
    hue = {"device_id": "hue:00:17:88:01-02-0402", "device_type": "hue_sensor", "location": "Utility"}
    air = {"device_id": "alexa:GAJ1", "device_type": "alexa_aqm", "location": "Hall", "voc_ppb": 41.0, "iaq_score": 88}
    return [
        hue | {"id": 3, "timestamp": "2025-11-18T14:30:00.123456+00:00", "temperature_celsius": 20.29, "name": "Mr. X"},
        hue | {"id": 4, "timestamp": "2025-11-18T14:35:00+00:00", "temperature_celsius": -127.0, "is_anomalous": None},
        hue | {"id": 9, "timestamp": "2025-11-18 14:40:00", "temperature_celsius": 0, "battery_level": 45.5},
        air | {"id": 10, "timestamp": "2025-11-18T15:30:00.5", "temperature_celsius": 21.0, "created_at": None},
        air | {"id": 11, "timestamp": "2025-11-18T15:35:00", "temperature_celsius": 21.5, "device_type": "amazon_aqm"},
        hue | {"id": 12, "timestamp": "2025-11-18T14:45:00+01:00", "temperature_celsius": "warm", "voc_ppb": 7.0},
        hue | {"id": 40, "timestamp": "2025-11-18T14:50:00+01:00", "temperature_celsius": 19.0, "humidity_percent": 140,
               "is_anomalous": 1, "raw_response": '{"name": "ä\'"}', 'my "own" note': "window open"},
    ]


def many_rows(count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        minute = f"2025-11-{1 + n // 1440 % 28:02}T{n // 60 % 24:02}:{n % 60:02}"
        yield {"id": 1 + n + n // 7, "timestamp": f"{minute}:00.{n:06}+00:00", "device_id": f"hue:{n % 5}",
               "device_type": "hue_sensor", "location": "Hall", "temperature_celsius": 15 + n % 900 / 100,
               "raw_response": "x" * 60}


def leave(path: Path, rows: Iterable[dict[str, Any]], shape: str = NEWEST, *more: str) -> list[dict[str, Any]]:
    """Write a database of that shape, in WAL mode, with six indexes; return its rows as a reader of then saw them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in (shape, *(f"CREATE INDEX idx_{n} ON readings ({of})" for n, of in enumerate(INDEXES)), *more):
            connection.execute(statement)
        columns = {row[1]: row[3] for row in connection.execute("PRAGMA table_info(readings)")}
        for row in rows:
            kept = {name: row[name] for name in row if name in columns and not (row[name] is None and columns[name])}
            names = ", ".join('"' + name.replace('"', '""') + '"' for name in kept)
            connection.execute(f"INSERT INTO readings ({names}) VALUES ({', '.join('?' * len(kept))})",
                               tuple(kept.values()))
        connection.commit()
        return [dict(row) for row in connection.execute("SELECT * FROM readings ORDER BY id")]
