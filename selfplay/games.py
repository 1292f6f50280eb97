"""Games by name: ``countdown`` (ours, or another package's), ``path/to/file.py:Class`` (yours), or a foreign library's
through a door: ``openspiel:kuhn_poker``.

Another package registers games under the entry point group ``selfplay.games``. Nothing is imported before it is named.
To add one of our own: a line in `BUILT_IN`; to add a library: a line in `DOORS`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from selfplay.errors import SelfplayError, UnknownName, UsageError
from selfplay.game import Game
from selfplay.types import Json

BUILT_IN = {
    "algebra_duel": "selfplay.envs.algebra_duel:AlgebraDuel",
    "autoformalize": "selfplay.envs.autoformalize:Autoformalize",
    "code_and_tests": "selfplay.envs.code_and_tests:CodeAndTests",
    "countdown": "selfplay.envs.countdown:Countdown",
    "countdown_votes": "selfplay.envs.countdown_votes:CountdownVotes",
    "hidden_number": "selfplay.envs.hidden_number:HiddenNumber",
    "logic_puzzles": "selfplay.envs.logic_puzzles:LogicPuzzles",
    "multiplication": "selfplay.envs.multiplication:Multiplication",
    "kuhn_poker": "selfplay.envs.kuhn_poker:KuhnPoker",
    "open_book": "selfplay.envs.open_book:OpenBook",
    "propose_solve_verify": "selfplay.envs.propose_solve_verify:ProposeSolveVerify",
    "regex_speaker_listener": "selfplay.envs.regex_speaker_listener:RegexSpeakerListener",
    "search_agent": "selfplay.envs.search_agent:SearchAgent",
    "tic_tac_toe": "selfplay.envs.tic_tac_toe:TicTacToe",
    "program_io": "selfplay.envs.program_io:ProgramIO",
    "self_correction": "selfplay.envs.self_correction:SelfCorrection",
    "digits_frontier": "selfplay.envs.digits_frontier:DigitsFrontier",
    "verifiable_instructions": "selfplay.envs.verifiable_instructions:VerifiableInstructions",
}

DOORS = {
    "openspiel": "selfplay.interop.openspiel:openspiel_game",
    "pettingzoo": "selfplay.interop.pettingzoo:pettingzoo_game",
    "taskset": "selfplay.interop.tasksets:taskset_game",
    "textarena": "selfplay.interop.textarena:textarena_game",
    "verifiers": "selfplay.interop.verifiers:verifiers_game",
}
"""Prefix -> a function from what follows the colon to a game."""

_HINT = "or give a file: path/to/my_game.py:MyGame"


def list_games() -> dict[str, str]:
    """All registered ids, sorted, with where each game is: ``module:Class``."""
    plugins = {entry.name: entry.value for entry in entry_points(group="selfplay.games")}
    return dict(sorted((plugins | BUILT_IN).items()))


def find_game(name: str) -> type[Game]:
    """The game called `name`: a registered id, or ``file.py:Class`` (just ``file.py`` if it has one game).

    Raises:
        UnknownName: no such id, or no such class in the file.
        UsageError: the file is missing, or cannot be imported, or what was named is not a game.
    """
    door, colon, rest = name.partition(":")
    if colon and door in DOORS:
        module, _, function = DOORS[door].partition(":")
        game: type[Game] = getattr(import_module(module), function)(rest)
        return game
    path, class_name = _split(name)
    if path is not None:
        return _game_in(_load(path), class_name, name)
    where = BUILT_IN.get(name) or list_games().get(name)
    if where is None:
        raise UnknownName("game", name, [*list_games(), *(f"{door}:..." for door in DOORS)], _HINT)
    module, _, class_name = where.partition(":")
    try:
        return _game_in(import_module(module), class_name, name)
    except ImportError as error:
        raise UsageError(f"game {name!r} is registered as {where}, which cannot be imported: {error}") from error


def make_game(name: str, settings: Mapping[str, Json] | None = None) -> Game:
    """The game called `name` with these settings; errors as in `find_game` and `Game`."""
    return find_game(name)(**(settings or {}))


def _split(name: str) -> tuple[Path | None, str]:
    """``dir/file.py:Class`` -> file and class; no file if `name` is an id."""
    head, colon, tail = name.rpartition(":")
    if colon and head.endswith(".py"):
        return Path(head), tail
    return (Path(name), "") if name.endswith(".py") else (None, "")


def _load(path: Path) -> ModuleType:
    """Import a file; once, however often and by whatever name it is asked for."""
    if not path.is_file():
        raise UsageError(f"no such game file: {path}\n  looked in {Path.cwd()}; `selfplay games new NAME` writes one")
    path = path.resolve()
    # A name of its own, so that a file called json.py or countdown.py hides nothing and two files may be called alike.
    name = f"selfplay_game_{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, Exception):
            raise UsageError(_import_trouble(error, path)) from error
        raise
    return module


def _import_trouble(error: Exception, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        line = (error.text or "").rstrip("\n")
        return f"{path}:{error.lineno}: {error.msg}\n  {line.strip()}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    kind = "" if isinstance(error, SelfplayError) else f"{type(error).__name__}: "
    if not frames:
        return f"{path} cannot be imported: {kind}{error}"
    return f"{path}:{frames[-1].lineno}: {kind}{error}\n  {frames[-1].line}"


def _game_in(module: ModuleType, class_name: str, name: str) -> type[Game]:
    own = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Game) and value.__module__ == module.__name__
    }
    if not class_name:
        if len(own) == 1:
            return next(iter(own.values()))
        if not own:
            raise UsageError(f"{name} defines no game\n  a game is a subclass of selfplay.Game")
        choices = ", ".join(f"{name}:{key}" for key in own)
        raise UsageError(f"{name} defines {len(own)} games\n  say which: {choices}")
    found_class = getattr(module, class_name, None)
    if found_class is None:
        raise UnknownName("game class", class_name, own, f"in {module.__file__}")
    if not (inspect.isclass(found_class) and issubclass(found_class, Game) and found_class is not Game):
        raise UsageError(f"{name}: {class_name} is {found_class!r:.80}, not a subclass of selfplay.Game")
    return found_class


def scaffold(name: str) -> str:
    """The text of a new game: complete and playable, ready to be changed.

    Raises:
        UsageError: `name` makes no class name.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*", name):
        raise UsageError(f"a game cannot be called {name!r}\n  use letters, digits and underscores, such as my_game")
    class_name = "".join(word[0].upper() + word[1:] for word in re.split("[_-]", name))
    return _SCAFFOLD.replace("MyGame", class_name + "Game" if f" {class_name}," in _SCAFFOLD else class_name)


