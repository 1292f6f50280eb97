"""The live view: what it shows at each width, of which runs, and that leaving it leaves the run alone."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from selfplay.record import Run, RunFolder, RunWriter, Status, events
from selfplay.record.live import LiveFeed
from selfplay.types import MatchRecord
from selfplay.watch.state import RunState
from selfplay.watch.terminal import LiveView, frame, plain_line, watch

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def picture(run: Run, width: int = 140, height: int = 40) -> list[str]:
    """The frame's lines without colours."""
    state = RunState(run)
    state.refresh()
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(frame(state, width, height))
    return [_STYLE.sub("", line).rstrip() for line in console.file.getvalue().split("\n")]  # type: ignore[attr-defined]


def test_wide_shows_everything(run: Run) -> None:
    lines = picture(run)
    text = "\n".join(lines)
    assert re.match(rf"countdown-tiny  {run.info.id}  killed +gen 8/20   00:00:16$", lines[0])
    assert "█░" in lines[1] and "errors 0   matches 96   fouls 2.0%" in lines[1]
    assert re.search(r"3     \.54  \[ \.44  \.63\]  ▁▃▄▆█ \+\.14", text)
    assert re.search(r"mean  \.31  \[ \.27  \.37\]", text)
    assert re.search(r"entropy    0\.63   █▇▆▅▄▃▂▁ +0\.63", text) and "proposer" in text
    assert "LAST  g0007-m0011  countdown" in text and "✗ not an expression" in text
    assert all(cell_len(line) <= 140 for line in lines)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 8), (40, 12), (300, 60), (140, 16)])
def test_it_fits_any_screen(run: Run, width: int, height: int) -> None:
    lines = picture(run, width, height)[:-1]
    assert len(lines) <= height and all(cell_len(line) <= width for line in lines)
    assert run.info.id in lines[0] and "errors 0" in lines[1]
    assert ("mean  .31" in "\n".join(lines)) == (height > 8), "held-out results stay as long as there is room"


def test_a_running_run_has_speed_eta_and_a_live_match(
    run_of: Callable[..., RunFolder], match_of: Callable[..., MatchRecord]
) -> None:
    folder = run_of(generations=6, planned=20)
    with RunWriter(folder) as writer:
        writer.event(events.generation_started(6, 12))
        for number in range(3):
            writer.match(match_of(6, number, 0.5))
        record = match_of(6, 3, 0.5)
        feed = LiveFeed(writer)
        for move in record.moves[:1]:
            feed.on_move(record.pairing, move)
        state = RunState(Run(folder))
        state.refresh()
        assert (state.generation, state.closed, state.fresh_matches, state.matches) == (6, 6, 3, 75)
        assert state.progress == pytest.approx((6 + 3 / 12) / 20) and state.tokens_per_s == pytest.approx(540)
        assert state.eta_s == pytest.approx(2.0 * 14, abs=2.0)
        text = "\n".join(picture(Run(folder)))
        assert "running" in text and "540 tok/s   eta 2" in text and "gen 7/20" in text
        assert "LIVE  g0006-m0003" in text and "▌" in text
        writer.match(match_of(6, 4, 0.5))
        state.refresh()
        assert state.fresh_matches == 4


def test_a_run_that_has_only_begun(run_of: Callable[..., RunFolder]) -> None:
    text = "\n".join(picture(Run(run_of(generations=0))))
    assert "gen 1/20" in text and "no update yet" in text and "none yet" in text and "fouls -" in text


def test_alarms_warnings_and_the_first_error_are_named(folder: RunFolder) -> None:
    with RunWriter(folder) as writer:
        writer.event(events.error("worker 0", "RuntimeError: boom", log="logs/latest/main.log", match="g0001-m0002"))
        writer.event(events.error("worker 1", "another"))
        writer.event(events.alarm("canary/fall_p", "stop", "fell from .34 to .29"))
        writer.event(events.warning("slow"))
        writer.event(events.run_ended("stopped", "health rule"))
        writer.end(Status.STOPPED)
    text = "\n".join(picture(Run(folder)))
    assert "✗ ERROR (+1 more) worker 0 g0001-m0002: RuntimeError: boom   log: logs/latest/main.log" in text
    assert "▲ ALARM canary/fall_p → stop: fell from .34 to .29" in text and "! WARN slow" in text
    assert "run stopped: health rule" in text and "errors 2" in text


def test_a_rewind_is_followed(folder: RunFolder, play: Callable[..., None]) -> None:
    state = RunState(Run(folder))
    state.refresh()
    assert len(state.metrics) == 8 and len(state.canaries) == 5
    folder.rewind()
    with RunWriter(folder) as writer:
        writer.event(events.run_started("x", "countdown", "", 5))
        play(writer, 0)
        state.refresh()
    assert (len(state.metrics), len(state.canaries), state.planned, state.closed) == (1, 0, 5, 1)


