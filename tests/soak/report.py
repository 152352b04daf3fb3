"""docs/soak.md, from what the phases left."""
from pathlib import Path


def write(results: Path, page: Path) -> None:
    """Write the page."""