_SCAFFOLD = '''"""MyGame: a teacher asks for a sum, pupils work it out; it earns most if half of them get it."""

from selfplay import Exam, Game, Match, learnability
from selfplay.roles import duties
from selfplay.roles.formats import integer

number = integer(0, 99)  # reads a number or raises Foul("..."): the reply does not count


def read_sum(text: str) -> tuple[int, int]:
    a, _, b = text.partition("+")
    return number(a), number(b)


def held_out(a: int, b: int) -> bool:
    return (3 * a + b) % 8 == 0  # the exam asks these sums, training never does


class MyGame(Game):
    teacher = duties.proposer("Write a sum of two numbers.", read_sum)
    pupil = duties.solver("Work out the sum.", integer())
    attempts: int = 4  # a setting: --set attempts=8

    async def play(self, match: Match) -> None:
        question = None if match.task else await match.ask(self.teacher, "Your sum:")
        a, b = question.value if question else match.task
        answers = await match.ask(self.pupil, f"{a}+{b}=", n=self.attempts, learn=not held_out(a, b))
        match.result(pupil=duties.grade(answers, lambda value: value == a + b) / self.attempts)
        if question:
            question.reward = learnability(answers)

    def demos(self, rng):
        while True:
            a, b = rng.randrange(50), rng.randrange(50)
            if not held_out(a, b):
                yield from (self.teacher.demo("Your sum:", f"{a}+{b}"), self.pupil.demo(f"{a}+{b}=", f"{a + b}"))

    def exam(self) -> Exam:
        tasks = [[a, b] for a in range(50) for b in range(50) if held_out(a, b)]
        return Exam("pupil", {"sums": tasks}, settings={"attempts": 1})
'''
