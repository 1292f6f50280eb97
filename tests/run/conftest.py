"""A game that an untrained model can earn something in, and a tiny untrained model for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GAME = '''
from selfplay import Exam, Foul, Game, Match, Role

def short(text):
    if len(text) > 30:
        raise Foul("too long")
    return text

class Vowels(Game):
    """The asker says something, the answerer is paid for vowels."""
    asker = Role("Ask.", parse=short)
    answerer = Role("Answer.", parse=short)
    attempts: int = 4

    async def play(self, match: Match) -> None:
        if match.task is None:
            asked = await match.ask(self.asker, "ask")
            prompt = "asked"
        else:
            asked, prompt = None, str(match.task)
        answers = await match.ask(self.answerer, prompt, n=self.attempts)
        for answer in answers:
            answer.reward = sum(c in "aeiou" for c in answer.text)
        good = sum((a.reward or 0) > 0 for a in answers)
        match.publish("pool", prompt, prompt, solved=good, of=self.attempts)
        match.note(good=good)
        match.result(answerer=float(good == self.attempts))
        if asked is not None:
            asked.reward = good / self.attempts

    def exam(self):
        return Exam("answerer", {"one": ["a", "b", "c"], "two": ["d", "e", "f"]}, {"attempts": 1})
'''

RECIPE = """
name = "vowels"
[game]
id = "{game}:Vowels"
[policy]
base = "hf:{model}"
threads = 1
[sampling]
max_tokens = 8
[roles.asker]
group_by = "prompt"
kl = 0.1
[roles.answerer]
kl = 0.01
[schedule]
generations = 6
matches = 6
checkpoint_every = 2
[learning]
learner = "plain"
lr = 1e-3
average = 0.5
[evaluation]
every = 3
tasks = 3
final_tasks = 3
"""


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model with a byte tokenizer, as a Hugging Face folder."""
    from selfplay.policies.loading import save_hf
    from selfplay.tiny.model import Shape, build_model
    from selfplay.tiny.tokenizer import build_tokenizer

    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(["Ask.", "Answer.", "asked"])
    save_hf(
        build_model(tokenizer, Shape(hidden=16, layers=2, heads=2, kv_heads=2, intermediate=32), 0), tokenizer, folder
    )
    return folder


@pytest.fixture(scope="session")
def game_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("game") / "vowels.py"
    path.write_text(GAME)
    return path


@pytest.fixture
def recipe_file(tmp_path: Path, model_dir: Path, game_file: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(game=game_file, model=model_dir))
    return path


@pytest.fixture
def weights() -> Callable[[Path], dict[str, bytes]]:
    """The bytes of a run's last snapshot, by tensor."""

    def read(run: Path) -> dict[str, bytes]:
        from safetensors import safe_open

        last = sorted((run / "snapshots").glob("gen-*"))[-1]
        with safe_open(last / "model.safetensors", "np") as tensors:
            return {name: tensors.get_tensor(name).tobytes() for name in tensors.keys()}  # noqa: SIM118

    return read
