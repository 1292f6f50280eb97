"""`selfplay games list|show|new|check`."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, command, new_app
from selfplay.errors import UsageError
from selfplay.game import FoulPolicy, Game
from selfplay.games import find_game, list_games, make_game, scaffold
from selfplay.types import Json

app = new_app("List games, show one, start a new one, check one.")

GameName = Annotated[str, typer.Argument(metavar="GAME", help="Game id or path/to/file.py:Class.")]

_RECIPE = """# Run it with: selfplay league {file}
about = "A tiny model plays {game} against itself"

[game]
id = "{game}"

[policy]
base = "tiny:{model}" # made by: selfplay tiny make --with {game} --out {model}

[schedule]
generations = 50
matches = 32
"""


@command(app, "list", examples=("selfplay games list", "selfplay games list --json"))
def list_(json: JsonFlag = False) -> None:
    """List all games that have an id.

    These are the built-in ones and those of installed packages.
    """
    rows = [{"id": name, "where": where, "about": _about(find_game(name))} for name, where in list_games().items()]
    if json:
        screen.json(rows)
    else:
        screen.show(screen.table(("game", "about"), [(row["id"], row["about"]) for row in rows]))
        screen.say("a game of your own is named by its file: path/to/my_game.py")


@command(app, "show", examples=("selfplay games show countdown", "selfplay games show my_game.py --json"))
def show(game: GameName, json: JsonFlag = False) -> None:
    """Show roles, settings, bots and exam of a game."""
    rules = make_game(game)
    facts = describe(rules)
    if json:
        screen.json(facts)
        return
    screen.show(facts["id"], style="bold")
    screen.show(facts["about"])
    screen.show("\nroles", style="bold")
    rows = [(name, " ".join(r["seats"]), r["foul"], r["instructions"]) for name, r in facts["roles"].items()]
    screen.show(screen.table(("role", "seats", "a foul costs", "instructions"), rows))
    if facts["settings"]:
        screen.show("\nsettings (--set NAME=VALUE)", style="bold")
        rows = [(name, s["type"], s["default"], s["about"]) for name, s in facts["settings"].items()]
        screen.show(screen.table(("setting", "type", "default", "meaning"), rows))
    exam = facts["exam"]
    levels = ", ".join(f"{level}: {count}" for level, count in exam["levels"].items()) if exam else ""
    screen.show("")
    rest = [
        ("bots", ", ".join(facts["bots"]) or "none"),
        ("demonstrations", "yes, so `selfplay tiny make` can warm-start a model" if facts["demos"] else "none"),
        ("exam", f"of {exam['role']}, tasks per level {levels}" if exam else "none"),
        ("results", "{} to {}{}".format(*facts["result_range"], ", zero-sum" if facts["zero_sum"] else "")),
    ]
    screen.show(screen.table(("", ""), rest))


@command(app, "new", examples=("selfplay games new my_game", "selfplay games new haggle --out games"))
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my_game.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files.")] = Path("."),
) -> None:
    """Write a small game and its recipe, to start from."""
    text = scaffold(name)
    game, recipe = out / f"{name}.py", out / f"{name}.toml"
    model = out / f"tiny-{name}"
    for path in (game, recipe):
        if path.exists():
            raise UsageError(f"{path} exists already\n  choose another name, or --out DIR")
    try:
        out.mkdir(parents=True, exist_ok=True)
        game.write_text(text, "utf-8")
        recipe.write_text(_RECIPE.format(file=recipe, game=game, model=model), "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write in {out}: {error.strerror}\n  choose another folder with --out") from None
    screen.show(f"{game}\n{recipe}")
    steps = [
        (f"selfplay games check {game}", "find mistakes"),
        (f"selfplay play {game}", "watch a match"),
        (f"selfplay tiny make --with {game} --out {model}", "make a model"),
        (f"selfplay league {recipe}", "let it learn"),
    ]
    width = max(len(step) for step, _ in steps)
    screen.say("what next\n" + "\n".join(f"  {step.ljust(width)}   {why}" for step, why in steps))


def describe(game: Game) -> dict[str, Json]:
    """Everything about a game that a player or recipe wants to know, as plain values."""
    exam = game.exam()
    return {
        "id": game.name(),
        "about": _about(type(game)),
        "roles": {
            name: {
                "seats": list(role.seats),
                "instructions": role.instructions,
                "foul": _foul(role.foul),
                "max_tokens": role.max_tokens,
            }
            for name, role in game.roles.items()
        },
        "settings": {
            name: {"type": _type(hint), "default": game.settings()[name], "about": _meaning(type(game), name)}
            for name, hint in game.setting_types().items()
        },
        "bots": sorted(game.bots),
        "demos": _has_demos(game),
        "exam": exam and {"role": exam.role, "levels": {level: len(tasks) for level, tasks in exam.levels.items()}},
        "zero_sum": game.zero_sum,
        "result_range": list(game.result_range),
    }


def _about(game: type[Game]) -> str:
    text = game.__doc__ if game.__doc__ != Game.__doc__ else None
    module = inspect.getmodule(game)
    return ((text or (module and module.__doc__) or "").strip().splitlines() or [""])[0]


def _foul(policy: FoulPolicy) -> str:
    cost = "masked" if policy.reward is None else f"{policy.reward:g}"
    return f"{cost} after {policy.retries} more tries" if policy.retries else cost


def _type(hint: Any) -> str:
    is_plain = isinstance(hint, type) and not hasattr(hint, "__args__")
    return hint.__name__ if is_plain else str(hint).replace("typing.", "")


def _has_demos(game: Game) -> bool:
    from random import Random

    return next(iter(game.demos(Random(0))), None) is not None


def _meaning(game: type[Game], name: str) -> str:
    """The docstring below a setting, if there is one."""
    for owner in game.__mro__:
        if name not in inspect.get_annotations(owner):
            continue
        try:
            (body,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
        except (OSError, SyntaxError, ValueError):
            return ""
        for line, below in pairwise(getattr(body, "body", ())):
            is_it = isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == name
            if is_it and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                return " ".join(str(below.value.value).split())
    return ""
