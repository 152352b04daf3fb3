"""`python -m tests.soak PHASE… [--seed N]`: run phases, save their results, write docs/soak.md from them."""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.checkout import CHECKOUT
from tests.soak import month, report
from tests.soak.account import Account, settle
from tests.soak.place import Place, furnished
from tests.soak.plan import PHASES, Phase, draw
from tests.soak.workload import Diary, run_cycles

RESULTS = CHECKOUT / "data" / "soak"
SEED = 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("phases", nargs="+", choices=[*PHASES, "month", "report"])
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unmounts the disk
    problems = 0
    for name in options.phases:
        if name == "report":
            report.write(RESULTS, CHECKOUT / "docs" / "soak.md")
        else:
            problems += len(_run(name, options.seed).problems)
    return 1 if problems else 0


def run_phase(phase: Phase, seed: int, keep: Path | None = None) -> Account:
    """Run a phase and return its account; if there are problems, keep its data in a folder."""
    schedule = draw(phase, seed)
    with furnished(phase) as place:
        diary = run_cycles(place, schedule, _progress)
        account = settle(place, schedule, diary)
        if account.problems and keep:
            _keep(place, diary, keep)
        return account


def _keep(place: Place, diary: Diary, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(place.home.data, folder)
    (folder / "diary.json").write_text(json.dumps(asdict(diary), default=str, indent=1), encoding="utf-8")


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True)
    return asked.stdout.strip()


def _run(name: str, seed: int) -> Account:
    started = time.monotonic()
    account = month.run_month(_progress) if name == "month" else run_phase(PHASES[name], seed, RESULTS / f"{name}-data")
    account.measured["minutes the phase took"] = round((time.monotonic() - started) / 60, 1)
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"seed": seed, "commit": _commit(), **asdict(account)}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(asdict(account), indent=2, ensure_ascii=False))
    return account


if __name__ == "__main__":
    raise SystemExit(main())
