"""Is a publisher up to date, and does its destination answer? Asked through the publisher's `probe`."""

from datetime import timedelta

from health.finding import Finding, Findings, failure
from health.installation import Installation
from runtime.errors import HomeMonitorError
from runtime.formats import parse_time
from storage.state import State

LATE = timedelta(hours=1)  # since the last success


def check(name: str, installation: Installation) -> Findings:
    """Yield when it last published, and what one request to the destination came to unless --offline is given."""
    configuration = installation.configuration
    if problems := installation.problems(f"publishers.{name}"):
        yield Finding("fail", "; ".join(problems), f"correct {configuration.path}")
    elif not configuration.publishers[name].enabled:
        yield Finding("skipped", f"disabled: publishers.{name}.enabled is false in {configuration.path}")
    else:
        state = State(configuration.data / f"{name}.session.json")
        yield _last_success(name, state, installation)
        if not installation.request.is_offline:
            yield f"asking {name}"
            yield _answer(name, state, installation)


def _last_success(name: str, state: State, installation: Installation) -> Finding:
    command = f"python -m publishers.{name}"
    try:
        text = state.text("published_at") or ""
        age = installation.request.now - parse_time(text)
    except ValueError:
        return Finding("warn", "nothing has been published yet", command)
    if age > LATE:
        return Finding("warn", f"nothing has been published since {text}",
                       f"see with crontab -l whether it is started; run it by hand: {command}")
    return Finding("pass", f"last published at {text}")


def _answer(name: str, state: State, installation: Installation) -> Finding:
    again = f"wait until it has recovered, then: python healthcheck.py --only {name}"
    try:
        return Finding("pass", installation.plugins.publishers[name].probe(
            installation.configuration.publishers[name], installation.secrets.sections.get(name), state))
    except HomeMonitorError as error:
        return failure("fail", error, again)
    except OSError as error:
        return Finding("fail", f"{name} cannot be reached: {type(error).__name__}: {error}", again)
