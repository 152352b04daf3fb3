"""A real PostgreSQL server in a temporary folder, which listens on a Unix socket only.

    with PostgreSQL() as server:
        rows = server.rows("SELECT 1 AS one")
"""

import csv
import io
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

OWNER = "postgres"
FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)) or [
    Path(command).parent for command in [shutil.which("pg_ctl")] if command]


def account() -> str | None:
    """Return the account that runs the server, which refuses to be run by root."""
    return "nobody" if os.geteuid() == 0 else None


class PostgreSQL:
    """`dsn` is for psycopg, as the owner of everything."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # a socket's path has at most 107 bytes
        self.dsn = f"host={self.folder} user={OWNER} dbname=postgres"

    def __enter__(self) -> "PostgreSQL":
        if name := account():
            os.chown(self.folder, pwd.getpwnam(name).pw_uid, -1)
        self.folder.chmod(0o755)
        self._run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "--locale=C", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run("pg_ctl", "-w", f"--log={self.folder}/log", f"--options={options}", "start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run("pg_ctl", "-w", "--mode=immediate", "stop")
        shutil.rmtree(self.folder)

    def rows(self, query: str, user: str = OWNER) -> list[dict[str, str]]:
        """Return the rows of a query, or of the last of several, as text; NULL is empty."""
        done = subprocess.run(["psql", "--no-psqlrc", "--quiet", "--csv", "--set=ON_ERROR_STOP=1", f"--host={self.folder}",
                               f"--username={user}", "--dbname=postgres", f"--command={query}"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [*csv.DictReader(io.StringIO(done.stdout))]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([str(FOLDERS[-1] / program), f"--pgdata={self.folder}/data", *arguments], user=account(), check=True,
                       cwd=self.folder, stdout=subprocess.DEVNULL)
