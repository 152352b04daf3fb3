"""What else a bridge knows and a thermometer's reader never needs: lights, rooms, scenes, rules, schedules, links.

Only here to give the full configuration its true weight: a bridge holds 50 lights at most, and grows about three
kilobytes of rooms, scenes and rules with every motion sensor.
"""

from typing import Any

from tests.simulator.house import House, chance

LIGHTS_PER_ROOM = 3
LIGHTS_AT_MOST = 50
Entries = dict[str, dict[str, Any]]


def furnish(house: House, owner: str) -> dict[str, Entries]:
    """Given the house and the key that owns its scenes and rules, return all the sections but sensors and config."""
    lights = _lights(house)
    return {"lights": lights, "groups": _groups(house, lights), "schedules": _schedules(house, owner),
            "scenes": _scenes(house, owner), "rules": _rules(house, owner), "resourcelinks": _links(house, owner)}


def _lights(house: House) -> Entries:
    rooms = [room for room in house.rooms for _ in range(LIGHTS_PER_ROOM)][:LIGHTS_AT_MOST]
    return {str(number): _light(house, number, room) for number, room in enumerate(rooms, 1)}


def _light(house: House, number: int, room: str) -> dict[str, Any]:
    colour = {"colormode": "ct", "ct": 366, "hue": 8402, "sat": 140, "xy": [0.4575, 0.4099], "effect": "none"}
    gamut = [[0.6915, 0.3083], [0.1700, 0.7000], [0.1532, 0.0475]]
    return {
        "state": {"on": chance(house.seed, room, number) < 0.3, "bri": 254, **colour, "alert": "select",
                  "mode": "homeautomation", "reachable": True},
        "swupdate": {"state": "noupdates", "lastinstall": "2025-03-02T10:12:31"}, "type": "Extended color light",
        "name": f"{room} {number}", "modelid": "LCA001", "manufacturername": "Signify Netherlands B.V.",
        "productname": "Hue color lamp",
        "capabilities": {"certified": True, "streaming": {"renderer": True, "proxy": True}, "control": {
            "mindimlevel": 200, "maxlumen": 800, "colorgamuttype": "C", "colorgamut": gamut,
            "ct": {"min": 153, "max": 500}}},
        "config": {"archetype": "sultanbulb", "function": "mixed", "direction": "omnidirectional",
                   "startup": {"mode": "safety", "configured": True}},
        "uniqueid": f"00:17:88:01:04:{number:02x}:8c:3a-0b", "swversion": "1.104.2",
        "swconfigid": "9DC82D22", "productid": "Philips-LCA001-5-A19ECLv6"}


def _groups(house: House, lights: Entries) -> Entries:
    state = {"all_on": False, "any_on": False}
    return {str(number): {
        "name": room, "lights": [each for each in lights if (int(each) - 1) // LIGHTS_PER_ROOM == number - 1],
        "sensors": [], "type": "Room", "state": state, "recycle": False, "class": "Other",
        "action": {"on": False, "bri": 254, "ct": 366, "xy": [0.4575, 0.4099], "alert": "select", "colormode": "ct"},
    } for number, room in enumerate(house.rooms, 1)}


def _scenes(house: House, owner: str) -> Entries:
    scenes: Entries = {}
    for number, room in enumerate(house.rooms, 1):
        for name in ("Entspannen", "Concentrate"):
            scenes[f"{number:04d}-{name:-<10}"] = {
                "name": f"{name} {room}", "type": "GroupScene", "group": str(number),
                "lights": [str(LIGHTS_PER_ROOM * (number - 1) + light) for light in range(1, 1 + LIGHTS_PER_ROOM)],
                "owner": owner, "recycle": False, "locked": True, "picture": "", "version": 2,
                "appdata": {"version": 1, "data": f"r{number:02d}_d06"}, "lastupdated": "2025-01-04T13:54:49"}
    return scenes


def _rules(house: House, owner: str) -> Entries:
    rules: Entries = {}
    for number in range(1, len(house.rooms) + 1):
        for turn, act in enumerate(("on-dark", "on-bright", "off", "dim"), 1):
            address = f"/sensors/{4 * number}/state"
            rules[str(4 * number + turn)] = {
                "name": f"MotionSensor {number}.{act}", "owner": owner, "created": "2024-12-24T17:01:10",
                "lasttriggered": "none", "timestriggered": 0, "status": "enabled", "recycle": True,
                "conditions": [{"address": f"{address}/presence", "operator": "eq", "value": "true"},
                               {"address": f"{address}/lastupdated", "operator": "ddx", "value": "PT00:10:00"}],
                "actions": [{"address": f"/groups/{number}/action", "method": "PUT", "body": {"scene": f"{turn}"}},
                            {"address": f"/sensors/{4 * number + 3}/state", "method": "PUT", "body": {"status": 1}}]}
    return rules


def _schedules(house: House, owner: str) -> Entries:
    return {str(number): {
        "name": f"Wake up {room}", "description": "", "time": "W124/T06:30:00", "localtime": "W124/T06:30:00",
        "command": {"address": f"/api/{owner}/groups/{number}/action", "method": "PUT", "body": {"on": True}},
        "created": "2024-12-24T17:01:10", "status": "enabled", "recycle": False,
    } for number, room in enumerate(house.rooms[::4], 1)}


def _links(house: House, owner: str) -> Entries:
    return {str(number): {
        "name": f"MotionSensor {number}", "description": f"MotionSensor {number} behavior", "type": "Link",
        "classid": 10020, "owner": owner, "recycle": False,
        "links": [f"/sensors/{4 * number}", f"/groups/{number}", *(f"/rules/{4 * number + turn}" for turn in (1, 2))],
    } for number in range(1, len(house.rooms) + 1)}
