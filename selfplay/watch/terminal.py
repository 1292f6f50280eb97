"""The live view of a run in a terminal: reads the run folder, survives the run, never touches it.

`LiveView` is used by `selfplay watch` and, from a thread of its own, by the process that plays (`with LiveView(run):`).
Where output is no terminal it prints one plain line every ten seconds instead.
"""

from __future__ import annotations

import contextlib
import select
import sys
import threading
import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from selfplay.errors import SelfplayError
from selfplay.record.intervals import mean_rate
from selfplay.record.run import Run
from selfplay.watch import panels
from selfplay.watch.state import RunState
from selfplay.watch.words import one_line, percent, share, span

WIDE = 100
"""From this width on, panels stand side by side."""


def frame(state: RunState, width: int, height: int, footer: str = "") -> Group:
    """The whole view, in at most `height` lines; what does not fit is left out, least important first."""
    top = [panels.headline(state, width), panels.bar(state, width), Text()]
    bottom = panels.notices(state, width) + ([Text(footer, "dim", no_wrap=True)] if footer else [])
    room = max(0, height - len(top) - len(bottom))
    if width >= WIDE:
        left = width * 2 // 5
        columns = [panels.held_out(state, left - 2), panels.generation(state, width - left - 1)]
        tall = min(room, max(map(len, columns)))
        body: list[Table | Text] = [_beside(columns, left, tall)]
        used = tall
    else:
        lines = panels.held_out(state, width)
        numbers = panels.generation(state, width)
        if len(lines) + 1 + len(numbers) <= room:
            lines += [Text(), *numbers]
        body, used = [*lines[:room]], min(room, len(lines))
    left_over = room - used - 2
    if left_over >= 3:
        body += [Text(), *panels.match(state, width, min(left_over, 18)), Text()]
    return Group(*top, *body, *bottom)


def plain_line(state: RunState) -> str:
    """The state of a run in one line, for logs and pipes."""
    generation = f"gen {min((state.generation or 0) + 1, state.planned or 10**9)}"
    parts = [generation + (f"/{state.planned}" if state.planned else ""), f"matches {state.matches}"]
    if state.canaries:
        mean = mean_rate(panels.marks_of(state.canaries[-1]))
        parts.append(f"held-out {share(mean.value)}±{share(mean.half_width)}")
    parts += [f"foul {percent(state.foul_rate)}", f"errors {len(state.errors)}"]
    parts.append(state.status if state.ended else f"eta {span(state.eta_s)}")
    return " ".join(parts)


class LiveView:
    """Shows a run while the `with` block lasts, and leaves the last picture on the screen.

    Args:
        run: any run, being played or not.
        console: where to; standard output by default.
        period_s: how often the thread looks (`background`); a plain line is printed every `plain_period_s`.
        background: refresh from a thread; without it, call `refresh`.
    """

    def __init__(
        self,
        run: Run,
        *,
        console: Console | None = None,
        period_s: float = 0.5,
        plain_period_s: float = 10.0,
        background: bool = True,
        footer: str = "",
    ) -> None:
        self.state = RunState(run)
        self.console = console or Console()
        self._period, self._plain_period, self._footer = period_s, plain_period_s, footer
        self._printed = float("-inf")
        self._live: Live | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="selfplay-view", daemon=True) if background else None

    def __enter__(self) -> LiveView:
        if self.console.is_terminal:
            self._live = Live(Text(), console=self.console, screen=True, auto_refresh=False, vertical_overflow="crop")
            self._live.__enter__()
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._live is not None:
            self._live.__exit__(kind, error, at)
            self._live = None
            with contextlib.suppress(SelfplayError):
                self.state.refresh()
            self.console.print(frame(self.state, self.console.width, 40))
        else:
            self.refresh(last=True)

    def refresh(self, *, last: bool = False) -> None:
        """Read what is new and show it; trouble in reading is shown too, and reading is tried again next time."""
        problem = ""
        try:
            self.state.refresh()
        except (SelfplayError, OSError) as error:
            problem = str(error)
        if self._live is not None:
            width, height = self.console.size
            picture = frame(self.state, width, height - 1, self._footer)
            self._live.update(Group(picture, Text(one_line(problem, width), "bold red")), refresh=True)
        elif last or time.monotonic() - self._printed >= self._plain_period:
            self._printed = time.monotonic()
            self.console.print(Text(problem or plain_line(self.state)), soft_wrap=True)

    def _loop(self) -> None:
        while not self._stop.wait(self._period):
            self.refresh()


def watch(run: Run, *, console: Console | None = None, period_s: float = 0.5) -> None:
    """Show a run until it ends, or until the person presses q or Ctrl-C, which leaves the run alone."""
    console = console or Console()
    footer = "[q] leave the view; the run goes on"
    view = LiveView(run, console=console, background=False, footer=footer)
    left = False
    with view, _Keys() as keys:
        try:
            view.refresh()
            while not view.state.ended and not left:
                left = keys.pressed(period_s) == "q"
                view.refresh()
        except KeyboardInterrupt:
            left = True
    if left and not view.state.ended:
        back = f"selfplay watch {run.folder.handle}"
        console.print(Text(f"left the view; the run goes on. Come back with: {back}"), soft_wrap=True)


class _Keys:
    """Single key presses, where standard input is a terminal."""

    def __enter__(self) -> _Keys:
        self._saved: list[object] | None = None
        with contextlib.suppress(ImportError, OSError, ValueError):
            import termios
            import tty

            if sys.stdin is not None and sys.stdin.isatty():
                self._saved = termios.tcgetattr(sys.stdin.fileno())
                tty.setcbreak(sys.stdin.fileno())
        return self

    def __exit__(self, *exc: object) -> None:
        if self._saved is not None:
            import termios

            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._saved)  # type: ignore[arg-type]

    def pressed(self, timeout_s: float) -> str:
        """The key pressed within `timeout_s`, or an empty string after it."""
        if self._saved is None:
            time.sleep(timeout_s)
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], timeout_s)
        return sys.stdin.read(1) if ready else ""


def _beside(columns: list[panels.Lines], left: int, height: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=left - 1, no_wrap=True, overflow="crop")
    table.add_column(no_wrap=True, overflow="crop")
    table.add_row(*(Group(*lines[:height]) for lines in columns))
    return table
