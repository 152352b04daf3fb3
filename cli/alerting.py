"""What `devices.py alert --test` does."""

from functools import partial

import config
from cli.context import CommandContext
from jobs import alerts
from jobs.delivery import NOTIFIER_SECONDS
from jobs.job import catch_all
from notifiers import Message
from runtime.deadline import Deadline
from runtime.errors import ConfigurationError, StorageError, describe
from runtime.files import drop_to_owner
from runtime.plugins import settings_types
from runtime.redaction import Redactor

TEXT = "This is a test: an alert of the home monitor would reach you in this way. Nothing needs to be done.\n"


def send_test(command: CommandContext) -> int:
    """Send one message by each notifier, and print what became of it. Return the exit code."""
    settings = command.configuration
    secrets, error = config.survey_secrets(settings.secrets_path, {}, partial(settings_types, "notifiers"))
    if error is not None:
        raise error
    wrong = secrets.notifier_error
    if not secrets.notifiers:
        raise wrong or ConfigurationError(secrets.path, ["no notifier is configured"],
                                          f"add the section email to {secrets.path}, as in config/secrets.yaml.example")
    drop_to_owner(settings.data)
    command.redact = Redactor(secrets.values, secrets.logins)
    count = sum(map(len, secrets.notifiers.values()))
    delivery = alerts.delivery(settings, secrets.notifiers, command.now, command.redact,
                               Deadline(NOTIFIER_SECONDS * count), catch_all)
    message = Message("test", "", "Home monitor: a test, nothing needs to be done", TEXT)
    for target in delivery.targets:
        is_sent = delivery.send(target, message)
        command.say(f"{target.label}: " + ("sent" if is_sent else _failure(delivery.errors[target.label])))
    try:
        with delivery.memory():
            pass
    except (StorageError, OSError) as error:
        command.say(f"This result cannot be saved: {error}", is_answer=False)
    if wrong is not None:
        command.problems.report(wrong)
    return 2 if wrong else int(any(delivery.errors.values()))


def _failure(error: Exception | None) -> str:
    return f"not sent: {describe(error)}" if error else "not sent"
