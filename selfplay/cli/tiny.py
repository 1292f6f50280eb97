"""`selfplay tiny make|show`."""

from __future__ import annotations

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, command, new_app
from selfplay.errors import MissingExtra, UsageError

app = new_app("Make a tiny model for any game with demonstrations.")


@command(
    app,
    "make",
    examples=(
        "selfplay tiny make --with my_game.py --until 0.3",
        "selfplay tiny make --with countdown --out quick --steps 100",
    ),
)
def make(
    games: Annotated[
        list[str] | None, typer.Option("--with", metavar="GAME", help="Game id or file; may be given several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Default: tiny-NAME.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="X", help="Default: the first game's.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, metavar="N", help="Of training; default 290.")] = None,
    until: Annotated[
        float | None,
        typer.Option("--until", min=0.0, max=1.0, metavar="RATE", help="End at this held-out solve rate."),
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=1, metavar="N", help="Demonstrations in each step.")] = 256,
    lr: Annotated[float, typer.Option("--lr", min=0.0, metavar="RATE", help="Peak learning rate.")] = 2e-3,
    hidden: Annotated[
        int | None, typer.Option("--hidden", metavar="N", help="Width of the network, a multiple of 32; default 128.")
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", metavar="N", help="Depth of the network; default 5.")
    ] = None,
    positions: Annotated[
        bool, typer.Option("--positions/--no-positions", help="Without a position code, longer texts come easier.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", metavar="N")] = 0,
    json: JsonFlag = False,
) -> None:
    """Make a tiny model that knows the formats of games.

    About a million parameters are trained on the demonstrations of one or several games, which takes a few minutes on
    two CPU cores. The model can then play (`tiny:DIR`) and learn (`base = "tiny:DIR"` in a recipe). --until 0.3 ends
    as soon as it knows the formats and solves three tenths of the exam: the rest is left for it to learn by playing.
    Without --with it remakes the built-in model for Countdown.
    """
    from selfplay.games import make_game
    from selfplay.run.players import need_models
    from selfplay.run.tiny import make_family

    specs = games or ["countdown"]
    rules = [make_game(spec) for spec in specs]
    title = name or Path(specs[0].partition(":")[0]).stem
    folder = out or Path(f"tiny-{title}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty\n  give another --out, or delete it")
    need_models("making a tiny model")
    from selfplay.tiny.model import Shape

    shape = Shape.sized(hidden, layers, rotary=positions)
    with screen.progress("learning the formats") as progress:
        made = make_family(
            rules, folder, name=title, steps=steps, rows=rows, lr=lr, seed=seed, shape=shape, until=until,
            on_progress=progress,
        )  # fmt: skip
    card = asdict(made)
    if json:
        screen.json({"folder": str(folder), "card": card})
    else:
        _print_card(card, folder)
        screen.say(f"play with it: selfplay play {specs[0]} --seat ROLE=tiny:{folder}")


@command(app, "show", examples=("selfplay tiny show countdown", "selfplay tiny show tiny-my_game --json"))
def show(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help="A built-in family, or a folder.")],
    json: JsonFlag = False,
) -> None:
    """Show how a tiny model was made, and its scores."""
    try:
        from selfplay.tiny.store import find_tiny
    except ImportError:
        raise MissingExtra("looking at tiny models", "hf") from None
    folder = find_tiny(family)
    card_file = folder / "card.json"
    if not card_file.is_file():
        raise UsageError(f"{folder} has no card.json, so it was not made by `selfplay tiny make`")
    card = jsonlib.loads(card_file.read_text("utf-8"))
    if json:
        screen.json({"folder": str(folder), "card": card})
    else:
        _print_card(card, folder)


def _print_card(card: dict[str, Any], folder: Path) -> None:
    scores = card.pop("scores")
    rows = [(key.replace("_", " "), _flat(value)) for key, value in card.items() if value not in (None, "")]
    screen.show(screen.table(("", ""), [("folder", folder), *rows]))
    for game, score in scores.items():
        screen.show(f"\nin {game}", style="bold")
        rows = [(key.replace("_", " "), _flat(value)) for key, value in score.items()]
        screen.show(screen.table(("", ""), rows))


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key}: {_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_flat, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
