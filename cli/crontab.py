"""The account's crontab: the lines of one home between two marks. All other lines stay byte for byte."""

import os
import subprocess

from config import Configuration
from runtime.commands import command
from runtime.errors import Unusable

PUBLISH_AFTER_SECONDS = 40  # a cycle ends within 30 s by default
EMPTY = ("no crontab", "no such file")  # of Vixie cron, cronie and macOS; of busybox
DIVISORS = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
HOURS = (1, 2, 3, 4, 6, 8, 12)


def lines(configuration: Configuration) -> list[str]:
    """Return the marks, and between them a line for each enabled collector, the publishers and the daily check."""
    jobs = [f"{schedule} {_delayed(delay, command(f'collectors.{name}'))}"
            for name, settings in configuration.collectors.items() if settings.enabled
            for schedule, delay in schedules(configuration.collection.interval_seconds)]
    if any(settings.enabled for settings in configuration.publishers.values()):
        jobs += [f"{schedule} {_delayed(delay + PUBLISH_AFTER_SECONDS, command('publishers'))}"
                 for schedule, delay in schedules(configuration.collection.interval_seconds)[:1]]
    check = _delayed(0, command("healthcheck.py", "--quiet"))
    begin, end = _marks(configuration)
    return [begin, *jobs, f'30 7 * * * findings=$({check}) || echo "$findings"', end]


def schedules(interval_seconds: int) -> list[tuple[str, int]]:
    """Return cron's times and a delay in seconds for each line; cron cannot keep every interval, and takes a shorter one."""
    if interval_seconds < 60:
        return [("* * * * *", delay) for delay in range(0, 60, interval_seconds) if delay + interval_seconds <= 60]
    minutes = interval_seconds // 60
    if minutes < 60:
        step = max(divisor for divisor in DIVISORS if divisor <= minutes)
        return [("* * * * *" if step == 1 else f"*/{step} * * * *", 0)]
    step = max(hours for hours in HOURS if hours <= minutes // 60)
    return [("0 * * * *" if step == 1 else f"0 */{step} * * *" if minutes < 1440 else "0 0 * * *", 0)]


def install(configuration: Configuration) -> list[str]:
    """Put the lines into the account's crontab; return lines outside the marks that seem to do the same."""
    old = _read()
    before, after = _split(old, configuration)
    block = "".join(f"{line}\n" for line in lines(configuration)).encode()
    separator = b"" if not before or before.endswith(b"\n") else b"\n"
    _write(old, before + separator + block + after)
    others = (before + after).decode(errors="replace").splitlines()
    return [line for line in others if _runs_us(line)]


def remove(configuration: Configuration) -> bool:
    """Take the lines out again; return whether there were any."""
    old = _read()
    before, after = _split(old, configuration)
    _write(old, before + after)
    return before + after != old


def _marks(configuration: Configuration) -> tuple[str, str]:
    what = f"home monitor, {configuration.path}"
    return f"# >>> {what}: devices.py crontab --install changes these lines", f"# <<< {what}"


def _delayed(seconds: int, words: str) -> str:
    """Return a command line for cron, which takes an unescaped % for the end of a line."""
    return (f"sleep {seconds} && " if seconds else "") + words.replace("%", r"\%")


def _runs_us(line: str) -> bool:
    calls = ("-m collectors.", "healthcheck.py", "home-monitor collect", "home-monitor check")
    return not line.lstrip().startswith("#") and any(call in line for call in calls)


def _split(crontab: bytes, configuration: Configuration) -> tuple[bytes, bytes]:
    """Return the text before our lines and the text after them. Raise Unusable."""
    begin, end = (f"{mark}\n".encode() for mark in _marks(configuration))
    if begin not in crontab and end not in crontab:
        return crontab, b""
    before, found, rest = crontab.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or crontab.count(begin) != 1 or crontab.count(end) != 1:
        raise Unusable("the crontab does not have exactly one pair of the marks of this home",
                       "remove these lines with crontab -e, then repeat this command")
    return before, after


def _read() -> bytes:
    done = _crontab("-l")
    if done.returncode == 0:
        return done.stdout
    reason = done.stderr.decode(errors="replace").strip()
    if any(text in reason.casefold() for text in EMPTY):
        return b""
    raise Unusable(f"the crontab cannot be read: {reason}", "see whether this account may use crontab")


def _write(old: bytes, new: bytes) -> None:
    if new == old:
        return
    done = _crontab("-", content=new) if new else _crontab("-r")
    if done.returncode != 0:
        reason = " ".join(done.stderr.decode(errors="replace").split())
        raise Unusable(f"the crontab was refused: {reason}", "put the lines in with crontab -e")


def _crontab(argument: str, content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["crontab", argument], input=content, capture_output=True,
                              env={**os.environ, "LC_ALL": "C"}, check=False)
    except FileNotFoundError:
        raise Unusable("there is no crontab command on this machine",
                       "install cron, or use the files in contrib; docs/running.md compares them") from None
