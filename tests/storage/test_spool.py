import errno
import json
import os
import re
import zlib
from pathlib import Path

import pytest

from runtime.errors import Unusable
from storage import spool
from storage.reading import Cycle, Reading, Retry, Sighting
from tests.storage.samples import NOW, a_cycle, a_reading, at, in_a_process, start

NOBODY = 65534
ZEROS = bytes(spool.SIZE)


def journal(folder: Path) -> Path:
    return folder / "spool.journal"


def waits(folder: Path) -> list[Cycle]:
    return [entry.cycle for entry in spool.pending(folder)]


def test_a_cycle_comes_back_as_it_was_spooled(tmp_path: Path) -> None:
    reading = Reading(
        timestamp=NOW, device_id="hue:1", device_type="hue_sensor", name='Küche "2" \\', location="Erdgeschoß",
        temperature_celsius=-0.0, temperature_raw=20.29, humidity_percent=1e-300, pm25_ugm3=1.0, pm10_ugm3=2.0,
        voc_index=3.0, voc_ppb=4.0, co_ppm=5.0, co2_ppm=6.0, iaq_score=7.0, light_lux=0.0, battery_level=0,
        signal_strength=-2 ** 63 + 1, is_anomalous=True, measured_at=at(minutes=-3), thermostat_mode="heat",
        thermostat_state="off", day_night="night", weather_conditions="☂", raw_response='{"a": "\\u0000\\n"}')
    sighting = Sighting(device_id="hue:2", device_type="hue_sensor", name="Hall", location="Hall",
                        location_source="config", model_info="SML001", trouble="stale since yesterday",
                        doubt="outside 0 to 40")
    retry = Retry(at=at(seconds=2), operation="fetch", endpoint="/sensors", attempt=1, delay_seconds=1.5,
                  error_type="CannotReach", error="no route", outcome="retrying")
    cycle = Cycle(collector="hue", started_at=NOW, outcome="partial", fetch_ms=12.345, payload_bytes=9000, requests=2,
                  endpoint="fallback", error_type="CannotReach", error="gone", clock_offset_seconds=-10_800,
                  readings=(reading,), sightings=(sighting,), retries=(retry,))
    defaults = {name for record in (reading, sighting, retry, cycle) for name, default in record._field_defaults.items()
              if getattr(record, name) == default}
    assert defaults == set(), "every field must differ from its default"
    spool.append(tmp_path, cycle, 212.5)
    back, = spool.pending(tmp_path)
    assert (back.cycle, back.duration_ms) == (cycle, 212.5)


def test_the_file_is_written_once_and_never_grows(tmp_path: Path) -> None:
    spool.append(tmp_path, a_cycle(a_reading()), 1.0)
    before = os.stat(journal(tmp_path))
    assert before.st_size == spool.SIZE and before.st_blocks * 512 >= spool.SIZE
    for minute in range(100):
        spool.append(tmp_path, a_cycle(a_reading(at=at(minutes=minute)), at=at(minutes=minute)), 1.0)
        if minute % 7 == 0:
            spool.mark_stored(tmp_path, spool.pending(tmp_path))
    after = os.stat(journal(tmp_path))
    assert (before.st_ino, before.st_size, before.st_blocks) == (after.st_ino, after.st_size, after.st_blocks)
    assert len(waits(tmp_path)) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["spool.journal", "spool.journal.lock"]


def test_the_oldest_comes_first_and_the_callers_own_cycle_is_left_out(tmp_path: Path) -> None:
    for minute in (3, 1, 2):
        spool.append(tmp_path, a_cycle(at=at(minutes=minute)), 1.0)
    own = spool.append(tmp_path, a_cycle(at=at(minutes=2)), 1.0)
    started = [entry.cycle.started_at for entry in spool.pending(tmp_path, own=own)]
    assert started == [at(minutes=1), at(minutes=2), at(minutes=3)]


def test_stored_cycles_are_gone_and_the_rest_stays(tmp_path: Path) -> None:
    first, second = (spool.append(tmp_path, a_cycle(at=at(minutes=minute)), 1.0) for minute in (1, 2))
    third = spool.append(tmp_path, a_cycle(at=at(minutes=3)), 1.0)
    spool.mark_stored(tmp_path, [first, second])
    assert waits(tmp_path) == [third.cycle]
    spool.append(tmp_path, a_cycle(a_reading(), at=at(minutes=4)), 1.0)
    spool.mark_stored(tmp_path, [first, second])
    assert [each.started_at for each in waits(tmp_path)] == [at(minutes=3), at(minutes=4)]


