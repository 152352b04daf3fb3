"""A cycle ends within its deadline, whatever hangs, and keeps what it had read by then.

The real runs all hang at the same time, so that they take the time of one.
"""

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from runtime.deadline import BELT_SECONDS
from tests.faults import WHOLE
from tests.faults.hangs import DEADLINE, OLD_READINGS, Ended, Hang, Houses, run, why_no_name_server, why_no_strace

BUSY = 2.0  # seconds that other work on the same machine may cost
NETWORK_ENDS = DEADLINE - 6 + BUSY
WHOLE_RUNS = 50
Makers = dict[str, Callable[[Houses], Hang]]


def sample(sources: Makers, *more: str) -> Makers:
    """Leave the names out of a sample that only the whole proof contains."""
    return {name: make for name, make in sources.items() if WHOLE or name not in more}


NETWORK = sample({f"{collector}: {kind}": partial(Houses.without_answer, kind=kind, collector=collector)
                  for kind in ("black hole", "silence", "drip-headers", "drip-body", "reset", "silent-handshake")
                  for collector in ("hue", "amazon_aqm") if kind != "silent-handshake" or collector == "hue"},
                 *(f"{collector}: {kind}" for kind in ("silence", "reset") for collector in ("hue", "amazon_aqm")),
                 "hue: silent-handshake", "hue: drip-body", "amazon_aqm: drip-headers", "amazon_aqm: black hole")
NAMES = sample({f"name of the {whose}": partial(Houses.name_unknown, whose=whose)
                for whose in ("bridge", "discovery", "cloud", "mail")}, "name of the discovery", "name of the mail")
SOURCES = sample({how: partial(Houses.after_two_values, how=how) for how in ("look-up", "lock", "C code")}, "C code")
SIGNALS = sample({f"signal {number}": partial(Houses.after_two_values, how="look-up", number=number)
                  for number in (signal.SIGTERM, signal.SIGINT)}, f"signal {signal.SIGINT}")
FROZEN: Makers = {"C code with the lock": partial(Houses.after_two_values, how="C code with the lock")}
TRACED: Makers = {kind: partial(Houses.on_a_disk, kind=kind) for kind in ("slow", "migrating")}
ALL = NETWORK | NAMES | SOURCES | SIGNALS | FROZEN | TRACED


@dataclass(frozen=True)
class Batch:
    """How the hanging runs ended, and the next runs in their homes after the repair."""

    hung: dict[str, Ended]
    after: dict[str, Ended]
    modules: dict[str, str]


def possible() -> Makers:
    """Return the hangs that are possible on this machine."""
    names, traces = why_no_name_server(), why_no_strace()
    return {name: make for name, make in ALL.items()
            if not (traces if name in TRACED else names and name in {*NAMES, *SIGNALS, "look-up"})}


def batched(names: list[str]) -> Iterator[list[str]]:
    """Yield four at a time: too many runs at once would make each other late."""
    yield from (names[first:first + 4] for first in range(0, len(names), 4))


def hang(folder: Path) -> Batch:
    """Run all hangs at once, then repair and run again."""
    with Houses(folder) as houses:
        hangs = {name: make(houses) for name, make in possible().items()}
        hung = run(hangs)
        for one in hangs.values():
            one.repair()
        after: dict[str, Ended] = {}
        for some in batched(list(hangs)):
            after |= run({name: replace(hangs[name], before=(), signal=None) for name in some})
        return Batch(hung, after, {name: one.module for name, one in hangs.items()})


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    yield hang(tmp_path_factory.mktemp("hangs"))


def how(batch: Batch, name: str) -> Ended:
    """Return how that run ended. Skip the test, with the reason, if it is not possible on this machine."""
    if name not in batch.hung:
        pytest.skip(why_no_strace() if name in TRACED else why_no_name_server())
    return batch.hung[name]


def assert_in_time(ended: Ended) -> None:
    assert ended.code == 1 and ended.seconds <= DEADLINE


@pytest.mark.parametrize("name", NETWORK)
def test_a_source_that_does_not_answer_leaves_time_for_storing(batch: Batch, name: str) -> None:
    """The whole answer has one time-out, even if it drips; no request lasts until 6 s before the deadline."""
    ended = how(batch, name)
    assert_in_time(ended)
    assert ended.seconds <= NETWORK_ENDS
    assert ended.err.count("\n") == 1 and "Traceback" not in ended.err


