"""Makes the files that the user writes: config.yaml and secrets.yaml, and the folder data. It never overwrites one."""

import os
from pathlib import Path

import click

import config
from runtime.commands import command
from runtime.files import drop_to_owner, translate, write_atomically


def path_in(folder: str) -> Path:
    """Return the path of config.yaml in a folder, which need not exist."""
    return Path(os.path.abspath(folder)) / "config" / "config.yaml"


def make(path: Path) -> None:
    """Given the path of config.yaml, make missing files; print their names and the next step.

    Raise StorageError if a file cannot be made.
    """
    root, secrets = path.parent.parent, path.with_name("secrets.yaml")
    drop_to_owner(next(folder for folder in (path.parent, *path.parents) if folder.is_dir()))
    made = [
        _make(path, config.EXAMPLE_PATH, 0o644), _make(secrets, config.EXAMPLE_PATH.with_name("secrets.yaml.example"), 0o600),
        _make_folder(root / "data")]
    for name in filter(None, made):
        click.echo(f"Made {name}")
    if not any(made):
        click.echo(f"{path}, {secrets} and {root / 'data'} are there already, and were left as they are.")
        return
    config.find(str(path))  # the one in use from here on
    click.echo(f"Next: {command('devices.py', 'pair', 'hue')}")


def _make(path: Path, example: Path, mode: int) -> Path | None:
    if os.path.lexists(path):
        return None
    _make_folder(path.parent)
    try:
        write_atomically(path, example.read_bytes(), mode)
    except OSError as error:
        raise translate(error, path) from error
    return path


def _make_folder(path: Path) -> Path | None:
    if path.is_dir():
        return None
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise translate(error, path) from error
    return path
