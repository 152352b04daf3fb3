"""How a test asks the simulated cloud, without the product: as the phone app would, following no redirect."""

from typing import Any

import requests

from tests.simulator.server import Simulator

Entry = dict[str, Any]
NAMES = "endpointId: id friendlyNameObject { value { text } }"
STATE = """query getEndpointState($endpointIds: [String!] = []) {
  listEndpoints(listEndpointsInput: {latencyTolerance: LOW, endpointIds: $endpointIds, includeHouseholdDevices: true}) {
    completeResult
    endpoints { %s features { name instance
      properties { name type accuracy error { type message } __typename
        ... on Reachability { reachabilityStatusValue timeOfSample }
        ... on TemperatureSensor { value { value scale } timeOfSample }
        ... on RangeValue { rangeValue { value } timeOfSample } }
      configuration { ... on RangeConfiguration { friendlyName { value { text assetId } } } } } } } }""" % NAMES
DISCOVERY = """{ listEndpoints(listEndpointsInput: {displayCategory: "AIR_QUALITY_MONITOR"}) { completeResult
  endpoints { %s manufacturer { value { text } } serialNumber { value { text } } } } }""" % NAMES
GROUPS = """query { listDeviceGroups {
  deviceGroups { id friendlyName { value { text } } memberDevices { items { id } } } } }"""


def exchange(simulator: Simulator, site: str = "amazon.co.uk", token: str | None = None, **changes: str
             ) -> requests.Response:
    """Ask for cookies with the account's present token, or another; `changes` replace fields of the form."""
    form = {"app_name": "Amazon Alexa", "requested_token_type": "auth_cookies", "source_token_type": "refresh_token",
            "source_token": token or simulator.alexa.refresh_token, "domain": f".{site}", **changes}
    return requests.post(f"{simulator.cloud_url}/ap/exchangetoken/cookies", form, timeout=5,
                         headers={"x-amzn-identity-auth-domain": f"api.{site}"})


def cookies(simulator: Simulator, site: str = "amazon.co.uk") -> dict[str, str]:
    """Return fresh cookies, without the quotes."""
    listed = exchange(simulator, site).json()["response"]["tokens"]["cookies"][f".{site}"]
    return {each["Name"]: each["Value"].strip('"') for each in listed}


def query(simulator: Simulator, asked: Any, sent: dict[str, str] | None = None) -> requests.Response:
    """Post a body to GraphQL with these cookies, or with fresh ones."""
    sent = cookies(simulator) if sent is None else sent
    return requests.post(f"{simulator.cloud_url}/nexus/v1/graphql", json=asked, timeout=5, allow_redirects=False,
                         headers={"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items()),
                                  "User-Agent": "AmazonWebView/AmazonAlexa/2.2.663733.0/iOS/18.5/iPhone"})


def state(simulator: Simulator, *ids: str) -> Entry:
    """Return the whole answer to a question for the state of these ids, or of the first monitor."""
    variables = {"endpointIds": list(ids or [simulator.alexa.endpoint_id])}
    (answer,) = query(simulator, [{"operationName": "getEndpointState", "query": STATE, "variables": variables}]).json()
    assert isinstance(answer, dict)
    return answer


def features(simulator: Simulator) -> dict[str, Entry]:
    """Return the first monitor's features by instance, or by name where they have none; the last of a kind."""
    (endpoint,) = state(simulator)["data"]["listEndpoints"]["endpoints"]
    return {each["instance"] or each["name"]: each for each in endpoint["features"]}


def shown(simulator: Simulator) -> dict[str, Any]:
    """Return the innermost values by instance or name."""
    values = {}
    for name, each in features(simulator).items():
        for found in each["properties"] or ():
            holder = found.get("value", found.get("rangeValue", found.get("reachabilityStatusValue")))
            values[name] = holder["value"] if isinstance(holder, dict) else holder
    return values
