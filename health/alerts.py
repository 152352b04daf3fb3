"""Is an alert active, or could none be raised?"""

from health.finding import Finding, Findings
from health.installation import Installation
from runtime import files
from storage import alert_files


def check(installation: Installation) -> Findings:
    yield "looking for alerts"
    data = installation.configuration.data
    if data.is_dir() and files.is_closed(data):
        yield Finding("fail", f"no alert can be raised in {data} ({files.owner(data)})", files.chown_folder_command(data))
    # In config/ while data/ is not in its place.
    paths = sorted([*data.glob("ALERT_*.txt"), *installation.configuration.path.parent.glob("ALERT_*.txt")])
    for path in paths:
        alert = alert_files.read(path) or {}
        if "error" in alert:
            yield Finding("fail", f"{path.name} since {alert.get('raised_at')}: {alert['error']}",
                          f"{alert.get('remedy')}; the next successful cycle removes the file")
        else:
            yield Finding("fail", f"{path.name} is empty: the disk was full when it was raised",
                          "make room on the disk; the next successful cycle removes or completes the file")
    yield Finding("pass", "" if paths else "no alerts", figures=(f"'alerts'={len(paths)};;0",))
