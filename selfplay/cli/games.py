"""`selfplay games list|show|new|check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selfplay.cli import screen
from selfplay.cli.commands import JsonFlag, Settings, command, new_app, settings_from
from selfplay.cli.description import about, describe
from selfplay.errors import UsageError
from selfplay.games import find_game, list_games, make_game, scaffold
from selfplay.watch.words import inert

if TYPE_CHECKING:
    from selfplay.check import Report

app = new_app("List games, show one, start a new one, check one.")

GameName = Annotated[str, typer.Argument(metavar="GAME", help="Game id or path/to/file.py:Class.")]

_RECIPE = """# Run it with: selfplay league {file}
about = "A tiny model plays {game} against itself"

[game]
id = "{game}"

[policy]
base = "tiny:{model}" # made by: selfplay tiny make --with {game} --until 0.3 --out {model}

[sampling]
max_tokens = 16

[roles.teacher]
weights = "fork"     # a model of its own, so that its anchor holds back nobody else
group_by = "prompt"  # its one move per match is compared with those of the other matches
credit = "mean_only" # by small advantages that the anchor can hold
kl = 0.5             # keeps it near the demonstrations, or it will soon ask one and the same

[schedule]           # the pupil learns as roles do: its answers are compared with each other within the match
generations = 160
matches = 32

[learning]
lr = 2e-4
schedule = "linear"
warmup_updates = 10  # the first steps tell little; at the full rate they would only shake the model
average = 0.95       # what is examined and kept is the running mean of the weights
"""


@command(app, "list", examples=("selfplay games list", "selfplay games list --json"))
def list_(json: JsonFlag = False) -> None:
    """List all games that have an id.

    These are the built-in ones and those of installed packages.
    """
    rows = [{"id": name, "where": where, "about": about(find_game(name))} for name, where in list_games().items()]
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
    levels = ", ".join(f"level {level} ({count} tasks)" for level, count in exam["levels"].items()) if exam else ""
    screen.show("")
    rest = [
        ("bots", ", ".join(facts["bots"]) or "none"),
        ("demonstrations", "yes, so `selfplay tiny make` can warm-start a model" if facts["demos"] else "none"),
        ("exam", f"of {exam['role']}: {levels}" if exam else "none"),
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
        (f"selfplay tiny make --with {game} --until 0.3 --out {model}", "make a model"),
        (f"selfplay league {recipe}", "let it learn"),
    ]
    width = max(len(step) for step, _ in steps)
    screen.say("what next\n" + "\n".join(f"  {step.ljust(width)}   {why}" for step, why in steps))


@command(
    app,
    "check",
    examples=("selfplay games check my_game.py", "selfplay games check countdown --seeds 100 --json"),
    more="Before a game is worth training on, it should pass; `selfplay.check_game` does the same in a test.",
)
def check(
    game: GameName,
    seeds: Annotated[int, typer.Option("--seeds", min=1, metavar="N", help="Matches are played with N seeds.")] = 20,
    settings: Settings = None,
    json: JsonFlag = False,
) -> None:
    """Find mistakes in a game; exit code 1 if there are any.

    Plays it with bots and with nonsense, in every order of replies, and names the seed and the move of what is wrong:
    chance outside match.rng, leaked secrets, forgotten or unbounded rewards, matches that never end.
    """
    from selfplay.check import check_game

    rules = make_game(game, settings_from(settings))
    with screen.waiting("playing", unless=json):
        report = check_game(rules, seeds)
    if json:
        screen.json(report.as_json())
    else:
        _print_report(report)
    raise typer.Exit(0 if report.ok else 1)


def _print_report(report: Report) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for finding in report.findings:
        where = [] if finding.seed is None else [f"seed {finding.seed}"]
        where += [f"move {finding.move}"] if finding.move else []
        where += [f"seen {finding.times} times"] if finding.times > 1 else []
        screen.show(Text.assemble((f"{finding.check}  ", "bold red"), (", ".join(where), "dim")))
        screen.show(Padding(Text(inert(f"{finding.text}\nfix: {finding.fix}")), (0, 0, 1, 2), expand=False))
    for note in report.notes:
        screen.say(f"note: {note}")
    count = len(report.findings)
    verdict = "no mistakes found" if report.ok else f"{count} mistake{'s' if count > 1 else ''} found"
    tried = f"in {report.matches:,} matches with {report.seeds} seeds, {report.moves:,} moves"
    screen.show(f"{report.game}: {verdict} {tried}", style="bold green" if report.ok else "bold red")
