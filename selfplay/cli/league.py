"""`selfplay league`: start or resume a run, or plan one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Root, Settings, command, new_app
from selfplay.errors import UsageError
from selfplay.record import Run

app = new_app()


@command(
    app,
    examples=(
        "selfplay league examples/countdown/recipe.toml --set learning.lr=1e-4",
        "selfplay league --resume last",
    ),
    more="Ctrl-C once saves and prints how to resume; twice stops at once, and can be resumed too.",
)
def league(
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="A TOML file.")] = None,
    settings: Settings = None,
    resume: Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the resolved recipe and a plan.")] = False,
    generations: Annotated[
        int | None, typer.Option("--generations", min=1, metavar="N", help="Same as --set schedule.generations=N.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="X", help="Name of the run.")] = None,
    root: Root = Path("runs"),
    no_live: Annotated[bool, typer.Option("--no-live", help="No view, only the table at the end.")] = False,
    json: JsonFlag = False,
) -> None:
    """Let a model improve by playing against itself and others, as a recipe says.

    Everything is kept in a run folder, from which the run can be watched, resumed and read at any time.
    """
    overrides = [*(settings or []), *([] if generations is None else [f"schedule.generations={generations}"])]
    if dry_run:
        _dry_run(recipe, overrides, root, json)
        return
    if recipe is None and resume is None:
        raise UsageError("name a recipe, or a run to --resume\n  recipes that come with the project: examples/*/*.toml")
    from selfplay.run import league as run_league

    started: list[Run] = []
    try:
        with ExitStack() as viewers:

            def attach(run: Run) -> None:
                started.append(run)
                screen.say(f"run {run.info.id} in {run.path}")
                if not (no_live or json or screen.quiet()):
                    from selfplay.watch.terminal import LiveView

                    viewers.enter_context(LiveView(run, console=screen.out()))

            run_league(recipe, overrides=overrides, root=root, name=name, resume=resume, on_start=attach)
    finally:  # whatever ended it, a person wants to see what was reached
        for run in started:
            _finish(run, json)


def _finish(run: Run, json: bool) -> None:
    from selfplay.watch.summary import summarise, summary, to_json

    if json:
        what = {"run": run.info.id, "path": str(run.path), "status": run.status()}
        screen.json({**what, **to_json(summarise(run))})
    else:
        screen.show(summary(run))


def _dry_run(recipe: Path | None, overrides: list[str], root: Path, json: bool) -> None:
    from selfplay.games import make_game
    from selfplay.run.plan import plan
    from selfplay.run.recipe_file import load_recipe, to_toml

    if recipe is None:
        raise UsageError("--dry-run needs a recipe\n  that of a run is the config.toml in its folder")
    resolved, _ = load_recipe(recipe, overrides)
    expected = plan(resolved, make_game(resolved.game.id, resolved.game.settings), root)
    if json:
        screen.json({"recipe": resolved.model_dump(mode="json"), "plan": expected.to_json()})
        return
    screen.out().print(to_toml(resolved), soft_wrap=True)  # a folded line would be no TOML
    screen.say("plan")
    screen.show(screen.table(("", "", ""), expected.lines()))
