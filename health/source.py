"""Does a source answer? Asked through its collector's `probe`."""

from health.finding import Finding, Findings, failure
from health.installation import Installation
from jobs import cooldown
from runtime.errors import RemoteError, Throttled
from runtime.http_client import HttpClient
from runtime.retry import retry_policy
from storage.state import State

REPORTING_SECONDS = 0.5  # of a source's time are left to report the outcome


def check(name: str, installation: Installation) -> Findings:
    """Yield what one request to the source came to. Nothing that it learns is kept.

    A source in a pause, or one that refuses us, is not asked again unless --only names it.
    """
    configuration = installation.configuration
    if name not in configuration.collectors:
        yield Finding("skipped", f"{configuration.path} cannot be read, so that {name} may be disabled")
    elif problems := installation.problems(f"collectors.{name}"):
        yield Finding("fail", "; ".join(problems), f"correct {configuration.path}")
    elif name not in installation.enabled:
        yield Finding("skipped", f"disabled: collectors.{name}.enabled is false in {configuration.path}")
    else:
        yield f"asking {name}"
        yield _answer(name, installation)


def _answer(name: str, installation: Installation) -> Finding:
    configuration, secrets, request = installation.configuration, installation.secrets, installation.request
    state = State(configuration.data / f"{name}.session.json")
    again = f"python healthcheck.py --only {name}"
    pause = None if name in request.only else cooldown.active(state, request.now, secrets.path, configuration.path)
    try:
        if pause is not None:
            raise pause
        http = HttpClient(request.deadline.earlier(REPORTING_SECONDS), retry_policy(configuration.retry),
                          installation.redact.learn)
        with http:
            return Finding("pass", installation.plugins.collectors[name].probe(
                configuration.collectors[name], secrets.sections.get(name), http, state))
    except Throttled as error:
        return failure("warn", error, f"wait; to ask at once: {again}")
    except RemoteError as error:
        when = "" if pause is None else ", as of the last request"
        return Finding("fail", f"{error}{when}", error.remedy or f"wait until it has recovered, then: {again}")
