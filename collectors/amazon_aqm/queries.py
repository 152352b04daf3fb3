"""What is asked of the Alexa cloud, in GraphQL, and how its answers are taken apart.

The queries are those of the Alexa app, as aioamazondevices (const/queries.py, 2026-08) and the app's own recordings in
m0nkmaster/alexa-mcp have them. A list of operations is answered by a list, one alone by an object.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from runtime.formats import TEXT_LIMIT, one_line

Part = dict[str, Any]

# What the values are called, in the words of a query; some of it may be unknown to the cloud, then less is asked for.
LABELS = tuple(f"configuration {{ __typename ... on RangeConfiguration {{ friendlyName {{ value {{ {each} }} }} }} }}"
               for each in ("text assetId", "text")) + ("",)
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


def state(endpoint_ids: Sequence[str], labels: str) -> Part:
    """Return the operation that asks what these endpoints measure, with one of LABELS."""
    return {"operationName": "getEndpointState", "variables": {"endpointIds": list(endpoint_ids)},
            "query": STATE % labels}


def monitors() -> Part:
    """Return the operation that asks which air quality monitors there are."""
    return {"operationName": "getAirQualityMonitors", "variables": {}, "query": MONITORS}


def groups() -> Part:
    """Return the operation that asks for the groups, which is what Alexa calls rooms."""
    return {"operationName": "getDeviceGroups", "variables": {}, "query": GROUPS}


def answers(document: object) -> list[Part]:
    """Return the answer to each operation, those that are no object left out."""
    return [each for each in (document if isinstance(document, list) else [document]) if isinstance(each, dict)]


def parts(document: object, name: str) -> list[Part]:
    """Return what each operation answered under the name of its field, nulls left out."""
    found = (part(answer, "data").get(name) for answer in answers(document))
    return [each for each in found if isinstance(each, dict)]


def part(value: object, name: str) -> Part:
    """Return an object within an object; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def objects(value: object, name: str) -> Iterator[Part]:
    """Yield the objects of a list within an object."""
    inner = value.get(name) if isinstance(value, dict) else None
    yield from (each for each in (inner if isinstance(inner, list) else []) if isinstance(each, dict))


def brief(said: object) -> str | None:
    """Return what the cloud says of an error, if that is short: cut in two, a secret in it would pass the mask."""
    return one_line(said) if isinstance(said, str) and len(said) <= TEXT_LIMIT else None


def text(value: object, name: str) -> object:
    """Return the text of `{name: {value: {text: ...}}}`, the form that all names have; it may be anything."""
    return part(part(value, name), "value").get("text")
