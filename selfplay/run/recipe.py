"""A recipe: everything a run does, as one TOML file.

    [game]        id = "countdown", settings
    [policy]      base = "tiny:countdown"
    [roles.X]     weights, player, sampling, credit, KL, how often it learns
    [[tasks]]     where matches get their tasks from
    [schedule]    generations, matches, mode, checkpoints
    [learning]    learner, loss, learning rate
    [evaluation]  the canary
    [[health]]    rules that warn, stop or roll back
    [[controllers]]
    [limits]

Reading, overriding and writing recipes is `selfplay.run.recipe_file`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from selfplay.driver import Limits

CISPO_CAP = 5.0
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A table of the recipe."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, strict=False, frozen=True)


class GameSection(Section):
    """Which game."""

    id: str
    """Registered id, or ``path/to/file.py:Class``."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the game; ``selfplay games show ID`` lists them."""


class PolicySection(Section):
    """The model that learns."""

    base: str = "tiny:countdown"
    """``tiny:FAMILY``, ``tiny:FOLDER`` or ``hf:PATH_OR_ID``."""
    device: str = "auto"
    """``cpu``, ``cuda``, ``cuda:1``, ``mps``; ``auto`` takes the GPU if there is one."""
    dtype: str = "auto"
    """``float32``, ``bfloat16``; ``auto`` means float32 on a CPU."""
    batch_size: NonNegativeInt = 0
    """Replies sampled at once; 0 chooses by memory."""
    threads: NonNegativeInt = 0
    """CPU threads for torch; 0 means one per core. Written out in the run's own recipe: bits depend on it."""


class SamplingSection(Section):
    """How replies are drawn."""

    temperature: NonNegativeFloat = 1.0
    """1 for the model's own distribution, 0 for the likeliest token; above 0 for roles that learn."""
    top_p: Share = 1.0
    """Only the likeliest tokens that make up this share; 1 (all) for roles that learn."""
    top_k: NonNegativeInt = 0
    """Only so many likeliest tokens; 0 (all) for roles that learn."""
    max_tokens: PositiveInt = 64
    """Longest reply in tokens; a role may allow fewer."""


class RoleSection(Section):
    """One role: who plays it, and how it learns."""

    weights: Literal["shared", "frozen", "fork", "adapter"] = "shared"
    """``shared``: the learning policy, one model for all shared roles. ``frozen``: the base, never updated. ``fork``
    and ``adapter`` are reserved for the next release."""
    player: str = ""
    """A fixed player instead: ``random``, ``scripted:NAME``, ``tiny:FAMILY``, ``hf:PATH`` or ``RUN@best``."""
    opponent: str = ""
    """A fixed player that takes this role in some matches, where the role then does not learn; as for `player`."""
    opponent_share: Share = 0.5
    """Share of the matches that the opponent plays."""
    sampling: SamplingSection | None = None
    """Instead of the recipe's ``[sampling]``."""
    credit: str = "group_zscore"
    """Advantage estimator: ``group_zscore``, ``mean_only``, ``leave_one_out`` or ``raw``."""
    group_by: Literal["match", "prompt", "task", "role"] = "match"
    """What moves must share for a common baseline, besides role, tag and weights version."""
    weight: NonNegativeFloat = 1.0
    """Factor on this role's advantages."""
    kl: NonNegativeFloat = 0.0
    """Coefficient of the KL term to the base model."""
    update_every: NonNegativeInt = 1
    """This role learns in every k-th update only; 0 means never."""


class TaskSection(Section):
    """A source of tasks. Shares need not add up to 1; in all other matches the game makes its own task."""

    source: str
    """``pool`` (earlier proposals that were neither always nor never solved) or ``file`` (JSON lines)."""
    share: Share = 1.0
    """Share of a generation's matches that take their task from here."""
    path: str = ""
    """For ``file``: one task per line."""
    pool: str = "pool"
    """For ``pool``: the name the game publishes under."""
    window: PositiveInt = 20
    """For ``pool``: how many generations back an item may come from."""


class ScheduleSection(Section):
    """How long, how much, in which mode."""

    generations: PositiveInt = 100
    """Batches of matches; one update follows each."""
    matches: PositiveInt = 64
    """Matches in a generation."""
    replicas: PositiveInt = 1
    """Matches that share one deal (seed and task)."""
    mode: Literal["exact", "fast"] = "exact"
    """``exact`` resumes bit for bit; ``fast`` never waits for the slowest match."""
    checkpoint_every: PositiveInt = 10
    """Generations between checkpoints; a resumed run replays at most this many."""
    keep_checkpoints: PositiveInt = 2
    """Older ones are deleted."""
    snapshot_every: NonNegativeInt = 0
    """Generations between snapshots besides the best one; 0 keeps only the best and the last."""


