"""A database of its own for every test, and a folder that users other than root can reach."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "data" / "readings.db"


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """pytest's own temporary folders are closed to other users."""
    folder = Path(tempfile.mkdtemp(prefix="readings-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    for each, _, _ in os.walk(folder):  # only root can clear a folder that a test has shut
        os.chmod(each, 0o755)
    shutil.rmtree(folder)
