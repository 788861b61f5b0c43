"""Writing for people and for pipes.

Guarantee: whatever does not go to a terminal is plain: no colour, no box, no spinner, one row a
line with tabs between the columns.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def on_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout.isatty()


def console(*, stderr: bool = False) -> Console:
    """A rich console; `NO_COLOR` and `TERM=dumb` are heeded."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, force_terminal=stream.isatty(), highlight=False)


def note(text: str) -> None:
    """A line for the person at the terminal that is not part of the result."""
    click.echo(text, err=True)


def progress(text: str) -> AbstractContextManager[object]:
    """Show on a terminal that something takes its time."""
    if not sys.stderr.isatty():
        return nullcontext()
    return console(stderr=True).status(escape(text))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output."""
    if not on_terminal():
        for row in (columns, *rows):
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    table = Table(*columns, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    console().print(table)


def write_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2))
