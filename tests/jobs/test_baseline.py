"""`python -m jobs.baseline capture|compare`: the cost of a cycle, once and now.

The pace of a real bridge is in docs/performance.md; on loopback without it there would be little to save.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobs import baseline
from tests.checkout import CHECKOUT
from tests.home import Home, Outcome, unmeasured
from tests.simulator.server import Simulator

LOWEST = re.compile(r"^(cycle|payload), .*?\(([\d.]+) to .*?\(([\d.]+) to .*target (\d+)%", re.MULTILINE)
AGAIN = "python -m jobs.baseline capture --collector hue"


def measure(home: Home, *arguments: str, collector: str = "hue") -> Outcome:
    """Run the command as a process."""
    done = subprocess.run(command(home, *arguments, collector=collector), capture_output=True, text=True, cwd=CHECKOUT,
                          timeout=60, env=unmeasured())
    return Outcome(done.returncode, done.stdout, done.stderr)


def command(home: Home, *arguments: str, collector: str = "hue") -> list[str]:
    return [sys.executable, "-m", "jobs.baseline", *arguments, "--collector", collector, "--config",
            str(home.config)]


def kept(home: Home) -> Path:
    return home.data / "performance_baseline.json"


def baseline_of(**changes: Any) -> dict[str, Any]:
    """Return a baseline as `capture` writes it, of five sensors on this machine; any cycle is better."""
    slow, large = ({"median": value, "lowest": value, "highest": value} for value in (60_000.0, 9_000_000.0))
    return {"collector": "hue", "captured_at": "2026-11-22T00:55:00+00:00", "host": socket.gethostname(), "sensors": 5,
            "cycles": 10, "duration_ms": slow, "payload_bytes": large, **changes}


@pytest.fixture
def pointed(home: Home, simulator: Simulator) -> Home:
    home.point_at(simulator)
    return home


@pytest.mark.parametrize("sensors", [3, 10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_cycle_is_faster_by_a_third_and_smaller_by_half_than_the_baseline(sensors: int, home: Home) -> None:
    """SC-005, SC-006. The bridge is half as fast as a real one, and the lowest figures are compared, so that other work
    on this machine does not decide; `make bench` uses the real pace, and medians as `compare` does.

    FR-035, US5-2, US5-4.
    """
    with Simulator(sensors=sensors) as simulator:
        simulator.faults.add("pace", seconds=0.03, bytes_per_second=500_000)
        home.point_at(simulator)
        captured, compared = (measure(home, action, "--cycles", "5") for action in ("capture", "compare"))
        asked = [seen.path.removeprefix(f"/api/{simulator.key}") for seen in simulator.requests]
    assert (captured.code, captured.err, compared.err) == (0, "", "")
    found = LOWEST.findall(compared.out)
    less = {name: 1 - float(now) / float(then) for name, then, now, _ in found}
    assert less["cycle"] >= 0.30 and less["payload"] >= 0.50, compared.out
    assert [target for *_, target in found] == ["30", "50"]
    assert asked == 6 * ["", "/sensors", "/sensors"] + 6 * ["/sensors"]


@pytest.mark.parametrize("sensors", [3, 10, 50])
def test_the_sensors_alone_are_less_than_half_of_the_full_configuration(sensors: int, home: Home) -> None:
    """SC-006, by the strictest reading: against a single fetch of the full configuration. FR-034."""
    with Simulator(sensors=sensors) as simulator:
        home.point_at(simulator)
        lean = home.process("--json").json["payload_bytes"]
        simulator.faults.add("body", content="[]", paths=["/sensors"])
        full = home.process("--json").json["payload_bytes"]
    assert 0 < lean < 0.5 * (full - len("[]"))


def test_a_baseline_holds_all_that_a_comparison_needs(pointed: Home) -> None:
    """FR-031, US5-1."""
    run = measure(pointed, "capture", "--cycles", "2")
    written = json.loads(kept(pointed).read_text())
    assert run.code == 0 and str(kept(pointed)) in run.out and "5 sensors" in run.out
    assert {**written, "captured_at": "", "duration_ms": 0, "payload_bytes": 0} == {
        "collector": "hue", "captured_at": "", "host": socket.gethostname(), "sensors": 5, "cycles": 2,
        "duration_ms": 0, "payload_bytes": 0}
    for figure in (written["duration_ms"], written["payload_bytes"]):
        assert 0 < figure["lowest"] <= figure["median"] <= figure["highest"]


def test_a_measurement_is_no_reading(pointed: Home) -> None:
    """Neither of the two touches the database, the spool or the log, and nothing else is left."""
    assert pointed.process().code == 0
    before = {path: path.read_bytes() for path in pointed.folder.rglob("*") if path.is_file()}
    for action in ("capture", "compare"):
        assert measure(pointed, action, "--cycles", "1").err == ""
    after = {path: path.read_bytes() for path in pointed.folder.rglob("*") if path.is_file()}
    assert after.pop(kept(pointed)) and after == before
    assert [path for path in pointed.data.iterdir() if path.name.startswith("measuring-")] == []


def test_an_interrupted_measurement_leaves_nothing(pointed: Home, simulator: Simulator) -> None:
    simulator.faults.add("delay", seconds=20)
    with subprocess.Popen(command(pointed, "capture"), cwd=CHECKOUT, stderr=subprocess.PIPE, env=unmeasured()) as run:
        while not simulator.requests and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=20) == 143 and run.stderr is not None and run.stderr.read() == b""
    assert list(pointed.data.iterdir()) == []


@pytest.mark.parametrize(("changes", "missed"), [
    ({}, []),
    ({"duration_ms": {"median": 0.1, "lowest": 0.1, "highest": 0.1}}, ["cycle"]),
    ({"payload_bytes": {"median": 1e-3, "lowest": 1e-3, "highest": 1e-3}}, ["payload"]),
])
def test_a_missed_target_is_reported_with_exit_1(changes: dict[str, Any], missed: list[str], pointed: Home) -> None:
    """FR-033."""
    kept(pointed).write_text(json.dumps(baseline_of(**changes)))
    run = measure(pointed, "compare", "--cycles", "1")
    assert [line.partition(",")[0] for line in run.out.splitlines() if "missed" in line] == missed
    assert (run.code, run.err) == (1 if missed else 0, "")


@pytest.mark.parametrize("content", [
    None, "", "{", "[]", "null", "7", "{}", "[" * 100_000, json.dumps(baseline_of(duration_ms=5)),
    json.dumps(baseline_of(duration_ms={"median": float("nan"), "lowest": 1, "highest": 1})),
    json.dumps(baseline_of(payload_bytes={"median": 0, "lowest": 0, "highest": 0})),
    json.dumps(baseline_of(payload_bytes={"median": 5, "lowest": "5", "highest": 5})),
    json.dumps(baseline_of(captured_at="yesterday")), json.dumps(baseline_of(sensors=None)),
])
def test_a_missing_or_damaged_baseline_has_a_remedy(content: str | None, pointed: Home,
                                                             capsys: pytest.CaptureFixture[str]) -> None:
    if content is not None:
        kept(pointed).write_text(content)
    code = baseline.main(command(pointed, "compare")[3:])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "") and str(kept(pointed)) in err
    assert pointed.as_printed(AGAIN) in err and err.count("\n") == 1


@pytest.mark.parametrize(("changes", "named"), [
    ({"collector": "amazon_aqm"}, "amazon_aqm"), ({"host": "elsewhere"}, "elsewhere"), ({"sensors": 4}, "4 sensors")])
def test_a_foreign_baseline_is_not_compared_with(changes: dict[str, Any], named: str, pointed: Home) -> None:
    """Another collector's, another machine's, or one of another number of sensors."""
    kept(pointed).write_text(json.dumps(baseline_of(**changes)))
    run = measure(pointed, "compare", "--cycles", "1")
    assert (run.code, run.out) == (2, "") and named in run.err and pointed.as_printed(AGAIN) in run.err


@pytest.mark.parametrize(("kind", "code"), [("reset", 1), ("key-refused", 2), ("429", 1)])
def test_a_source_that_does_not_answer_is_reported_as_in_a_cycle(kind: str, code: int, pointed: Home,
                                                             simulator: Simulator) -> None:
    simulator.faults.add(kind)
    run = measure(pointed, "capture")
    assert (run.code, run.out, list(pointed.data.iterdir())) == (code, "", [])
    assert run.err.startswith("hue: ") and run.err.count("\n") == 1 and simulator.key not in run.err


def test_a_house_without_a_value_is_not_measured(home: Home) -> None:
    with Simulator(sensors=0) as simulator:
        home.point_at(simulator)
        run = measure(home, "capture")
    assert run.code == 2 and "nothing to measure" in run.err


@pytest.mark.parametrize(("arguments", "collector", "complaint"), [
    (["capture"], "amazon_aqm", "invalid choice: 'amazon_aqm'"), (["measure"], "hue", "invalid choice: 'measure'"),
    (["capture", "--cycles", "0"], "hue", "0 is not between 1 and 1000")])
def test_what_cannot_be_measured_is_refused(arguments: list[str], collector: str, complaint: str, home: Home) -> None:
    """Amazon's monitor has no full configuration to fetch."""
    run = measure(home, *arguments, collector=collector)
    assert run.code == 2 and complaint in run.err


def test_a_wrong_configuration_is_reported_as_in_a_cycle(home: Home) -> None:
    run = measure(home, "capture")
    assert run.code == 2 and "there is no such file" in run.err and "Traceback" not in run.err


def test_a_cycle_does_not_import_what_measures_it() -> None:
    heavy = ["statistics", "tempfile", "jobs.baseline"]
    program = f"import sys, jobs.collect; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert done.stdout == "[]\n"
