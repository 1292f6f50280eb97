"""What a recipe will take, estimated before anything is started (`selfplay league --dry-run`).

Asks, replies, tokens and log size per match come from playing a few matches in this process, every role by the game's
bot ``random`` (where the game has none, by its demonstrations), and counting text with the model's own tokenizer where
it is on this machine (`model_files`). A game with neither bot nor demonstrations has no such estimate.
Real replies may be longer: `Plan.tokens_at_most` is what the length limits allow. Task sources are not consulted; a
match on a given task is counted like one that makes its own.

Memory is counted from the sizes in ``config.json`` and the safetensors headers: weights, a fork for each role that has
one, a frozen base copy where a KL term or a frozen role wants one, the running mean where it is kept, gradients and two
Adam moments in float32, the KV cache of one batch of replies, and for the widest micro-batch float32 logits with their
gradient plus 34 hidden-size values per layer and token (Korthikanti et al. 2022, arXiv 2205.05198, section 4.1, without
attention maps). The frameworks' own overhead (about 0.5 GB for torch and transformers) comes on top.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from selfplay.arena import Arena
from selfplay.driver import Limits, ask_of
from selfplay.errors import UnknownName
from selfplay.game import Game
from selfplay.policies.bots import ScriptedPolicy
from selfplay.record.codec import dumps
from selfplay.run.checks import check_recipe
from selfplay.run.model_files import count_parameters, model_folder, token_counter
from selfplay.run.recipe import Recipe
from selfplay.run.sandboxes import in_force
from selfplay.seeds import derive
from selfplay.types import Ending, Json, MatchRecord, Pairing, Player

SAMPLED_MATCHES = 16
ROWS_ASSUMED = 256
"""Replies sampled at once where the recipe leaves it to the machine."""
_ID_BYTES, _LOGPROB_BYTES = 16 / 3, 16 / 3
"""Four bytes each, as base64."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Means per match, measured on sample matches."""

    asks: float
    replies: float
    prompt_tokens: float
    """Newly said to the seats; shared prefixes are counted once."""
    reply_tokens: float
    reply_tokens_at_most: float
    longest: int
    """Tokens of the longest conversation, with the longest reply allowed."""
    log_bytes: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What a recipe will take. `None`: cannot be told beforehand. Sizes are in megabytes (1e6 bytes)."""

    matches: int
    updates: int
    exam_matches: int
    """Matches on held-out tasks, before, during and after."""
    asks: int | None
    replies: int | None
    tokens: int | None
    """Sampled, without exams."""
    tokens_at_most: int | None
    prompt_tokens: int | None
    parameters: int | None
    memory_mb: dict[str, float] | None
    """Part -> size; their sum is the peak while learning, but for overheads."""
    disk_mb: dict[str, float | None]

    def to_json(self) -> dict[str, Json]:
        """Plain values with the same names."""
        return asdict(self)

    def lines(self) -> list[tuple[str, str, str]]:
        """Name, number and remark of each line of the plan, for people."""
        memory = self.memory_mb or {}
        known = [size for size in self.disk_mb.values() if size is not None]
        at_most = f"sampled; at most {_count(self.tokens_at_most)}" if self.tokens else "the game has no bot to ask"
        return [
            ("matches", _count(self.matches), f"{_count(self.updates)} updates"),
            ("exam matches", _count(self.exam_matches), "held-out tasks, answered greedily"),
            ("asks", _count(self.asks), f"{_count(self.replies)} replies"),
            ("tokens", _count(self.tokens), f"{at_most}; prompts {_count(self.prompt_tokens)}"),
            ("parameters", _count(self.parameters), "" if self.parameters else "the model is not on this machine"),
            ("memory", _size(sum(memory.values()) if memory else None), _parts(memory)),
            ("disk", _size(sum(known) if known else None), _parts(self.disk_mb)),
        ]


def plan(recipe: Recipe, game: Game, root: str | Path = "runs") -> Plan:
    """Estimate what `recipe` will take; plays a few matches of `game` with bots and loads no model.

    Raises:
        UsageError: what is wrong with the recipe, as far as it can be told without models and data.
        RunError: the sandbox that it names cannot be started.
    """
    check_recipe(recipe, game)
    schedule = recipe.schedule
    folder = model_folder(recipe.policy.base, root)
    with in_force(recipe.sandbox, "dry run"):
        usage = measure(recipe, game, token_counter(folder))
    matches = schedule.generations * schedule.matches

    def total(what: str) -> int | None:
        return None if usage is None else round(matches * getattr(usage, what))

    parameters = count_parameters(folder) if folder else None
    return Plan(
        matches=matches,
        updates=schedule.generations,
        exam_matches=_exam_matches(recipe, game),
        asks=total("asks"),
        replies=total("replies"),
        tokens=total("reply_tokens"),
        tokens_at_most=total("reply_tokens_at_most"),
        prompt_tokens=total("prompt_tokens"),
        parameters=parameters,
        memory_mb=_memory(recipe, game, folder, parameters, usage) if folder and parameters else None,
        disk_mb=_disk(recipe, parameters, total("log_bytes")),
    )


def measure(recipe: Recipe, game: Game, tokens: Callable[[str], int]) -> Usage | None:
    """Play sample matches with bots; `None` if the game offers nobody to play with, or no match ends well.

    Args:
        tokens: counts the tokens of a text.
    """
    try:
        player = Player("random", ScriptedPolicy("random", game))
    except UnknownName:
        return None
    seats = dict.fromkeys(game.seats(), player.name)
    pairings = [
        Pairing(
            game.name(), seats, dict.fromkeys(seats, True), derive(recipe.seed, "plan", i), number=i,
            sampling_seed=derive(recipe.seed, "plan", "sampling", i),
        )
        for i in range(SAMPLED_MATCHES)
    ]  # fmt: skip
    limits = Limits(recipe.limits.step_s, recipe.limits.steps, error_share=1.0)
    with Arena({game.name(): game}, {player.name: player}, limits=limits) as arena:
        records = [record for record in arena.play(pairings) if record.ending is not Ending.ERROR]
    return _usage(records, recipe, game, tokens) if records else None


def _usage(records: list[MatchRecord], recipe: Recipe, game: Game, tokens: Callable[[str], int]) -> Usage:
    asked_for = {name: recipe.sampling_of(name).max_tokens for name in game.roles}
    limit = {name: min(asked_for[name], role.max_tokens or asked_for[name]) for name, role in game.roles.items()}
    asks = replies = prompts = said = at_most = longest = 0
    size = 0.0
    for record in records:
        asked = set()
        lengths: dict[str, int] = {}
        for move in record.moves:
            new = sum(tokens(message.text) for message in move.messages)
            reply = tokens(move.text)
            if ask_of(move.id)[0] not in asked:
                asked.add(ask_of(move.id)[0])
                prompts += new
            before = lengths.get(move.parent.id, 0) if move.parent else 0
            lengths[move.id] = before + new + reply
            longest = max(longest, before + new + limit[move.role])
            said += reply
            at_most += limit[move.role]
            size += _ID_BYTES * (new + reply) + _LOGPROB_BYTES * reply
        asks += len(asked)
        replies += len(record.moves)
        size += len(dumps(record))
    n = len(records)
    return Usage(asks / n, replies / n, prompts / n, said / n, at_most / n, longest, size / n)


def _exam_matches(recipe: Recipe, game: Game) -> int:
    exam, plans = game.exam(), recipe.evaluation
    if exam is None:
        return 0
    every, generations = plans.every, recipe.schedule.generations
    during = max(0, (generations - 1) // every) if every else 0
    sizes = [len(tasks) for tasks in exam.levels.values()]
    ends = 2 * sum(min(plans.final_tasks, size) for size in sizes)
    return ends + during * sum(min(plans.tasks, size) for size in sizes)


def _memory(recipe: Recipe, game: Game, folder: Path, parameters: int, usage: Usage | None) -> dict[str, float]:
    """Part -> megabytes; raises what a damaged ``config.json`` makes `json` raise."""
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    shape = shape.get("text_config", shape)
    layers, hidden, heads = shape["num_hidden_layers"], shape["hidden_size"], shape["num_attention_heads"]
    head_size = shape.get("head_dim") or hidden // heads
    width = {"bfloat16": 2, "float16": 2}.get(recipe.policy.dtype, 4)
    roles = [recipe.role(name) for name in game.roles if not recipe.role(name).player]
    kinds = [role.weights for role in roles]
    adapters, average = kinds.count("adapter"), recipe.learning.average > 0
    models = kinds.count("fork") + ("shared" in kinds) + (adapters > 0)
    base = any(role.weights == "frozen" or role.kl > 0 for role in roles) and not adapters
    inner = shape.get("intermediate_size") or 4 * hidden
    adapter = recipe.adapter.rank * layers * (8 * hidden + 3 * (hidden + inner))  # of Llama's seven linear layers
    learning = (kinds.count("fork") + ("shared" in kinds)) * parameters + adapters * adapter
    rows, micro = recipe.policy.batch_size or ROWS_ASSUMED, recipe.learning.micro_tokens
    longest = usage.longest if usage else recipe.sampling.max_tokens * 2
    cache = 2 * layers * (shape.get("num_key_value_heads") or heads) * head_size * width * rows * longest
    parts = {
        "weights": ((models + base) * parameters + adapters * adapter + average * learning) * width,
        "gradients and Adam": 3 * 4 * learning,
        "KV cache": cache,
        "activations": micro * (2 * 4 * shape["vocab_size"] + 34 * hidden * layers * width // 2),
    }
    return {name: size / 1e6 for name, size in parts.items()}


def _disk(recipe: Recipe, parameters: int | None, log_bytes: int | None) -> dict[str, float | None]:
    schedule = recipe.schedule
    kept = 2 + (schedule.generations // schedule.snapshot_every if schedule.snapshot_every else 0)
    weights = 4 * parameters / 1e6 if parameters else None
    per_checkpoint = 3 + (recipe.learning.average > 0)  # weights, two Adam moments, the running mean
    return {
        "logs": log_bytes / 1e6 if log_bytes is not None else None,
        "snapshots": kept * weights if weights else None,
        "checkpoints": per_checkpoint * (schedule.keep_checkpoints + 1) * weights if weights else None,
    }


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}" if number < 1e6 else f"{number / 1e6:,.1f} M"


def _size(megabytes: float | None) -> str:
    if megabytes is None:
        return "unknown"
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _parts(sizes: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
