"""Endpoints that control a simulator running as another process; on the cloud's port, below /simulator.

    POST   /simulator/faults       {"kind": "429", "times": 2, "retry_after": 3, "paths": ["/sensors"]}
    DELETE /simulator/faults       all of them, or {"kind": "429"}
    POST   /simulator/link-button
    POST   /simulator/sign-in      {"url": the sign-in page's} -> {"address": where the browser ends up}
    POST   /simulator/revoke       {"status": 400}, the refresh token
    POST   /simulator/new-refresh-token, /simulator/expire-cookies
    GET    /simulator/counts       requests to the cloud, by kind

Times (`start`, `end`) are ISO 8601 with an offset.
"""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.simulator.alexa import Alexa
from tests.simulator.messages import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.simulator.server import Simulator


def control(simulator: "Simulator", request: Request) -> Answer:
    """Carry out a request below /simulator; answer 400 with the reason if it makes no sense."""
    try:
        options = json.loads(request.body or b"{}")
        return _control(simulator, request.method, request.path.removeprefix("/simulator"), options)
    except (ValueError, TypeError, AttributeError) as error:
        return json_answer({"error": str(error)}, 400)


def _control(simulator: "Simulator", method: str, command: str, options: dict[str, Any]) -> Answer:
    if (method, command) == ("POST", "/faults"):
        options.update({name: datetime.fromisoformat(options[name]) for name in ("start", "end") if name in options})
        simulator.faults.add(**options)
    elif (method, command) == ("DELETE", "/faults"):
        simulator.faults.clear(**options)
    elif (method, command) == ("POST", "/link-button"):
        simulator.press_link_button()
    else:
        return _control_alexa(simulator.alexa, method, command, options)
    return json_answer({"http_url": simulator.http_url, "discovery_url": simulator.discovery_url})


def _control_alexa(alexa: Alexa, method: str, command: str, options: dict[str, Any]) -> Answer:
    if (method, command) == ("GET", "/counts"):
        return json_answer(alexa.counts)
    if (method, command) == ("POST", "/sign-in"):
        return json_answer({"address": alexa.sign_in(**options)})
    if (method, command) == ("POST", "/new-refresh-token"):
        alexa.new_refresh_token()
    elif (method, command) == ("POST", "/revoke"):
        alexa.revoke(**options)
    elif (method, command) == ("POST", "/expire-cookies"):
        alexa.expire_cookies()
    else:
        return json_answer({"error": f"there is no {method} /simulator{command}"}, 404)
    return json_answer({"refresh_token": alexa.refresh_token})
