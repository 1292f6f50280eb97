"""Starting and resuming runs: the folder, the lock, Ctrl-C, and what a run's end means.

`league` is the function behind ``selfplay league``. It blocks until the run ends; `selfplay watch` looks at it from
anywhere meanwhile.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from selfplay.errors import SelfplayError, UsageError
from selfplay.policies.api import CapReached
from selfplay.record import events
from selfplay.record.folder import Checkpoint, RunFolder
from selfplay.record.info import Status, new_info, write_atomically
from selfplay.record.log import cannot_write
from selfplay.record.run import Run
from selfplay.record.writer import RunWriter
from selfplay.run.paid import PaidReplies
from selfplay.run.players import pinned
from selfplay.run.recipe import Recipe
from selfplay.run.recipe_file import load_recipe, parse_toml, recipe_from, set_keys, to_toml
from selfplay.run.sandboxes import in_force

if TYPE_CHECKING:
    from selfplay.run.loop import Loop
    from selfplay.run.parts import Parts

_LOG = logging.getLogger("selfplay")

MAY_CHANGE = (
    "name",
    "about",
    "limits.",
    "api.",
    "sandbox.",
    "health",
    "evaluation.",
    "schedule.checkpoint_every",
    "schedule.keep_checkpoints",
)
"""Beginnings of recipe keys that a resumed run may change: they touch no game, no sample and no gradient."""


class Stopped(SelfplayError):
    """The person stopped the run; everything is saved."""

    exit_code = 130


def league(
    recipe: str | Path | Recipe | None = None,
    *,
    overrides: Sequence[str] = (),
    root: str | Path = "runs",
    name: str | None = None,
    resume: str | Path | None = None,
    on_start: Callable[[Run], None] | None = None,
) -> Run:
    """Play and learn as a recipe says; returns when the run has ended.

    Args:
        recipe: a recipe file, or a recipe. Not needed to resume.
        overrides: ``a.b=value``, on top of the file.
        root: where runs are kept.
        name: of the run, instead of the recipe's.
        resume: a run to go on with (path, id or ``last``) instead of starting one.
        on_start: called with the run once its folder is there, before any work; viewers attach here.

    Raises:
        UsageError: anything wrong with the recipe, the folder, or resuming with a recipe that differs in more than
            `MAY_CHANGE`. Nothing was started.
        RunError: the run failed, or a health rule stopped it; what it had finished is in the folder.
        Stopped: Ctrl-C.
    """
    if resume is not None:
        folder = RunFolder.open(resume, root)
        resolved = _resumed_recipe(folder, recipe, overrides, root)
        with in_force(resolved.sandbox, folder.path.name):
            return _work(folder, resolved, _prepare(resolved, str(root)), on_start, resumed=True)
    if recipe is None:
        raise UsageError("no recipe given\n  recipes that come with the project: examples/*/*.toml")
    resolved, text = _resolve(recipe, overrides)
    if name:
        resolved = resolved.model_copy(update={"name": name})
    resolved = _pinned(resolved, root)
    with in_force(resolved.sandbox, resolved.name or "run"):
        prepared = _prepare(resolved, str(root))
        info = new_info(resolved.name or "run", resolved.seed, game=resolved.game.id)
        folder = RunFolder.create(root, resolved.name or "run", to_toml(resolved), text, info)
        return _work(folder, resolved, prepared, on_start, resumed=False)


def _resolve(recipe: str | Path | Recipe, overrides: Sequence[str]) -> tuple[Recipe, str]:
    if not isinstance(recipe, Recipe):
        return load_recipe(recipe, overrides)
    text = to_toml(recipe)
    return recipe_from(set_keys(parse_toml(text, "recipe"), overrides), overrides=overrides), text


def _pinned(recipe: Recipe, root: str | Path, threads: int = 0) -> Recipe:
    """Settings that were left to the machine or to the day, written out: a resumed run must not choose again."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = recipe.policy.threads or threads or cores
    policy = recipe.policy.model_copy(update={"threads": count, "base": pinned(recipe.policy.base, root)})
    roles = {
        name: role.model_copy(update={key: pinned(getattr(role, key), root) for key in ("player", "opponent")})
        for name, role in recipe.roles.items()
    }
    return recipe.model_copy(update={"policy": policy, "roles": roles})


def _prepare(recipe: Recipe, root: str) -> Parts:
    """Everything the loop is made of, so that what is wrong with a recipe is found before a folder is made."""
    from selfplay.run.parts import Parts

    return Parts.of(recipe, root)


