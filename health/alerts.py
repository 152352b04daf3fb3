"""Is an alert active, or could none be raised?"""

from pathlib import Path

from health.finding import Finding, Findings
from health.installation import Installation
from runtime import files
from storage import alert_files


def check(installation: Installation) -> Findings:
    yield "looking for alerts"
    data = installation.configuration.data
    if data.is_dir() and files.is_closed(data):
        yield Finding("fail", f"no alert can be raised in {data} ({files.owner(data)})", files.chown_folder_command(data))
    paths = sorted(data.glob("ALERT_*.txt"))
    for path in paths:
        yield _alert(path)
    yield Finding("pass", "" if paths else "no alerts", figures=(f"'alerts'={len(paths)};;0",))


def _alert(path: Path) -> Finding:
    alert = alert_files.read(path) or {}
    if "error" not in alert:
        return Finding("fail", f"{path.name} is empty: the disk was full when it was raised",
                       "make room on the disk; the next successful cycle removes or completes the file")
    return Finding("fail", f"{path.name} since {alert.get('raised_at')}: {alert['error']}",
                   f"{alert.get('remedy')}; the next successful cycle removes the file")
