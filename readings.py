"""Look at what was measured, and restore a backup: see `python readings.py --help`.

Exit codes are the collectors': 0 all is well, 1 a later run may succeed, 2 a human is needed.
"""

import runtime.interpreter  # noqa: F401 - first: it changes to another Python if this one cannot run the rest

# isort: split
from datetime import datetime, timezone

import click

import config
from cli.context import CommandContext
from cli.group import LateCommands
from runtime import VERSION


class Commands(LateCommands):
    modules = {
        "restore": "cli.restoring",
        "latest": "cli.latest",
        "history": "cli.history",
        "stats": "cli.stats",
        "export": "cli.exporting",
        "import": "cli.importing",
        "check": "cli.checking",
    }


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, message="%(version)s")
@click.option("--config", "config_path", metavar="PATH", help="Default: $HOME_MONITOR_CONFIG, else config/config.yaml.")
@click.pass_context
def main(context: click.Context, config_path: str | None) -> None:
    """Look at the readings of the home temperature monitor, and restore a backup of them."""
    context.obj = CommandContext(config.find(config_path), lambda: datetime.now(timezone.utc).replace(microsecond=0))
    context.obj.speak_as("readings")


if __name__ == "__main__":
    main()
