"""Answers the options of an earlier program with the commands that replace them."""

import click

from cli.group import Commands

FORMER_OPTIONS = {"--set-name": "set-name ID NAME", "--amend-name": "amend-name ID NAME", "--list-devices": "list"}


class FormerOptions(Commands):
    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(context, args)
        except click.NoSuchOption as error:
            if usage := FORMER_OPTIONS.get(error.option_name):
                message = f"{error.option_name} is now a command; use: devices.py {usage}"
                raise click.UsageError(message, context) from None
            raise
