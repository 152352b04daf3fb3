"""The simulator's own endpoints, for whoever runs it as another process; on the cloud's port, below /simulator.

    POST   /simulator/faults       {"kind": "429", "times": 2, "retry_after": 3, "paths": ["/sensors"]}
    DELETE /simulator/faults       all of them, or {"kind": "429"}
    POST   /simulator/link-button
    POST   /simulator/move         {"stranger": false}
    GET    /simulator/requests     [[method, path, headers], ...]
    POST   /simulator/sign-in      {"url": the sign-in page's} -> {"address": where the browser ends up}
    POST   /simulator/revoke       {"status": 400}, the refresh token
    POST   /simulator/new-refresh-token, /simulator/expire-cookies
    GET    /simulator/counts       what the cloud was asked for how often

Times (`start`, `end`) are ISO 8601 with an offset. Nothing asked here counts as a request to the bridge.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulator.alexa import Alexa
from tests.simulator.messages import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulator.server import Simulator


def control(simulator: "Simulator", request: Request) -> Answer:
    """Given a request below /simulator, do it; what cannot be understood is answered with 400 and the reason."""
    try:
        wishes = json.loads(request.body or b"{}")
        return _obey(simulator, request.method, request.path.removeprefix("/simulator"), wishes)
    except (ValueError, TypeError, AttributeError) as error:
        return json_answer({"error": str(error)}, 400)


def _obey(simulator: "Simulator", method: str, wish: str, wishes: dict[str, Any]) -> Answer:
    if (method, wish) == ("GET", "/requests"):
        return json_answer(simulator.requests)
    if (method, wish) == ("POST", "/faults"):
        wishes.update({name: datetime.fromisoformat(wishes[name]) for name in ("start", "end") if name in wishes})
        simulator.faults.add(**wishes)
    elif (method, wish) == ("DELETE", "/faults"):
        simulator.faults.clear(**wishes)
    elif (method, wish) == ("POST", "/link-button"):
        simulator.press_link_button()
    elif (method, wish) == ("POST", "/move"):
        simulator.move(**wishes)
    else:
        return _obey_about_alexa(simulator.alexa, method, wish, wishes)
    return json_answer({"http_url": simulator.http_url, "discovery_url": simulator.discovery_url})


def _obey_about_alexa(alexa: Alexa, method: str, wish: str, wishes: dict[str, Any]) -> Answer:
    if (method, wish) == ("GET", "/counts"):
        return json_answer(alexa.counts)
    if (method, wish) == ("POST", "/sign-in"):
        return json_answer({"address": alexa.sign_in(**wishes)})
    if (method, wish) == ("POST", "/new-refresh-token"):
        alexa.new_refresh_token()
    elif (method, wish) == ("POST", "/revoke"):
        alexa.revoke(**wishes)
    elif (method, wish) == ("POST", "/expire-cookies"):
        alexa.expire_cookies()
    else:
        return json_answer({"error": f"there is no {method} /simulator{wish}"}, 404)
    return json_answer({"refresh_token": alexa.refresh_token})