def test_room_is_used_again_around_a_line_that_stays(tmp_path: Path) -> None:
    stays = spool.append(tmp_path, a_cycle(a_reading(), at=at(minutes=-1)), 1.0)
    sizes = (500, 3000, 90_000, 10)
    for turn in range(200):
        text = "x" * sizes[turn % 4]
        put = spool.append(tmp_path, a_cycle(a_reading(raw_response=text)), 1.0)
        assert waits(tmp_path) == [stays.cycle, put.cycle]
        spool.mark_stored(tmp_path, [put])
    assert not (tmp_path / "spool.bad").exists()


def test_a_full_spool_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    cycle = a_cycle(a_reading(raw_response="x" * 100_000))
    for _ in range(10):
        spool.append(tmp_path, cycle, 1.0)
    with pytest.raises(spool.Full, match=r"has no room for 100\d\d\d more bytes") as caught:
        spool.append(tmp_path, cycle, 1.0)
    assert isinstance(caught.value, Unusable) and caught.value.remedy
    assert waits(tmp_path) == [cycle] * 10
    spool.append(tmp_path, a_cycle(), 1.0)
    assert spool.status(tmp_path).used > 0.95


def three_lines(folder: Path) -> tuple[bytes, list[Cycle]]:
    cycles = [a_cycle(*readings, at=at(minutes=minute)) for minute, readings in enumerate(((a_reading(),), (), ()))]
    for cycle in cycles:
        spool.append(folder, cycle, 1.0)
    return journal(folder).read_bytes().rstrip(b"\0"), cycles


def spans(content: bytes) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(rb"[^\n]+", content)]


@pytest.mark.parametrize("damage", ["cut", "zeroed from there on", "flipped", "zeroed"])
def test_a_spool_torn_at_any_byte_gives_every_line_that_is_whole(tmp_path: Path, damage: str) -> None:
    content, cycles = three_lines(tmp_path)
    bad = tmp_path / "spool.bad"
    for offset in range(len(content)):
        harmed = bytearray(content)
        if damage in ("cut", "zeroed from there on"):
            harmed[offset:] = b"" if damage == "cut" else bytes(len(content) - offset)
            whole = [each for each, (_, end) in zip(cycles, spans(content)) if end <= offset]
        else:
            harmed[offset] = content[offset] ^ 0x10 if damage == "flipped" else 0
            whole = [each for each, (start, end) in zip(cycles, spans(content)) if not start <= offset < end]
        journal(tmp_path).write_bytes(harmed if damage == "cut" else harmed.ljust(spool.SIZE, b"\0"))
        bad.unlink(missing_ok=True)
        assert waits(tmp_path) == whole, offset
        torn = [harmed[start:end].strip(b"\0") for start, end in spans(content) if start <= offset < end]
        if damage == "flipped" and content[offset:offset + 1] == b"\n":
            torn = [harmed[offset:offset + 1]]
        kept = bad.read_bytes().replace(b"\n", b"") if bad.exists() else b""
        assert kept == b"".join(torn).replace(b"\n", b""), offset
        later = spool.append(tmp_path, a_cycle(at=at(hours=1)), 1.0)
        assert waits(tmp_path) == [*whole, later.cycle], offset
        spool.mark_stored(tmp_path, spool.pending(tmp_path))
        assert waits(tmp_path) == [], offset


def test_what_is_damaged_is_set_aside_word_for_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content, cycles = three_lines(tmp_path)
    harmed = content.replace(b'"device_id":"hue:kitchen"', b'"device_id":"hue:kitchex"', 1)
    journal(tmp_path).write_bytes(harmed.ljust(spool.SIZE, b"\0"))
    assert waits(tmp_path) == cycles[1:] == waits(tmp_path)
    assert (tmp_path / "spool.bad").read_bytes() == harmed.splitlines()[0] + b"\n"
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert spool.status(tmp_path).set_aside == len(harmed.splitlines()[0]) + 1


