"""The floor: the least script that fetches, parses and stores the same: `floor.py CONFIG SECRETS DATABASE`."""

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
    (each["uniqueid"], each["state"]["temperature"] / 100, each["config"]["battery"])
    for each in sensors if each["type"] == "ZLLTemperature"])
database.commit()
database.close()