def test_hostile_text_is_shown_and_does_nothing(run_of: Callable[..., RunFolder], hostile: str) -> None:
    folder = run_of(generations=2, text=hostile)
    with RunWriter(folder) as writer:
        writer.event(events.error(hostile, hostile, log=hostile))
        writer.event(events.alarm(hostile, hostile, hostile))
        writer.event(events.warning(hostile))
        text = "\n".join(picture(Run(folder)))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", text)
    assert "␛[2J␛]0;owned␇[bold red]x[/] [/nope] <script>" in text


def test_without_a_terminal_there_is_one_plain_line_per_period(run: Run) -> None:
    state = RunState(run)
    state.refresh()
    assert plain_line(state) == "gen 8/20 matches 96 held-out .31±.05 foul 2.0% errors 0 killed"
    out = io.StringIO()
    with LiveView(run, console=Console(file=out, width=60), background=False, plain_period_s=60) as view:
        for _ in range(5):
            view.refresh()
    assert out.getvalue() == (plain_line(state) + "\n") * 2, "at once, and at the end"
    out = io.StringIO()
    watch(run, console=Console(file=out))
    assert plain_line(state) in out.getvalue()


def test_a_damaged_log_is_shown_and_tried_again(folder: RunFolder) -> None:
    good = folder.metrics.read_bytes()
    folder.metrics.write_bytes(b"{broken\n" + good)
    out = io.StringIO()
    with LiveView(Run(folder), console=Console(file=out, width=200), background=False, plain_period_s=0) as view:
        view.refresh()
        assert "metrics.jsonl is damaged: line 1" in out.getvalue()
        folder.metrics.write_bytes(good)
        view.refresh()
    assert out.getvalue().rstrip().endswith("errors 0 killed")


def test_the_background_view_follows_the_run_and_leaves_its_last_picture(
    run_of: Callable[..., RunFolder], play: Callable[..., None]
) -> None:
    folder = run_of(generations=1)
    console = Console(file=io.StringIO(), force_terminal=True, width=120, height=40)
    with RunWriter(folder) as writer, LiveView(Run(folder), console=console, period_s=0.02) as view:
        play(writer, 1)
        deadline = time.monotonic() + 10
        while view.state.closed < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert view.state.closed == 2
        writer.end(Status.DONE)
    text = _STYLE.sub("", console.file.getvalue())  # type: ignore[attr-defined]
    _, _, after = text.rpartition("\x1b[?1049l")  # the alternate screen was left
    assert "gen 2/20" in after and "done" in after


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_leaving_the_view_leaves_the_run_alone(folder: RunFolder, key: bytes) -> None:
    code = "import sys; from selfplay.record import open_run; from selfplay.watch.terminal import watch\n"
    code += "watch(open_run(sys.argv[1]), period_s=0.05)"
    with RunWriter(folder):
        before = {p: p.stat().st_mtime_ns for p in Path(folder.path).rglob("*") if p.is_file()}
        main, side = pty.openpty()
        command = [sys.executable, "-c", code, str(folder.path)]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        viewer = subprocess.Popen(
            command, stdin=side, stdout=side, stderr=side, env=environment, start_new_session=True,
            preexec_fn=_own_terminal, cwd=folder.path.parents[1],
        )  # fmt: skip
        os.close(side)
        seen = _read_until(main, b"HELD-OUT")
        os.write(main, key)
        seen += _read_until(main, b"selfplay watch " + folder.info().id.encode())
        assert viewer.wait(10) == 0 and b"Traceback" not in seen
        os.close(main)
        assert {p: p.stat().st_mtime_ns for p in Path(folder.path).rglob("*") if p.is_file()} == before
        assert folder.info().status is Status.RUNNING


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_keyboard_a_run_is_watched_to_its_end(folder: RunFolder, closed: bool) -> None:
    code = "import sys; from selfplay.record import open_run; from selfplay.watch.terminal import watch\n"
    code += "watch(open_run(sys.argv[1]))"
    with RunWriter(folder) as writer:
        writer.end(Status.DONE)
    command = [sys.executable, "-c", code, str(folder.path)]
    close = (lambda: os.close(0)) if closed else None
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder.path.parents[1],
        preexec_fn=close, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "done" in done.stdout, done.stderr


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read_until(fd: int, wanted: bytes, timeout_s: float = 20.0) -> bytes:
    data, deadline = b"", time.monotonic() + timeout_s
    while wanted not in data and time.monotonic() < deadline:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                data += os.read(fd, 65536)
            except OSError:
                break
    assert wanted in data, data[-2000:]
    return data
