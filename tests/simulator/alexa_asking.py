"""How a test asks the simulated cloud: with the product's operations, without its client, following no redirects."""

from typing import Any

import requests

from collectors.amazon_aqm.queries import LABELS, state_operation
from tests.simulator.server import Simulator

Entry = dict[str, Any]


def exchange(simulator: Simulator, site: str = "amazon.co.uk", token: str | None = None, **changes: str
             ) -> requests.Response:
    """Ask for cookies with the account's present token, or another; `changes` replace fields of the form."""
    form = {"app_name": "Amazon Alexa", "requested_token_type": "auth_cookies", "source_token_type": "refresh_token",
            "source_token": token or simulator.alexa.refresh_token, "domain": f".{site}", **changes}
    return requests.post(f"{simulator.cloud_url}/ap/exchangetoken/cookies", form, timeout=5,
                         headers={"x-amzn-identity-auth-domain": f"api.{site}"})


def cookies(simulator: Simulator, site: str = "amazon.co.uk") -> dict[str, str]:
    listed = exchange(simulator, site).json()["response"]["tokens"]["cookies"][f".{site}"]
    return {cookie["Name"]: cookie["Value"].strip('"') for cookie in listed}


def query(simulator: Simulator, body: Any, sent: dict[str, str] | None = None) -> requests.Response:
    """Post a body to GraphQL with these cookies, or with fresh ones."""
    sent = cookies(simulator) if sent is None else sent
    return requests.post(f"{simulator.cloud_url}/nexus/v1/graphql", json=body, timeout=5, allow_redirects=False,
                         headers={"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items())})


def endpoints(simulator: Simulator, *ids: str, labels: str = LABELS[0]) -> list[Entry]:
    """Return the state of the endpoints with these ids, or of all monitors."""
    ids = ids or tuple(f"amzn1.alexa.endpoint.{monitor.uuid}" for monitor in simulator.house.monitors)
    answer = query(simulator, state_operation(ids, labels)).json()
    found: list[Entry] = answer["data"]["listEndpoints"]["endpoints"]
    return found