def test_a_rewritten_spool_has_all_that_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync fails once: what it has not written a second one might not write either."""
    first, second = (spool.append(tmp_path, a_cycle(at=at(minutes=minute)), 1.0) for minute in (1, 2))
    inode = journal(tmp_path).stat().st_ino

    def fail(_descriptor: int) -> None:
        monkeypatch.undo()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    third = spool.append(tmp_path, a_cycle(at=at(minutes=3)), 1.0)
    assert waits(tmp_path) == [first.cycle, second.cycle, third.cycle]
    assert journal(tmp_path).stat().st_ino != inode and journal(tmp_path).stat().st_size == spool.SIZE


@pytest.mark.parametrize("body", [b"[]", b"{}", b"1", b'{"duration_ms":1}', b'{"duration_ms":1,"collector":"hue",'
                                  b'"started_at":"2026-11-22T00:55:00+00:00","outcome":"ok","from_tomorrow":1}'])
def test_an_intact_line_that_is_not_understood_is_set_aside(tmp_path: Path, body: bytes) -> None:
    content, cycles = three_lines(tmp_path)
    strange = b"+%08x %d %s\n" % (zlib.crc32(body), len(body), body)
    journal(tmp_path).write_bytes((strange + content).ljust(spool.SIZE, b"\0"))
    assert waits(tmp_path) == cycles
    assert (tmp_path / "spool.bad").read_bytes() == strange


def test_a_line_of_an_older_program_is_read(tmp_path: Path) -> None:
    body = json.dumps({"collector": "hue", "started_at": "2026-11-22T00:55:00+00:00", "outcome": "ok",
                       "duration_ms": 1}).encode()
    journal(tmp_path).write_bytes((b"+%08x %d %s\n" % (zlib.crc32(body), len(body), body)).ljust(spool.SIZE, b"\0"))
    assert waits(tmp_path) == [a_cycle()]


@pytest.mark.parametrize("false", [b'{"collector":"hue"}', b"1", b""])
def test_a_name_cannot_pass_for_a_line(tmp_path: Path, false: bytes) -> None:
    name = (b"+%08x %d %s" % (zlib.crc32(false), len(false), false)).decode()
    cycle = a_cycle(a_reading(name=name.strip(), raw_response=name))
    put = spool.append(tmp_path, cycle, 1.0)
    assert waits(tmp_path) == [cycle] and not (tmp_path / "spool.bad").exists()
    journal(tmp_path).write_bytes(put.line.replace(b"+", b"?", 1).ljust(spool.SIZE, b"\0"))
    assert waits(tmp_path) == []


def test_the_status_changes_nothing(tmp_path: Path) -> None:
    assert spool.status(tmp_path) == spool.SpoolStatus(cycles=0, readings=0, oldest=None, used=0.0, set_aside=0)
    assert list(tmp_path.iterdir()) == []
    content, _ = three_lines(tmp_path)
    journal(tmp_path).write_bytes((content + b"damaged").ljust(spool.SIZE, b"\0"))
    status = spool.status(tmp_path)
    assert (status.cycles, status.readings, status.oldest) == (3, 1, NOW)
    assert 0 < status.used == pytest.approx((len(content) + 4) / spool.SIZE, rel=0.01)
    assert journal(tmp_path).read_bytes() == (content + b"damaged").ljust(spool.SIZE, b"\0")
    spool.mark_stored(tmp_path, spool.pending(tmp_path))
    assert spool.status(tmp_path).used == 0.0


def test_many_processes_spool_and_store_without_losing_a_line(tmp_path: Path) -> None:
    def spool_fifty(number: int) -> None:
        for minute in range(50):
            spool.append(tmp_path, a_cycle(at=at(days=number, minutes=minute)), 1.0)

    writers = [start(spool_fifty, number) for number in range(4)]
    seen: list[Cycle] = []
    while any(writer.is_alive() for writer in writers):
        entries = spool.pending(tmp_path)
        spool.mark_stored(tmp_path, entries)
        seen += [entry.cycle for entry in entries]
    assert [writer.exitcode for writer in writers] == [0] * 4
    seen += waits(tmp_path)
    assert sorted(cycle.started_at for cycle in seen) == [
        at(days=number, minutes=minute) for number in range(4) for minute in range(50)]


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_spool_that_is_not_ours_needs_a_human(shared_folder: Path) -> None:
    os.chown(shared_folder, NOBODY, NOBODY)
    journal(shared_folder).write_bytes(ZEROS)
    journal(shared_folder).chmod(0o600)
    kind, text, remedy = in_a_process(lambda: spool.append(shared_folder, a_cycle(), 1.0), user=NOBODY)
    assert kind == "Unusable" and "spool.journal cannot be used: Permission denied" in text
    assert remedy.startswith(f"sudo chown {NOBODY} ")


def test_a_cycle_is_found_anywhere_among_the_zeros(tmp_path: Path) -> None:
    spool.append(tmp_path, a_cycle(a_reading()), 1.0)
    path = tmp_path / spool.NAME
    content = path.read_bytes()
    line = content.rstrip(b"\0")
    for zeros in (0, 1, 16_383, 16_384, 500_000):
        path.write_bytes((bytes(zeros) + b"\n" + line).ljust(len(content), b"\0"))
        assert (spool.status(tmp_path).cycles, spool.status(tmp_path).readings) == (1, 1)