class LearningSection(Section):
    """The update."""

    learner: Literal["trl", "plain"] = "trl"
    """``trl``: a GRPOTrainer fed with our rows. ``plain``: the short reference learner, same gradients."""
    loss: Literal["dapo", "cispo", "vespo"] = "dapo"
    """The clipped policy gradient, as TRL names it."""
    lr: NonNegativeFloat = 3e-4
    """Learning rate of AdamW."""
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW."""
    weight_decay: NonNegativeFloat = 0.0
    """Of AdamW."""
    max_grad_norm: NonNegativeFloat = 1.0
    """Longer gradients are scaled down to this length."""
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Decay of the running mean of the weights that is examined and kept in snapshots; 0: the weights themselves."""
    epsilon_low: NonNegativeFloat = 0.2
    """Lower clip: the probability ratio counts down to 1 minus this."""
    epsilon_high: NonNegativeFloat = 0.2
    """Upper clip of ``dapo``; for ``cispo`` the cap on the ratio itself, 5 by default."""
    micro_tokens: PositiveInt = 16384
    """Tokens (padding included) in one forward pass."""
    warmup_updates: NonNegativeInt = 0
    """Updates until the full learning rate; at most half of the run."""
    schedule: Literal["constant", "linear"] = "constant"
    """Learning rate after the warm-up, over the run's generations."""

    @model_validator(mode="before")
    @classmethod
    def _cap(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("loss") == "cispo":
            return {"epsilon_high": CISPO_CAP, **given}
        return given


class EvaluationSection(Section):
    """The held-out canary: fixed tasks of the game's exam, answered greedily, never trained on."""

    every: NonNegativeInt = 10
    """Generations between canaries; 0 means only before and after."""
    tasks: PositiveInt = 100
    """Tasks per level for the canary."""
    final_tasks: PositiveInt = 200
    """Tasks per level before the first and after the last generation."""


class HealthSection(Section):
    """A rule on a metric, judged after every update."""

    metric: str
    """``canary/solve_rate``, ``canary/fall_p`` (how likely chance alone explains a fall below the best canary), or a
    metric such as ``solver/foul_rate``, ``proposer/entropy``, ``batch/duplicate_share``."""
    kind: Literal["below_best", "above", "below"]
    """``below_best`` compares with the best value so far."""
    threshold: float
    """What the metric is compared with; for ``below_best`` the fall that is too much."""
    patience: PositiveInt = 1
    """How many times in a row."""
    action: Literal["warn", "stop", "rollback"] = "warn"
    """``warn`` writes an alarm, ``stop`` ends the run, ``rollback`` puts the best snapshot's weights back."""


class ControllerSection(Section):
    """Changes a setting as the run goes on; the change is logged as an override."""

    kind: Literal["schedule", "switch"]
    """``schedule``: a straight line over generations. ``switch``: a metric crosses a threshold, with hysteresis."""
    key: str
    """What to change: ``game.settings.NAME``, ``roles.NAME.weight`` or ``roles.NAME.update_every``."""
    start: float = 0.0
    """First value."""
    end: float = 0.0
    """Last value."""
    generations: PositiveInt = 100
    """For ``schedule``: reaches `end` after this many."""
    metric: str = ""
    """For ``switch``."""
    above: float = 0.0
    """For ``switch``: use `end` once the metric is at least this ..."""
    below: float = 0.0
    """... and `start` again once it is at most this."""


class LimitsSection(Section):
    """When to give up."""

    step_s: float = 5.0
    """Seconds a game may compute between two awaits."""
    steps: PositiveInt = 10_000
    """Steps in one match."""
    error_share: Share = 0.5
    """The run stops when more than this share of a generation's matches are errors."""
    error_count: PositiveInt = 8
    """... and at least this many are."""
    rollbacks: NonNegativeInt = 2
    """The run stops instead of rolling back once more."""

    def engine(self) -> Limits:
        """The part that the match engine keeps."""
        return Limits(self.step_s, self.steps, self.error_share, self.error_count)


class Recipe(Section):
    """A whole recipe."""

    name: str = ""
    """Name of runs made from it; the file's folder and name by default."""
    about: str = ""
    """One sentence for people."""
    seed: int = 0
    """The run's one seed; all chance follows from it."""
    game: GameSection
    """What is played."""
    policy: PolicySection = Field(default_factory=PolicySection)
    """What learns."""
    sampling: SamplingSection = Field(default_factory=SamplingSection)
    """How replies are drawn, for roles that do not say it themselves."""
    roles: dict[str, RoleSection] = Field(default_factory=dict)
    """By the game's role names; a role that is left out has the defaults."""
    tasks: list[TaskSection] = Field(default_factory=list)
    """None: the game makes every task itself."""
    schedule: ScheduleSection = Field(default_factory=ScheduleSection)
    """How much is played."""
    learning: LearningSection = Field(default_factory=LearningSection)
    """How rewards change weights."""
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)
    """How it is seen whether that helps."""
    health: list[HealthSection] = Field(default_factory=list)
    """What to do when it does not."""
    controllers: list[ControllerSection] = Field(default_factory=list)
    """What changes on the way."""
    limits: LimitsSection = Field(default_factory=LimitsSection)
    """When to give up."""

    def role(self, name: str) -> RoleSection:
        """The settings of a role, default ones where the recipe is silent."""
        return self.roles.get(name, RoleSection())

    def sampling_of(self, role: str) -> SamplingSection:
        """How a role's replies are drawn."""
        return self.role(role).sampling or self.sampling
