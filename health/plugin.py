"""Does a source or a destination answer, and does a publisher publish? One request by the plug-in's `probe`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from collectors import CollectorSettings
from health.finding import Finding, Findings, failure
from health.setup import Installation
from jobs import cooldown
from publishers import PUBLISHED_AT, PublisherSettings, Run
from runtime.commands import command
from runtime.errors import HomeMonitorError, Questionable, RemoteError, Throttled
from runtime.formats import parse_time
from runtime.retry import retry_policy
from storage.state import State

if TYPE_CHECKING:
    from runtime.http_client import HttpClient

LATE = timedelta(hours=1)  # since a publisher's last success
REPORTING_SECONDS = 0.5  # of a source's time are left to report the outcome


def check(name: str, installation: Installation) -> Findings:
    configuration = installation.configuration
    is_publisher = name in installation.plugins.publishers
    key = f"publishers.{name}" if is_publisher else f"collectors.{name}"
    settings: Mapping[str, CollectorSettings | PublisherSettings] = (
        configuration.publishers if is_publisher else configuration.collectors)
    if name not in settings:
        yield Finding("skipped", f"{configuration.path} cannot be read, so that {name} may be disabled")
    elif problems := installation.problems(key):
        yield Finding("fail", "; ".join(problems), f"correct {configuration.path}")
    elif not settings[name].enabled:
        yield Finding("skipped", f"disabled: {key}.enabled is false in {configuration.path}")
    else:
        state = State(configuration.data / f"{name}.session.json")
        if is_publisher:
            yield _last_success(name, state, installation)
        if not installation.request.is_offline:
            yield f"asking {name}"
            yield _ask_destination(name, state, installation) if is_publisher else _ask_source(name, state, installation)


def _last_success(name: str, state: State, installation: Installation) -> Finding:
    publish = command(f"publishers.{name}")
    try:
        text = state.text(PUBLISHED_AT) or ""
        age = installation.request.now - parse_time(text)
    except ValueError:
        return Finding("warn", "nothing has been published yet", publish)
    if age > LATE:
        return Finding("warn", f"nothing has been published since {text}",
                       f"see with crontab -l whether it is started; run it by hand: {publish}")
    return Finding("pass", f"last published at {text}")


def _ask_destination(name: str, state: State, installation: Installation) -> Finding:
    again = f"wait until it has recovered, then: {command('healthcheck.py', '--only', name)}"
    request, deadline = installation.request, installation.request.deadline.earlier(REPORTING_SECONDS)
    retry = retry_policy(installation.configuration.retry).using(deadline=deadline)

    def open_http() -> "HttpClient":
        from runtime.http_client import HttpClient  # imports requests, which --offline does not need
        return HttpClient(deadline, retry, installation.redact.learn)

    try:
        return Finding("pass", installation.plugins.publishers[name].probe(
            installation.configuration.publishers[name], installation.secrets.sections.get(name), state,
            Run(request.now, deadline, retry, open_http, lambda name, subject, error: None)))
    except HomeMonitorError as error:
        return failure("fail", error, again)
    except OSError as error:
        return Finding("fail", f"{name} cannot be reached: {type(error).__name__}: {error}", again)


def _ask_source(name: str, state: State, installation: Installation) -> Finding:
    """A source in a pause, or one that refuses us, is not asked again unless --only names it. Nothing is kept."""
    from runtime.http_client import HttpClient  # imports requests, which --offline does not need
    configuration, secrets, request = installation.configuration, installation.secrets, installation.request
    again = command("healthcheck.py", "--only", name)
    pause = None if name in request.only else cooldown.active(state, request.now, secrets.path, configuration.path)
    try:
        if pause is not None:
            raise pause
        with HttpClient(request.deadline.earlier(REPORTING_SECONDS), retry_policy(configuration.retry),
                        installation.redact.learn) as http:
            return Finding("pass", installation.plugins.collectors[name].probe(
                configuration.collectors[name], secrets.sections.get(name), http, state))
    except Throttled as error:
        return failure("warn", error, f"wait; to ask at once: {again}")
    except Questionable as error:
        return failure("warn", error, f"then: {again}")
    except RemoteError as error:
        when = "" if pause is None else ", as of the last request"
        return Finding("fail", f"{error}{when}", error.remedy or f"wait until it has recovered, then: {again}")