def _resumed_recipe(
    folder: RunFolder, recipe: str | Path | Recipe | None, overrides: Sequence[str], root: str | Path
) -> Recipe:
    """The recipe of a run's folder with the changes that resuming allows.

    Raises:
        UsageError: a change that would make another run of it.
    """
    stored = parse_toml(folder.config.read_text("utf-8"), str(folder.config))
    old = recipe_from(stored, origin=str(folder.config))
    if recipe is None:
        new = recipe_from(set_keys(stored, overrides), origin=str(folder.config), overrides=overrides)
    else:
        new = _pinned(_resolve(recipe, overrides)[0], root, threads=old.policy.threads)
    before, after = _leaves(old.model_dump()), _leaves(new.model_dump())
    changes = [
        key for key in sorted({*before, *after}) if before.get(key) != after.get(key) and not key.startswith(MAY_CHANGE)
    ]
    if changes:
        shown = "\n".join(f"    {key}: {before.get(key)!r} -> {after.get(key)!r}" for key in changes[:5])
        raise UsageError(
            f"run {folder.path.name} was made by another recipe:\n{shown}\n"
            f"  a resumed run may change {', '.join(MAY_CHANGE)}; start a new run for anything else"
        )
    return new


def _leaves(data: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(data, dict):
        return {k: v for name, inner in data.items() for k, v in _leaves(inner, f"{prefix}.{name}".lstrip(".")).items()}
    return {prefix: list(data) if isinstance(data, tuple) else data}


def _work(
    folder: RunFolder, recipe: Recipe, parts: Parts, on_start: Callable[[Run], None] | None, *, resumed: bool
) -> Run:
    from selfplay.run.loop import HealthStop, Loop, StopRequested
    from selfplay.run.resume import Salvage

    run, resume = Run(folder), f"resume with: selfplay league --resume {folder.handle}"
    with RunWriter(folder) as writer:
        if resumed and recipe.schedule.mode == "fast":
            done = folder.sealed()
            Salvage(folder).collect(done[-1].generation if done else -1)
        checkpoint = folder.rewind() if resumed else None
        if folder.config.read_text("utf-8") != to_toml(recipe):  # what a resumed run may change is kept for the next
            write_atomically(folder.config, to_toml(recipe))
        try:
            if parts.cast.endpoints.used:
                parts.cast.endpoints.keep(PaidReplies(folder.paid))
            loop = Loop(recipe, parts, writer)
            if checkpoint is not None:
                loop.restore(checkpoint.generation, checkpoint.path)
            _announce(writer, recipe, loop, checkpoint)
            if on_start is not None:
                on_start(run)
            with _interrupts(loop), _logged(folder):
                loop.run()
        except (StopRequested, KeyboardInterrupt) as stop:
            saved = isinstance(stop, StopRequested)
            _end(writer, Status.STOPPED, "stopped by Ctrl-C")
            raise Stopped(
                f"stopped{', everything saved' if saved else ' at once; the last checkpoint counts'}\n  {resume}"
            ) from None
        except (HealthStop, CapReached) as stop:
            _end(writer, Status.STOPPED, str(stop))
            stop.add_note(f"  {resume}")
            raise
        except BaseException as error:
            _try_end(writer, Status.FAILED, f"{type(error).__name__}: {error}")
            error.add_note(f"  {resume}")
            raise
        _end(writer, Status.DONE, "all generations played")
    return run


class _LogFile(logging.FileHandler):
    """Keeps silent when the disk is full: the run's own logs say so soon enough."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextmanager
def _logged(folder: RunFolder) -> Iterator[None]:
    """Warnings of all libraries, and the traceback of what ended the run, go to ``logs/latest/main.log``."""
    try:
        handler = _LogFile(folder.new_attempt() / "main.log", encoding="utf-8")
    except OSError as error:
        raise cannot_write(folder.logs, error.strerror) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    except BaseException:
        _LOG.exception("the run ended here")
        raise
    finally:
        root.removeHandler(handler)
        with suppress(OSError):  # what a full disk did not take
            handler.close()


def _announce(writer: RunWriter, recipe: Recipe, loop: Loop, checkpoint: Checkpoint | None) -> None:
    info = writer.folder.info()
    if checkpoint is not None:
        writer.event(events.run_resumed(info.attempts, checkpoint.generation))
    else:
        roles = {role: list[str]() for role in loop.game.roles}
        writer.event(events.run_started(info.id, recipe.game.id, recipe.name, recipe.schedule.generations, roles))


def _end(writer: RunWriter, status: Status, reason: str) -> None:
    writer.event(events.run_ended(status.value, reason))
    writer.end(status)


def _try_end(writer: RunWriter, status: Status, reason: str) -> None:
    """State the end if the disk still lets us; the error that ended the run matters more."""
    with suppress(SelfplayError, OSError):
        _end(writer, status, reason)


@contextmanager
def _interrupts(loop: Loop) -> Iterator[None]:
    """Ctrl-C once: finish the generation, save, stop. Twice: stop now."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(signum: int, frame: FrameType | None) -> None:
        if loop.stop:
            raise KeyboardInterrupt
        loop.stop = True

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
