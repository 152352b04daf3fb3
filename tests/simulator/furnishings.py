"""The sections of a bridge's full configuration that are not about sensors: lights, rooms, scenes, rules and others.

They are there for their weight only. Numbers and sizes of the entries are those of recorded configurations: a bridge
holds 50 lights at most, and grows by about three kilobytes of rooms, scenes and rules with every motion sensor.
"""

from typing import Any

from tests.simulator.house import House

LIGHTS_PER_ROOM = 3
LIGHTS_AT_MOST = 50
DETAIL = {"address": "/groups/1/action", "method": "PUT", "body": {"on": True}}
DETAIL_BYTES = 65
# The section, entries per room, bytes per entry. A wake-up schedule is in every fourth room only.
SECTIONS = (("groups", 1.0, 245), ("schedules", 0.25, 290), ("scenes", 2.0, 290), ("rules", 4.0, 510),
            ("resourcelinks", 1.0, 230))


def furnish(house: House, owner: str) -> dict[str, dict[str, Any]]:
    """Return all sections but sensors and config; `owner` is the key of the app that made scenes and rules."""
    lights = min(LIGHTS_PER_ROOM * len(house.rooms), LIGHTS_AT_MOST)
    sections = {"lights": {str(number): _entry(f"Light {number}", owner, 880) for number in range(1, lights + 1)}}
    for name, per_room, size in SECTIONS:
        count = max(1, round(per_room * len(house.rooms)))
        sections[name] = {str(number): _entry(f"{name} {number}", owner, size) for number in range(1, count + 1)}
    return sections


def _entry(name: str, owner: str, size: int) -> dict[str, Any]:
    return {"name": name, "owner": owner, "created": "2024-12-24T17:01:10", "status": "enabled",
            "details": [DETAIL] * round((size - 145) / DETAIL_BYTES)}