@pytest.mark.parametrize("name", NAMES)
def test_a_name_server_that_does_not_answer_ends_the_run_at_its_deadline(batch: Batch, name: str) -> None:
    """The C library's name look-up cannot be interrupted: the watchdog ends the process, and prints one line."""
    ended = how(batch, name)
    assert ended.err.count("\n") == 1 and ended.seconds <= DEADLINE
    if name == "name of the mail":  # looked up after everything else, to report a refused key
        assert ended.code == 2 and "the bridge refuses our key" in ended.err
    else:
        assert ended.code == 1 and "the run hung" in ended.err and "getent" in ended.err


@pytest.mark.parametrize("name", SOURCES)
def test_what_was_read_before_a_hang_waits_in_the_spool(batch: Batch, name: str) -> None:
    ended = how(batch, name)
    assert_in_time(ended)
    assert ended.err.count("\n") == 1 and "the run hung" in ended.err
    assert (ended.waiting, ended.rows) == (2, 0)
    assert len(ended.remembered) == 1, "a hang at every cycle is printed once in 24 hours, too"


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_while_a_name_is_looked_up_costs_no_reading(batch: Batch, name: str) -> None:
    """Python handles it only after the look-up, so the run ends at its deadline like any other hang."""
    ended = how(batch, name)
    assert_in_time(ended)
    assert (ended.waiting, ended.rows) == (2, 0)


def test_c_code_that_keeps_the_interpreters_lock_is_ended_too(batch: Batch) -> None:
    """No Python runs any more: its readings are lost. It ends late, as ending it so may crash a run that is only slow."""
    ended = how(batch, "C code with the lock")
    assert ended.code == 1 and ended.seconds <= DEADLINE + BELT_SECONDS
    assert (ended.waiting, ended.rows) == (0, 0)


def test_what_was_read_is_saved_on_a_slow_disk_too(batch: Batch) -> None:
    ended = how(batch, "slow")
    assert_in_time(ended)
    assert (ended.waiting, ended.rows) == (2, 0)


def test_a_migration_takes_the_time_it_needs(batch: Batch) -> None:
    ended = how(batch, "migrating")
    assert (ended.code, ended.err) == (0, "")
    assert ended.seconds > DEADLINE
    assert (ended.waiting, ended.rows) == (0, OLD_READINGS + 2)


@pytest.mark.parametrize("name", ALL)
def test_the_next_cycle_is_not_blocked_and_stores_what_waited(batch: Batch, name: str) -> None:
    hung, after = how(batch, name), batch.after[name]
    new = {"collectors.hue": 5, "collectors.amazon_aqm": 1, "collectors.hanging": 2}[batch.modules[name]]
    assert (after.code, after.err) == (0, "")
    assert (after.waiting, after.rows) == (0, hung.waiting + hung.rows + new)


@pytest.mark.skipif(not WHOLE, reason="runs with nothing beside them take 10 s more: make faults")
def test_the_process_ends_within_the_deadline(tmp_path: Path) -> None:
    """The interpreter's start included, which takes a fraction of a second on an idle machine."""
    with Houses(tmp_path) as houses:
        ended = run({name: make(houses) for name, make in (SOURCES | FROZEN).items() if name in possible()})
    slowest = max(each.all_seconds for each in ended.values())
    print(f"\n{len(ended)} hangs side by side: the last process ended {slowest:.2f} s after it was made")
    assert slowest <= DEADLINE + BUSY


@pytest.mark.skipif(not WHOLE, reason="fifty runs take a minute or more: make faults")
def test_all_of_fifty_mixed_hangs_end_in_time(tmp_path: Path, batch: Batch) -> None:
    batches, hung = [batch], len(ALL) - 1
    while len(batches) * hung < WHOLE_RUNS:
        batches.append(hang(tmp_path / f"{len(batches)}"))
    ended = [each for one in batches for name, each in one.hung.items() if name != "migrating"]
    late = [each for each in ended if each.seconds > DEADLINE]
    after = [each for one in batches for each in one.after.values()]
    print(f"\n{len(ended)} mixed hangs: {len(ended) - len(late)} ended within {DEADLINE} s, the last "
          f"{max(each.seconds for each in ended):.2f} s after its cycle began; "
          f"{sum(each.code == 0 for each in after)} of the {len(after)} next cycles were well")
    assert not late and all(each.code == 0 for each in after)
