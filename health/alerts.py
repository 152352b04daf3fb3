"""Is an alert active, could none be raised, or did a notifier fail?"""

from health.finding import Finding, Findings
from health.setup import Installation
from jobs.delivery import FAILED, entries
from runtime import files
from runtime.commands import command
from storage import alert_files
from storage.state import NOTIFICATIONS, State


def check(installation: Installation) -> Findings:
    yield "looking for alerts"
    data = installation.configuration.data
    if data.is_dir() and files.is_closed(data):
        yield Finding("fail", f"no alert can be raised in {data} ({files.owner(data)})", files.chown_folder_command(data))
    paths = sorted([*data.glob("ALERT_*.txt"), *installation.configuration.path.parent.glob("ALERT_*.txt")])
    for path in paths:
        alert = alert_files.read(path) or {}
        if "error" in alert:
            yield Finding("fail", f"{path.name} since {alert.get('raised_at')}: {alert['error']}",
                          f"{alert.get('remedy')}; the next successful cycle removes the file")
        else:
            yield Finding("fail", f"{path.name} is empty: the disk was full when it was raised",
                          "delete what is not needed on the disk; the next successful cycle removes or completes the file")
    for label, failed in entries(State(data / NOTIFICATIONS), FAILED).items():
        if label.partition("[")[0] in installation.secrets.notifiers:
            yield Finding("warn", f"{label} could not deliver a message at {failed.get('at')}: {failed.get('error')}",
                          f"correct its section in secrets.yaml, then: {command('devices.py', 'alert', '--test')}")
    yield Finding("pass", "" if paths else "no alerts", figures=(f"'alerts'={len(paths)};;0",))
