"""What a person types: arguments, whose types raise BadParameter, a device by a part of its name, and answers."""

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from datetime import timedelta

import click

from runtime.commands import command
from runtime.errors import Unusable
from runtime.formats import TEXT_LIMIT, finite_number, one_line
from runtime.redaction import escape_unprintable
from storage.registry import Device

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LARGEST_OFFSET = 20.0  # kelvin: a sensor that is further off is broken, or a temperature was given
CANDIDATE_LIMIT = 8  # as many as people read
FullId = Callable[[str], str | None]


def text_type(value: str) -> str:
    text = one_line(value)
    if text is None:
        raise click.BadParameter("it has no printable character")
    if len(value.strip()) > TEXT_LIMIT:
        raise click.BadParameter(f"it has {len(value.strip())} characters; at most {TEXT_LIMIT} are allowed")
    return text


def duration_type(value: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,3})([mhdw])", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a duration such as 90m, 24h, 7d or 2w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def offset_type(value: str) -> float:
    try:
        offset = finite_number(float(value.replace(",", ".")))
    except ValueError:
        offset = None
    if offset is None or abs(offset) > LARGEST_OFFSET:
        raise click.BadParameter(f"{value!r} is not a number from -{LARGEST_OFFSET:g} to {LARGEST_OFFSET:g}")
    return round(offset, 2)


def ask(question: str) -> str:
    """Return the answer; empty if there is no one to answer."""
    click.echo(escape_unprintable(question), err=True, nl=False)
    if sys.stdin.isatty():
        import readline  # noqa: F401  # without it a terminal cuts a pasted address at 1024 characters
        try:
            return input()
        except EOFError:
            return ""
    return sys.stdin.readline()


def find_device(text: str, devices: list[Device], full_id: FullId | None = None) -> Device:
    """Return the device with this id or name, or the only one that has it in either.

    Where a new device is allowed, `full_id` returns the id in a text as it is stored, None if it is not a whole one.
    """
    wanted = _folded(text)
    whole = [device for device in devices if wanted in _labels(device)]
    whole = [device for device in whole if device.is_active] or whole  # a replaced device shares its successor's name
    candidates = whole or [device for device in devices if any(wanted in label for label in _labels(device))]
    if not wanted or not candidates:
        if full_id is not None and (new := full_id(text)):
            return Device(device_id=new)
        hint = ("; to name a device before it is seen, give its full id, hue:... or alexa:..., as --discover shows it"
                if full_id is not None else "")
        raise Unusable(f"no device has {text!r} in its id or name{_nearest(wanted, devices)}",
                       f"{command('devices.py', 'list')} shows all devices{hint}")
    if len(candidates) > 1:
        more = len(candidates) - CANDIDATE_LIMIT
        names = ", ".join(map(Device.label, candidates[:CANDIDATE_LIMIT])) + (f" and {more} more" if more > 0 else "")
        raise Unusable(f"{text!r} may be {names}", "give more of the id, or of the name")
    return candidates[0]


def named_device(text: str, devices: Iterable[Device]) -> Device | None:
    """Return the device with this name, or with this id in other letters."""
    wanted = _folded(text)
    return next((device for device in devices if wanted in _labels(device)), None)


def _labels(device: Device) -> list[str]:
    return [_folded(text) for text in (device.device_id, device.device_name) if text]


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _nearest(wanted: str, devices: list[Device]) -> str:
    from difflib import get_close_matches  # slow to import, and rarely needed
    by_label = {text: device for device in devices for text in _labels(device)}
    nearest = {by_label[text].device_id: by_label[text] for text in get_close_matches(wanted, by_label, n=3, cutoff=0)}
    names = ", ".join(map(Device.label, nearest.values()))
    return f"; the nearest {'is' if len(nearest) == 1 else 'are'} {names}" if nearest else ""
