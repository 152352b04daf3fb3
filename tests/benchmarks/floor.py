"""The floor: the shortest script that fetches, parses and stores the same: `floor.py CONFIG SECRETS DATABASE`."""

import sqlite3
import sys

import requests
import yaml

config, secrets = (yaml.load(open(path), yaml.CSafeLoader) for path in sys.argv[1:3])
bridge, key = config["collectors"]["hue"]["bridge_ip"], secrets["hue"]["api_key"]
sensors = requests.get(f"{bridge}/api/{key}/sensors", timeout=10, verify=False).json().values()
database = sqlite3.connect(sys.argv[3])
database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
database.execute("CREATE TABLE IF NOT EXISTS readings (at TEXT, id TEXT, celsius REAL, battery REAL, UNIQUE (id, at))")
database.executemany("INSERT INTO readings VALUES (strftime('%Y-%m-%dT%H:%M:%f'), ?, ?, ?)", [
    (sensor["uniqueid"], sensor["state"]["temperature"] / 100, sensor["config"]["battery"])
    for sensor in sensors if sensor["type"] == "ZLLTemperature"])
database.commit()
database.close()
