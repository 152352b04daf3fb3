"""The Alexa cloud as the house's air monitors report to it: sign-in, tokens, cookies, and GraphQL.

    POST /ap/exchangetoken/cookies    a refresh token for session cookies
    POST /nexus/v1/graphql            the monitors' state, their discovery, the rooms
    GET  /ap/signin                   the page for the person; POST /auth/register what follows it

One port stands for alexa.<site>, www.<site> and api.amazon.com alike. The interface is Amazon's own and undocumented;
this follows what chemelli74/aioamazondevices, alexapy and mkb79/Audible did in 2026. It opens no socket and reads no
clock. Nothing here controls a device.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from tests.simulator.alexa_answers import endpoint_id
from tests.simulator.alexa_graphql import (
    FORBIDDEN,
    REFUSALS_BY_HTTP,
    Graph,
    parse_operations,
    refuse_operation,
)
from tests.simulator.alexa_login import Desk, refuse, show_sign_in
from tests.simulator.alexa_sessions import SUFFIXES, Session, Sessions, secret
from tests.simulator.faults import Fault
from tests.simulator.house import House
from tests.simulator.messages import Answer, Request, Seen, html_answer, json_answer


class Alexa:
    """One account with the house's monitors. `site` is the country it was made in; another one's list is empty.

    `counts` has the number of requests: exchange, register, sign-in, graphql, and of the last state, discovery, groups.
    `refusal` is how it refuses dead cookies, "forbidden" or one of REFUSALS_BY_HTTP; `scale` CELSIUS or FAHRENHEIT.
    """

    def __init__(self, house: House, site: str = "amazon.co.uk") -> None:
        if site not in SUFFIXES:
            raise ValueError(f"there is no site {site!r}; there are {', '.join(SUFFIXES)}")
        self.house, self.site = house, site
        self.requests: list[Seen] = []
        self.counts: Counter[str] = Counter()
        self.refusal, self.scale = "forbidden", "CELSIUS"
        self._lock = Lock()
        self._access: dict[str, str] = {}  # refresh tokens by access token
        self._sessions = Sessions(house.seed)
        self._desk = Desk(house.seed)
        self.refresh_token = self._sessions.new_token()

    @property
    def serial(self) -> str:
        return self.house.monitors[0].serial

    @property
    def endpoint_id(self) -> str:
        return endpoint_id(self.house.monitors[0])

    def sign_in(self, url: str) -> str:
        """Play the person: given the sign-in page's address, return that of the page where the browser ends up.

        Raise ValueError with all that is wrong with the address.
        """
        return self._desk.sign_in(url)

    def new_refresh_token(self) -> str:
        """Make another token the account's present one and return it; the last one stays as it is."""
        self.refresh_token = self._sessions.new_token()
        return self.refresh_token

    def revoke(self, status: int = 400) -> None:
        """Refuse the present token with 400, 401 or 403 from now on, and the cookies it was exchanged for."""
        self._sessions.revoke(self.refresh_token, status)

    def expire_cookies(self) -> None:
        """Refuse all the cookies there are; new ones can be had."""
        self._sessions.expire()

    def browser_cookies(self, now: datetime) -> dict[str, str]:
        """Return fresh cookies as a browser would show them, name and value."""
        return dict(self._sessions.open(self.refresh_token, self.site, now).cookies)

    def answer(self, request: Request, now: datetime, faults: list[Fault]) -> Answer:
        """Return the answer to a request at a moment, with the faults that alter its content."""
        with self._lock:
            self.requests.append(request.seen())
        match request.method, request.path:
            case "GET", "/ap/signin":
                self._count("sign-in")
                return show_sign_in(request.query)
            case "POST", "/auth/register":
                self._count("register")
                return self._register(request, now)
            case "POST", "/auth/token":
                return self._access_token(request)
            case "POST", "/auth/deregister":
                return self._deregister(request, faults)
            case "POST", "/ap/exchangetoken/cookies":
                self._count("exchange")
                return self._exchange(request, now, faults)
            case "GET", "/api/users/me" | "/api/welcome":
                return self._whose(request, now)
            case "POST", "/nexus/v1/graphql":
                return self._graphql(request, now, faults)
        return html_answer("Not found", 404)

    def _count(self, *asked: str) -> None:
        with self._lock:
            self.counts.update(asked)

    def _register(self, request: Request, now: datetime) -> Answer:
        try:
            wishes = json.loads(request.body)
        except ValueError:
            return refuse("MissingValue")
        refused = self._desk.admit(wishes)
        if refused:
            return refuse(refused)
        site = wishes["cookies"]["domain"].removeprefix(".")
        session = self._sessions.open(self.new_refresh_token(), site, now)
        return json_answer({"response": {"success": _welcome(session, wishes["registration_data"])},
                            "request_id": "simulated"})

    def _access_token(self, request: Request) -> Answer:
        token = parse_qs(request.body.decode(errors="replace")).get("source_token", [""])[0]
        if self._sessions.status(token) != 200:
            return refuse("InvalidToken", self._sessions.status(token))
        self._access[_access_token(token)] = token
        return json_answer({"access_token": _access_token(token), "expires_in": 3600, "token_type": "bearer"})

    def _deregister(self, request: Request, faults: list[Fault]) -> Answer:
        """Revoke the refresh token that the access token is of."""
        token = self._access.get(header(request, "Authorization").removeprefix("Bearer "))
        if token is None or any(fault.kind == "still-registered" for fault in faults):
            return refuse("InvalidToken", 401)
        self._sessions.revoke(token, 400)
        return json_answer({"response": {"success": {}}, "request_id": "simulated"})

    def _exchange(self, request: Request, now: datetime, faults: list[Fault]) -> Answer:
        form = {name: values[0] for name, values in parse_qs(request.body.decode(errors="replace")).items()}
        domain = form.get("domain", "")
        status = max([self._sessions.status(form.get("source_token", "")),
                      *(fault.options["status"] for fault in faults if fault.kind == "token-refused")])
        if status != 200:
            return refuse("InvalidToken", status)
        if not _asks_for_cookies(request, form):
            return refuse("InvalidValue")
        cookies = self._sessions.open(form["source_token"], domain[1:], now).listed()
        return json_answer({"response": {"tokens": _tokens(domain, cookies, faults)}, "request_id": "simulated"})

    def _whose(self, request: Request, now: datetime) -> Answer:
        """Say where the account lives, at any site."""
        if self._sessions.find(header(request, "Cookie"), now) is None:
            return Answer(b"", 401)
        return json_answer({"marketPlaceDomainName": f"https://www.{self.site}", "alexaHostName": f"alexa.{self.site}"})

    def _graphql(self, request: Request, now: datetime, faults: list[Fault]) -> Answer:
        try:
            operations, listed = parse_operations(request.body)
        except ValueError:
            return json_answer({"message": "Bad Request"}, 400)
        self._count("graphql", *(operation.kind for operation in operations))
        session = self._sessions.find(header(request, "Cookie"), now)
        dead = session is None or any(_outdates(fault, session) for fault in faults)
        refusals = [fault.kind for fault in faults if fault.kind in REFUSALS_BY_HTTP] or [self.refusal] * dead
        if refusals and refusals[0] in REFUSALS_BY_HTTP:
            return REFUSALS_BY_HTTP[refusals[0]](self.site)
        graph = Graph(self.house, self.scale, now, faults, abroad=session is not None and session.site != self.site)
        answers = [refuse_operation(each, *FORBIDDEN) if dead else graph.answer(each) for each in operations]
        return json_answer(answers if listed else answers[0])


