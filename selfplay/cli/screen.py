"""What commands print with: what was asked for goes to stdout, everything else to stderr.

Text from models and games is hostile: it goes through `inert` and is printed as `rich.text.Text` or a plain string with
markup switched off, so it can neither colour the terminal nor move its cursor. Where output is no terminal there are no
colours and no line is folded.
"""

from __future__ import annotations

import json as jsonlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from selfplay.types import Json
from selfplay.watch.words import inert

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_state = {"quiet": False, "verbose": False}
PIPE_WIDTH = 160


def configure(*, quiet: bool, verbose: bool) -> None:
    """Settings of this process: `quiet` silences `say`, `verbose` shows what libraries log."""
    _state.update(quiet=quiet, verbose=verbose)
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)


def verbose() -> bool:
    return _state["verbose"]


def quiet() -> bool:
    return _state["quiet"]


@cache
def _console(stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = PIPE_WIDTH
    return console


def out() -> Console:
    """For what was asked for."""
    return _console(False)


def show(*what: RenderableType, style: str | None = None) -> None:
    """Print to stdout."""
    out().print(*what, style=style, soft_wrap=not out().is_terminal and all(isinstance(x, str) for x in what))


def json(value: Json) -> None:
    """Print `value` as JSON to stdout."""
    print(jsonlib.dumps(value, indent=2))


def say(text: str, style: str = "dim") -> None:
    """A remark on stderr; not with `-q`."""
    if not quiet():
        from rich.text import Text

        _remark(Text(text, style))


def notice(text: str) -> None:
    """A message on stderr that `-q` does not silence."""
    from rich.text import Text

    _remark(Text(inert(text)))


def error(text: str) -> None:
    """An error message on stderr."""
    from rich.text import Text

    _remark(Text.assemble(("error: ", "bold red"), inert(text)))


def _remark(text: Text) -> None:
    console = _console(True)
    console.print(text, soft_wrap=not console.is_terminal)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> Table:
    """A plain table: no lines, numbers to the right, no markup."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(x if isinstance(x, Text) else Text(inert(str(x))) for x in row))
    return grid


@contextmanager
def waiting(text: str, *, unless: bool = False) -> Iterator[None]:
    """Shows on a terminal that something goes on, for as long as the block lasts."""
    console = _console(True)
    if unless or quiet() or not console.is_terminal:
        yield
    else:
        with console.status(text):
            yield


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int, float], None]]:
    """A bar on a terminal, for functions that report (step, steps, loss); elsewhere a line every tenth of the way."""
    console = _console(True)
    if quiet() or not console.is_terminal:
        yield lambda step, steps, loss: None if step * 10 % steps >= 10 else say(f"{text}: {step} of {steps}")
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(text), BarColumn(), TextColumn("{task.completed}/{task.total}  {task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(text, total=None, loss="")
        yield lambda step, steps, loss: bar.update(task, completed=step, total=steps, loss=f"loss {loss:.3f}")
