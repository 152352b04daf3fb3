"""GraphQL queries for the Alexa cloud, and access to the parts of its answers.

The queries are the Alexa app's, from aioamazondevices (const/queries.py, 2026-08) and the recordings in
m0nkmaster/alexa-mcp. A list is answered by a list, an object by an object.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from runtime.formats import TEXT_LIMIT, one_line, parse_time

Part = dict[str, Any]

# Query forms for the names of values, fullest first: the cloud may reject some of the fields.
LABELS = tuple(f"configuration {{ __typename ... on RangeConfiguration {{ friendlyName {{ value {{ {fields} }} }} }} }}"
               for fields in ("text assetId", "text")) + ("",)
STATE = """
query getEndpointState($endpointIds: [String]!) {
  listEndpoints(listEndpointsInput: {latencyTolerance: LOW, endpointIds: $endpointIds, includeHouseholdDevices: true}) {
    completeResult
    endpoints {
      endpointId: id
      friendlyNameObject { value { text } }
      features {
        name instance %s
        properties {
          name type accuracy error { type message } __typename
          ... on Reachability { reachabilityStatusValue timeOfSample }
          ... on TemperatureSensor { value { value scale } timeOfSample timeOfLastChange }
          ... on RangeValue { rangeValue { value } timeOfSample timeOfLastChange }
        }
      }
    }
  }
}
"""
DEVICES = """
query %s {
  listEndpoints(listEndpointsInput: {displayCategory: "%s", includeHouseholdDevices: true}) {
    completeResult
    endpoints {
      endpointId: id
      friendlyNameObject { value { text } }
      manufacturer { value { text } }
      model { value { text } }
      serialNumber { value { text } }
      %s
    }
  }
}
"""
GROUPS: Part = {"operationName": "getDeviceGroups", "variables": {}, "query": """
query getDeviceGroups {
  listDeviceGroups { deviceGroups { id friendlyName { value { text } } memberDevices { items { id } } } }
}
"""}


def discovery_operations(include_echo: bool) -> list[Part]:
    """Return an operation for the monitors, and one for the Echo devices: some have a thermometer among their features."""
    kinds = [("getAirQualityMonitors", "AIR_QUALITY_MONITOR", "")]
    kinds += [("getEchoDevices", "ALEXA_VOICE_ENABLED", "features { name }")] if include_echo else []
    return [{"operationName": kind[0], "variables": {}, "query": DEVICES % kind} for kind in kinds]


def state_operation(endpoint_ids: Sequence[str], labels: str) -> Part:
    return {"operationName": "getEndpointState", "variables": {"endpointIds": list(endpoint_ids)},
            "query": STATE % labels}


def answers(document: object) -> list[Part]:
    return [answer for answer in (document if isinstance(document, list) else [document]) if isinstance(answer, dict)]


def parts(document: object, name: str) -> list[Part]:
    """Return the objects that the operations answered in the field `name`."""
    values = (part(answer, "data").get(name) for answer in answers(document))
    return [value for value in values if isinstance(value, dict)]


def part(value: object, name: str) -> Part:
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def objects(value: object, name: str) -> Iterator[Part]:
    inner = value.get(name) if isinstance(value, dict) else None
    yield from (item for item in (inner if isinstance(inner, list) else []) if isinstance(item, dict))


def short_message(message: object) -> str | None:
    """Return a message if it is short: a secret cut in two would escape redaction."""
    return one_line(message) if isinstance(message, str) and len(message) <= TEXT_LIMIT else None


def text(value: object, name: str) -> object:
    """Return the text of `{name: {value: {text: ...}}}`, the form of all names."""
    return part(part(value, name), "value").get("text")


def moment(text: object) -> datetime | None:
    """Return a time in whole seconds, None if it cannot be parsed."""
    try:
        return parse_time(text if isinstance(text, str) else "").replace(microsecond=0)
    except ValueError:
        return None
