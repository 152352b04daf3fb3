"""`python -m tests.mutants`: try a sample of all mutants, and print those that the tests do not notice.

    N              how many (150)
    --seed S       another sample
    --only FILE    mutants of this file only; may be repeated
    --list         print the sample, run nothing

They are tried one at a time, in a copy of the checkout, each with the tests of its file up to the first failure; a run
beyond the time limit counts as noticed. Exits with 1 if more than 5 % of the mutants survive.
"""

import argparse
import compileall
import os
import py_compile
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import monotonic

import yaml

from tests.checkout import CHECKOUT
from tests.home import unmeasured
from tests.mutants.mutations import Mutant, mutants
from tests.mutants.targets import TESTS

SEED = 20261201
LIMIT_SECONDS = 300
LARGEST_SHARE = 0.05
OUTPUT = "pytest-output.txt"  # in the copy
EQUIVALENT = Path(__file__).with_name("equivalent.yaml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("number", nargs="?", type=int, default=150, metavar="N")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", action="append", choices=TESTS, metavar="FILE")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    sample = chosen(options.only or list(TESTS), options.number, options.seed)
    if options.list:
        for mutant in sample:
            print(described(mutant))
        return 0
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        os.chmod(folder, 0o755)  # tests become another user
        checkout = copy(Path(folder) / "checkout")
        refuse_red_tests(checkout, {mutant.path for mutant in sample})
        survivors = [mutant for mutant in sample if survives(mutant, checkout)]
    return report(sample, survivors)


def chosen(paths: list[str], number: int, seed: int) -> list[Mutant]:
    """Return a sample of the mutants that are not equivalent to the source."""
    equivalent = {(entry["file"], entry["line"], entry["change"]) for entry in yaml.safe_load(EQUIVALENT.read_text())}
    every = [mutant for path in paths for mutant in mutants(path, (CHECKOUT / path).read_text(encoding="utf-8"))]
    others = [mutant for mutant in every if (mutant.path, mutant.text, mutant.change) not in equivalent]
    print(f"{len(every)} mutants, {len(every) - len(others)} of them equivalent; seed {seed}", flush=True)
    return random.Random(seed).sample(others, min(number, len(others)))


def copy(checkout: Path) -> Path:
    """Copy what git knows, with bytecode that goes by the source's content: a mutant may have the same size and time."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (CHECKOUT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, checkout / name)
    compileall.compile_dir(checkout, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    return checkout


def refuse_red_tests(checkout: Path, paths: set[str]) -> None:
    """End if tests fail without any mutant: all would seem to be noticed."""
    names = dict.fromkeys(name for path in sorted(paths) for name in TESTS[path])
    if not passes(checkout, list(names), seconds=4 * LIMIT_SECONDS):
        print((checkout / OUTPUT).read_text(encoding="utf-8")[-2000:])
        raise SystemExit("this test fails without a mutant")


def survives(mutant: Mutant, checkout: Path) -> bool:
    path, started = checkout / mutant.path, monotonic()
    original = path.read_bytes()
    path.write_text(mutant.source, encoding="utf-8")
    survived = passes(checkout, list(TESTS[mutant.path]), LIMIT_SECONDS)
    path.write_bytes(original)
    print(f"{'SURVIVED' if survived else 'noticed '} {monotonic() - started:4.0f} s {described(mutant)}", flush=True)
    return survived


def passes(checkout: Path, names: list[str], seconds: float) -> bool:
    """Run tests in their own process group, of which nothing is left at the end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *names]
    with open(checkout / OUTPUT, "wb") as output:
        process = subprocess.Popen(command, cwd=checkout, env=unmeasured() | {"PYTHONPATH": str(checkout)},
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def report(sample: list[Mutant], survivors: list[Mutant]) -> int:
    print(f"\n{len(survivors)} of {len(sample)} mutants survived ({len(survivors) / max(len(sample), 1):.1%})")
    tried, survived = (Counter(mutant.path for mutant in group) for group in (sample, survivors))
    for path, number in sorted(tried.items()):
        print(f"  {path:<40} {number:>3} tried, {survived[path]} survived")
    for mutant in sorted(survivors):
        print(described(mutant))
    return 1 if len(survivors) > LARGEST_SHARE * len(sample) else 0


def described(mutant: Mutant) -> str:
    return f"{mutant.path}:{mutant.line}: {mutant.change}"


if __name__ == "__main__":
    raise SystemExit(main())