def _access_token(refresh_token: str) -> str:
    return secret("Atna|SimulatedAccessToken-", refresh_token)


def _welcome(session: Session, device: Mapping[str, str]) -> dict[str, Any]:
    """Return what a registration is answered with: all the tokens, of which one is worth keeping."""
    serial = device["device_serial"]
    return {
        "tokens": {
            "bearer": {"access_token": _access_token(session.token), "expires_in": "3600",
                       "refresh_token": session.token},
            "mac_dms": {"device_private_key": secret("SimulatedPrivateKey-", session.token),
                        "adp_token": secret("{enc:SimulatedAdpToken-", session.token) + "}"},
            "website_cookies": session.listed(),
            "store_authentication_cookie": {"cookie": secret("SimulatedStoreCookie-", session.token)}},
        "extensions": {
            "device_info": {"device_name": device.get("device_name", ""), "device_serial_number": serial,
                            "device_type": device["device_type"]},
            "customer_info": {"account_pool": "Amazon", "user_id": "amzn1.account.SIMULATED", "name": "Sam",
                              "given_name": "Sam", "home_region": "EU"}},
        "customer_id": "amzn1.account.SIMULATED"}


def _asks_for_cookies(request: Request, form: Mapping[str, str]) -> bool:
    site = form.get("domain", "")[1:]
    return (site in SUFFIXES and form["domain"] == f".{site}" and "app_name" in form
            and form.get("requested_token_type") == "auth_cookies" and form.get("source_token_type") == "refresh_token"
            and header(request, "x-amzn-identity-auth-domain") == f"api.{site}")


def _tokens(domain: str, cookies: list[dict[str, Any]], faults: list[Fault]) -> dict[str, Any]:
    """Return what an exchange is answered with; faults take cookies away, or give them to another domain."""
    for fault in faults:
        if fault.kind == "cookieless" and fault.options["names"] is None:
            return {"ttl": 2592000}
        if fault.kind == "cookieless":
            cookies = [each for each in cookies if not each["Name"].startswith(tuple(fault.options["names"]))]
        if fault.kind == "foreign-cookies":
            domain = fault.options["domain"]
    return {"ttl": 2592000, "cookies": {domain: cookies}}


def _outdates(fault: Fault, session: Session) -> bool:
    """Return whether the fault makes cookies of that age expire early."""
    return fault.kind == "cookies-expired" and (fault.start is None or session.issued < fault.start)


def header(request: Request, name: str) -> str:
    """Return a header of the request in any spelling, empty by default."""
    return next((value for each, value in request.headers.items() if each.lower() == name.lower()), "")
