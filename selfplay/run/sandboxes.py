"""The sandbox that a recipe asks for, in force while its run plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from selfplay.errors import comes_from
from selfplay.run.recipe import SandboxSection
from selfplay.sandbox.backends import Backend
from selfplay.sandbox.judge import Rules
from selfplay.sandbox.pool import CodePool, current_pool, use_pool
from selfplay.sandbox.types import Level


def backend_of(section: SandboxSection) -> Backend:
    """Which sandbox it is.

    Raises:
        UsageError: settings of another backend, or no server for `remote`.
    """
    with comes_from("[sandbox] of the recipe"):
        return Backend(section.backend, section.workers, section.image, section.runtime, section.paranoid, section.url)


@contextmanager
def in_force(section: SandboxSection, run: str) -> Iterator[None]:
    """Inside it, programs are judged as `section` says; a section that says nothing changes nothing.

    Args:
        section: of the recipe.
        run: what its containers are labelled with.

    Raises:
        UsageError: settings that cannot work, or a sandbox that is weaker than the recipe allows.
        RunError: it cannot be started.
    """
    if section == SandboxSection():
        yield
        return
    rules = Rules(
        Level[section.min_level],
        section.allow_weak_sandbox,
        section.allow_low_integrity,
        section.masked_share,
        section.masked_count,
    )
    backend, before = backend_of(section), current_pool()
    pool = CodePool(lambda: backend.make(run), rules)
    use_pool(pool)
    try:
        with comes_from("[sandbox] of the recipe"):
            pool.carry_out([])  # starts it: whatever is wrong is to be seen before there is a run
        yield
    finally:
        use_pool(before)
