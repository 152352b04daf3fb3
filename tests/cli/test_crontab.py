"""devices.py crontab: the lines, and what becomes of the account's own, with a stand-in for crontab and the real one."""


import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.crontab import schedules
from tests.checkout import CHECKOUT, write_script
from tests.home import Home, Outcome, unmeasured

OWN = b"# my own\nMAILTO=me@example.org\n*/7 * * * * echo 100\\% \xff\n\n"
STAND_IN = """
case "$1" in
    -l) [ -e "{0}" ] && cat "{0}" || {{ echo "no crontab for you" >&2; exit 1; }};;
    -r) rm "{0}";;
    *) cat > "{0}.new"; grep -q REFUSED "{0}.new" && {{ echo 'bad minute' >&2; exit 1; }}; mv "{0}.new" "{0}";;
esac"""
USER = 54321


class Account:
    """A home with blanks and a % in its path, and an account whose crontab is a file."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "100% our flat")
        self.home.write_config(collectors={"hue": {}, "amazon_aqm": {"enabled": False}})
        self.file = folder / "crontab of mine"
        (folder / "bin").mkdir()
        write_script(folder / "bin" / "crontab", STAND_IN.format(self.file))
        self.path = f"{folder / 'bin'}:/usr/bin:/bin"

    def run(self, *arguments: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, str(CHECKOUT / "devices.py"), "--config", str(self.home.config), "crontab", *arguments],
            capture_output=True, text=True, timeout=60, cwd="/", env={**os.environ, "PATH": self.path})
        return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def test_each_line_runs_as_cron_would_run_it(account: Account) -> None:
    """By sh, in another folder, with a bare environment, each \\% being a %."""
    account.home.write_config(collectors={"hue": {"bridge_ip": "http://127.0.0.1:9", "discovery_url": None}})
    begin, collect, check, end = account.run().out.splitlines()
    assert (begin[0], end[0]) == ("#", "#") and collect.startswith("*/5 * * * * ") and check.startswith("30 7 * * * ")
    assert "%" not in collect.replace("\\%", "")
    done = [subprocess.run(["sh", "-c", line.split(" ", 5)[5].replace("\\%", "%")], capture_output=True, text=True,
                           cwd="/", env={"PATH": "/usr/bin:/bin"}) for line in (collect, check)]
    assert "hue.api_key" in done[0].stderr and done[0].returncode == 2
    assert "secrets" in done[1].stdout and str(account.home.folder) in done[1].stdout


def test_disabled_collectors_have_no_line_and_publishers_have_one_if_any_is_enabled(account: Account) -> None:
    assert "amazon_aqm" not in account.run().out and "-m publishers" not in account.run().out
    account.home.write_config(collectors={"hue": {"enabled": False}, "amazon_aqm": {"enabled": True}})
    assert "collectors.amazon_aqm" in account.run().out and "collectors.hue" not in account.run().out


@pytest.mark.parametrize("own", [b"", OWN, b"@daily true"])
def test_all_other_lines_stay_byte_for_byte(own: bytes, account: Account) -> None:
    if own:
        account.file.write_bytes(own)
    assert account.run("--install").code == 0
    installed = account.file.read_bytes()
    assert installed.startswith(own) and b"collectors.hue" in installed
    account.file.write_bytes(installed + b"# later\n")
    account.home.write_config(collection={"interval_seconds": 900})
    assert account.run("--install").code == 0
    assert account.file.read_bytes() == installed.replace(b"*/5 * * * * cd", b"*/15 * * * * cd") + b"# later\n"
    assert account.run("--remove").code == 0
    assert account.file.read_bytes() in (own + b"# later\n", own + b"\n# later\n")


def test_a_second_home_has_lines_of_its_own(account: Account, tmp_path: Path) -> None:
    account.run("--install")
    first = account.file.read_bytes()
    (tmp_path / "second").mkdir()
    other = Account(tmp_path / "second")
    other.path = account.path
    assert other.run("--install").code == 0 and account.file.read_bytes().startswith(first)
    assert other.run("--remove").code == 0 and account.file.read_bytes() == first
    assert account.run("--remove").code == 0 and not account.file.exists()
    assert account.run("--remove").code == 0


def test_lines_put_in_by_hand_are_pointed_out(account: Account) -> None:
    account.file.write_text('*/5 * * * * cd "$HOME_MONITOR" && .venv/bin/python -m collectors.hue\n')
    assert ".venv/bin/python -m collectors.hue" in account.run("--install").err


@pytest.mark.parametrize("trouble", ["refused", "a lost mark", "not allowed", "no crontab"])
def test_in_trouble_the_crontab_stays_as_it_was(trouble: str, account: Account, tmp_path: Path) -> None:
    content = OWN + (b"REFUSED\n" if trouble == "refused" else b"")
    if trouble == "a lost mark":
        account.file.write_bytes(OWN)
        account.run("--install")
        content = b"".join(line for line in account.file.read_bytes().splitlines(True) if not line.startswith(b"# <<<"))
    account.file.write_bytes(content)
    if trouble == "not allowed":
        write_script(tmp_path / "bin" / "crontab", "echo 'You (me) are not allowed to use this program' >&2; exit 1")
    if trouble == "no crontab":
        account.path = str(tmp_path)
    done = account.run("--install")
    assert done.code == 2 and "Remedy: " in done.err and "Traceback" not in done.err
    assert account.file.read_bytes() == content


@pytest.mark.parametrize(("seconds", "expected"), [
    (30, [("* * * * *", 0), ("* * * * *", 30)]), (60, [("* * * * *", 0)]), (300, [("*/5 * * * *", 0)]),
    (420, [("*/6 * * * *", 0)]), (3600, [("0 * * * *", 0)]), (18_000, [("0 */4 * * *", 0)]),
    (86_400, [("0 0 * * *", 0)])])
def test_an_interval_that_cron_cannot_keep_becomes_a_shorter_one(
        seconds: int, expected: list[tuple[str, int]]) -> None:
    assert schedules(seconds) == expected


@pytest.fixture
def ordinary_user(shared_folder: Path) -> Iterator[Home]:
    """A home whose owner has no crontab yet, on a machine with the real crontab command."""
    if os.geteuid() != 0 or not shutil.which("crontab") or not shutil.which("unshare"):
        pytest.skip("the real crontab command is tried as root, in a namespace")
    home = Home(shared_folder / "home")
    home.write_config()
    for path in (shared_folder, *shared_folder.rglob("*")):
        os.chown(path, USER, USER)
    yield home


def test_the_real_crontab_command_takes_the_lines(ordinary_user: Home, tmp_path: Path) -> None:
    """Run by root, the lines go into the crontab of the home's owner, who exists in this namespace only."""
    accounts = tmp_path / "passwd"
    accounts.write_text(Path("/etc/passwd").read_text() + f"household:*:{USER}:{USER}::/:/bin/sh\n")
    script = f"""
        mount -t tmpfs -o "mode=1730,gid=$(stat -c %g /var/spool/cron/crontabs)" tmpfs /var/spool/cron/crontabs
        mount --bind {accounts} /etc/passwd
        "$0" "$1" --config "$2" crontab --install && crontab -u household -l && crontab -l
        "$0" "$1" --config "$2" crontab --remove && crontab -u household -l"""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, str(CHECKOUT / "devices.py"),
         str(ordinary_user.config)], capture_output=True, text=True, env=unmeasured(), timeout=60)
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"a namespace was refused: {done.stderr}")
    assert f"-m collectors.hue --config {ordinary_user.config}\n" in done.stdout, done
    assert done.stderr.splitlines() == ["no crontab for root", "no crontab for household"]
