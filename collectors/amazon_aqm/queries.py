"""GraphQL queries for the Alexa cloud, and access to the parts of its answers.

The queries are the Alexa app's, from aioamazondevices (const/queries.py, 2026-08) and the recordings in
m0nkmaster/alexa-mcp. A list of operations is answered by a list, a single one by an object.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from runtime.formats import TEXT_LIMIT, one_line

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
        name
        instance
        %s
        properties {
          name
          type
          accuracy
          error { type message }
          __typename
          ... on Reachability { reachabilityStatusValue timeOfSample }
          ... on TemperatureSensor { value { value scale } timeOfSample }
          ... on RangeValue { rangeValue { value } timeOfSample }
        }
      }
    }
  }
}
"""
MONITORS = """
query getAirQualityMonitors {
  listEndpoints(listEndpointsInput: {displayCategory: "AIR_QUALITY_MONITOR", includeHouseholdDevices: true}) {
    completeResult
    endpoints {
      endpointId: id
      friendlyNameObject { value { text } }
      manufacturer { value { text } }
      model { value { text } }
      serialNumber { value { text } }
    }
  }
}
"""
GROUPS = """
query getDeviceGroups {
  listDeviceGroups { deviceGroups { id friendlyName { value { text } } memberDevices { items { id } } } }
}
"""


def state_operation(endpoint_ids: Sequence[str], labels: str) -> Part:
    """Return the operation for the values of these endpoints, with one of LABELS."""
    return {"operationName": "getEndpointState", "variables": {"endpointIds": list(endpoint_ids)},
            "query": STATE % labels}


def monitors_operation() -> Part:
    """Return the operation for the list of air quality monitors."""
    return {"operationName": "getAirQualityMonitors", "variables": {}, "query": MONITORS}


def groups_operation() -> Part:
    """Return the operation for the groups, which is what Alexa calls rooms."""
    return {"operationName": "getDeviceGroups", "variables": {}, "query": GROUPS}


def answers(document: object) -> list[Part]:
    """Return the answer to each operation, ignoring anything but objects."""
    return [answer for answer in (document if isinstance(document, list) else [document]) if isinstance(answer, dict)]


def parts(document: object, name: str) -> list[Part]:
    """Return the object that each operation answered in the field `name`, ignoring nulls."""
    values = (part(answer, "data").get(name) for answer in answers(document))
    return [value for value in values if isinstance(value, dict)]


def part(value: object, name: str) -> Part:
    """Return an object within an object, an empty one by default."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def objects(value: object, name: str) -> Iterator[Part]:
    """Yield the objects of a list within an object."""
    inner = value.get(name) if isinstance(value, dict) else None
    yield from (item for item in (inner if isinstance(inner, list) else []) if isinstance(item, dict))


def short_message(message: object) -> str | None:
    """Return an error message of the cloud if it is short: a secret cut in two would escape redaction."""
    return one_line(message) if isinstance(message, str) and len(message) <= TEXT_LIMIT else None


def text(value: object, name: str) -> object:
    """Return the text of `{name: {value: {text: ...}}}`, the form of all names; it may be of any type."""
    return part(part(value, name), "value").get("text")
