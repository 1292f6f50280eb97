"""A recipe: everything a run does, as one TOML file.

    [game]        id = "countdown", settings
    [policy]      base = "tiny:countdown"
    [adapter]     size of LoRA adapters
    [roles.X]     weights, player, sampling, credit, KL, how often it learns
    [[tasks]]     where matches get their tasks from
    [schedule]    generations, matches, mode, checkpoints
    [learning]    learner, loss, learning rate
    [evaluation]  the canary
    [[health]]    rules that warn, stop or roll back
    [[controllers]]
    [[phases]]
    [sandbox]     where programs that models write are run
    [api]         limits and prices of players behind endpoints
    [limits]

Reading, overriding and writing recipes is `selfplay.run.recipe_file`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from selfplay.driver import Limits
from selfplay.policies.api import ApiSettings

CISPO_CAP = 5.0
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A table of the recipe."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, strict=False, frozen=True)


class GameSection(Section):
    """Which game."""

    id: str
    """Registered id, or ``path/to/file.py:Class``, relative to the recipe's folder."""
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


class TagSection(Section):
    """One kind of move of a role, where it learns differently; what is left out is as for the role."""

    credit: str | None = None
    """As for the role."""
    group_by: Literal["match", "prompt", "task", "role"] | None = None
    """As for the role."""
    weight: NonNegativeFloat | None = None
    """As for the role; 0: these moves teach nothing but what the KL term says."""
    kl: NonNegativeFloat | None = None
    """As for the role."""


class RoleSection(Section):
    """One role: who plays it, and how it learns."""

    weights: Literal["shared", "frozen", "fork", "adapter"] = "shared"
    """``shared``: the learning policy, one model for all shared roles. ``frozen``: the base, never updated. ``fork``:
    a copy of the base of its own. ``adapter``: a LoRA of its own on a copy of the base that never moves."""
    player: str = ""
    """A fixed player instead: ``random``, ``scripted:NAME``, ``tiny:FAMILY``, ``hf:PATH``, ``openai:MODEL@URL`` or
    ``RUN@best``."""
    opponent: str = ""
    """A fixed player that takes this role in some matches, where the role then does not learn; as for `player`."""
    opponent_share: Share = 0.5
    """Share of the matches that the opponent plays."""
    sampling: SamplingSection | None = None
    """Instead of the recipe's ``[sampling]``."""
    credit: str = "group_zscore"
    """Advantage estimator: ``group_zscore``, ``mean_only``, ``leave_one_out``, ``raw``, ``role_baseline``,
    ``per_class``, ``per_role`` or ``bounded_returns``."""
    group_by: Literal["match", "prompt", "task", "role"] = "match"
    """What moves must share for a common baseline, besides role, tag and weights version. Without meaning for
    ``per_class`` and ``per_role`` (the whole batch) and ``role_baseline`` (the whole run)."""
    baseline_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """For ``role_baseline``: how much of the running mean stays with each match."""
    return_discount: Share = 1.0
    """For ``bounded_returns``: what a later reward loses with each segment before it."""
    return_bounds: tuple[float, float] = (-1.0, 1.0)
    """For ``bounded_returns``: lowest and highest return of a segment."""
    weight: NonNegativeFloat = 1.0
    """How much this role's rows count: a factor on its advantages, or on what it imitates or prefers (0: nothing)."""
    kl: NonNegativeFloat = 0.0
    """Coefficient of the KL term to the base model."""
    update_every: NonNegativeInt = 1
    """This role learns in every k-th update only; 0 means never."""
    tags: dict[str, TagSection] = Field(default_factory=dict)
    """Other settings for kinds of moves, by tag: ``[roles.solver.tags.revise]``."""


class AdapterSection(Section):
    """The LoRA adapters of roles with ``weights = "adapter"``."""

    rank: PositiveInt = 8
    """Of the two factors of a weight's change."""
    alpha: PositiveFloat = 16.0
    """The change is scaled by alpha / rank."""
    modules: list[str] = Field(default_factory=list)
    """Ends of the names of the linear layers that get one, such as ``q_proj``; none: all but the output layer."""


class PhaseSection(Section):
    """A stretch of the run under settings of its own, until it has lasted `generations` or its metric says so."""

    name: str
    """What people see; and what `then` of another phase may name."""
    set: list[str] = Field(default_factory=list)
    """Settings while it lasts, as for ``--set``: ``"roles.proposer.update_every=0"``."""
    generations: NonNegativeInt = 0
    """It ends after so many generations; 0: only the metric ends it, or nothing does."""
    at_least: NonNegativeInt = 0
    """Generations before the metric may end it."""
    metric: str = ""
    """It ends once this metric ..."""
    above: float | None = None
    """... is at least this, or ..."""
    below: float | None = None
    """... is at most this ..."""
    patience: PositiveInt = 1
    """... so many times in a row."""
    then: str = ""
    """The phase that follows; by default the next one of the list. Phases that name each other alternate."""


class TaskSection(Section):
    """A source of tasks. Shares need not add up to 1; in all other matches the game makes its own task."""

    source: str
    """``pool`` (earlier proposals that were neither always nor never solved), ``pool_items`` (all of them, untried ones
    first), ``pool_examples`` (some of each difficulty, for whoever proposes more), ``file`` (JSON lines) or
    ``datasets`` (JSON lines, CSV, Parquet, the Hugging Face hub)."""
    share: Share = 1.0
    """Share of a generation's matches that take their task from here."""
    path: str = ""
    """For ``file``: one task per line. For ``datasets``: a file, a folder or an id on the hub. Relative to the recipe's
    folder."""
    column: str = ""
    """For ``datasets``: the task is the value of this column."""
    columns: dict[str, str] = Field(default_factory=dict)
    """For ``datasets``: the task is a table of these: name in the task = column. By default the whole row."""
    config: str = ""
    """For ``datasets``: which configuration, where there are several."""
    split: str = "train"
    """For ``datasets``: which split; a single file is what you call it."""
    streaming: bool = False
    """For ``datasets``: read rows as they are needed, each once per round, instead of fetching all first."""
    buffer: PositiveInt = 1000
    """For ``datasets``, streaming: rows held in memory to shuffle among."""
    pool: str = "pool"
    """For ``pool``, ``pool_items`` and ``pool_examples``: the name the game publishes under."""
    window: PositiveInt = 20
    """For these: how many generations back an item may come from."""
    per_label: PositiveInt = 3
    """For ``pool_examples``: items of each difficulty in a task."""


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

    rule: Literal["policy_gradient", "sft", "dpo", "kto", "offline_clip"] = "policy_gradient"
    """``policy_gradient``: advantages from rewards. ``sft``: imitates what `select` names. ``dpo``: prefers by `pairs`.
    ``kto``: what `select` names is desirable, what else has a reward is not. ``offline_clip``: rewards with one clipped
    ratio for a whole reply, and imitation of the game's examples (SPC)."""
    learner: Literal["trl", "plain"] = "trl"
    """``trl``: TRL's trainers, fed with our rows. ``plain``: the short reference learner, same gradients."""
    loss: Literal["dapo", "cispo", "vespo"] = "dapo"
    """Of ``policy_gradient``: the clipped loss, as TRL names it."""
    select: list[str] = Field(default_factory=lambda: ["kept", "examples"])
    """Of ``sft`` and ``kto``, joined: ``kept`` (marked by the game), ``rewarded`` (at least `threshold`),
    ``best_of_group`` (of each prompt the best), ``examples`` (recorded by the game)."""
    pairs: str = "preferred"
    """Of ``dpo``: ``preferred`` (by the game), ``best_worst``, ``pass_fail``, ``length_tiered``, ``refined``,
    ``against_example`` (SPIN) or ``diverse`` (DIVE)."""
    threshold: float = 0.5
    """Of `select` and `pairs`: rewards of at least this much are good."""
    per_prompt: NonNegativeInt = 0
    """Most rows of ``rewarded``, or pairs of ``pass_fail`` and ``diverse``, of one prompt; 0: all (``diverse``: 2)."""
    tier: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.3
    """Of ``length_tiered``: share of the range of rewards that counts as top, or as bottom."""
    weighted: bool = True
    """Of ``dpo``: pairs weigh as much as their rewards differ; false: all weigh 1."""
    beta: PositiveFloat = 0.1
    """Of ``dpo`` and ``kto``: how closely the policy stays to the reference."""
    nll: NonNegativeFloat = 0.0
    """Of ``dpo``: how much the likelihood of the preferred reply counts besides (ScPO: 1)."""
    reference: Literal["base", "current"] = "base"
    """Of ``dpo``, ``kto`` and ``offline_clip``: what is compared with, the ``base`` model or the weights as they are
    when an update begins (``current``: SPIN, ScPO; then `epochs` or `minibatch` should make several steps of it)."""
    example_weight: NonNegativeFloat = 0.15
    """Of ``offline_clip``: how much imitating examples counts."""
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
    """Lower clip of ``dapo`` and ``offline_clip``: the probability ratio counts down to 1 minus this."""
    epsilon_high: NonNegativeFloat = 0.2
    """Upper clip of these; for ``cispo`` the cap on the ratio itself, 5 by default."""
    micro_tokens: PositiveInt = 16384
    """Tokens (padding included) in one forward pass."""
    warmup_updates: NonNegativeInt = 0
    """Updates until the full learning rate; at most half of the run."""
    schedule: Literal["constant", "linear"] = "constant"
    """Learning rate after the warm-up, over the run's generations."""
    epochs: PositiveInt = 1
    """How often an update goes through its rows."""
    minibatch: NonNegativeInt = 0
    """Rows in one optimiser step, drawn at random; 0: all rows of the update at once."""
    window: NonNegativeInt = 1
    """An update learns from the rows of so many generations; 0: of all so far."""
    init: Literal["continue", "base"] = "continue"
    """``base``: every update starts from the base model again, with all it learns from its window (ReST-EM)."""

    @model_validator(mode="before")
    @classmethod
    def _cap(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("loss") == "cispo":
            return {"epsilon_high": CISPO_CAP, **given}
        return given

    @field_validator("select", mode="before")
    @classmethod
    def _several(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


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

    kind: Literal["schedule", "switch", "frontier", "climb", "balance"]
    """``schedule``: a straight line over generations. ``switch``: `end` while a metric is high, with hysteresis.
    ``frontier``: a step whenever a metric is high enough, never back. ``climb``: steps the way a metric rises.
    ``balance``: the selection threshold with the best balance score (B-STaR)."""
    key: str
    """What to change: ``game.settings.NAME``, ``roles.NAME.weight``, ``roles.NAME.update_every``,
    ``sampling.temperature`` or ``roles.NAME.sampling.temperature``."""
    start: float = 0.0
    """First value."""
    end: float = 0.0
    """Last value."""
    step: float = 0.0
    """For ``frontier`` and ``climb``: how far at a time. For ``balance``: distance of the thresholds that are tried."""
    generations: PositiveInt = 100
    """For ``schedule``: reaches `end` after this many."""
    metric: str = ""
    """For ``switch``, ``frontier`` and ``climb``."""
    above: float = 0.0
    """For ``switch``: use `end` once the metric is at least this ... For ``frontier``: when it is at least this."""
    below: float = 0.0
    """... and `start` again once it is at most this."""
    patience: PositiveInt = 1
    """For ``frontier``: so many times in a row. For ``climb``: measurements before each step."""
    wanted: PositiveInt = 8
    """For ``balance``: right answers to one question that are enough."""


class SandboxSection(Section):
    """Where programs that models write are run, and which results are accepted."""

    backend: Literal["local", "subprocess", "docker", "remote"] = "local"
    """``local``: this machine, without a daemon. ``docker``: containers. ``remote``: servers (``selfplay sandbox
    serve``). ``subprocess``: the slow reference."""
    workers: NonNegativeInt = 0
    """Programs at a time, for ``remote`` requests at a time; 0: one per core, for ``remote`` 8."""
    url: str = ""
    """For ``remote``: servers, separated by commas; else the environment variable ``SELFPLAY_SANDBOX_URL``. The token
    is read from ``SELFPLAY_SANDBOX_TOKEN`` alone: recipes are shared."""
    image: str = ""
    """For ``docker``: an image of your own."""
    runtime: str = ""
    """For ``docker``: ``runc``, ``runsc`` (gVisor), ..."""
    paranoid: bool = False
    """For ``docker``: a container of its own for every program."""
    min_level: Literal["L0", "L1", "L2", "L3"] = "L2"
    """The run does not start on a weaker sandbox (docs/security.md) ..."""
    allow_weak_sandbox: bool = False
    """... unless this is true."""
    allow_low_integrity: bool = False
    """Accept results that one case of a program could have forged for another (``isolation = "submission"``)."""
    masked_share: Share = 0.01
    """The run stops when more than this share of all verdicts is lost to trouble with the sandbox ..."""
    masked_count: PositiveInt = 8
    """... and at least this many are."""


class ApiSection(Section):
    """How players behind endpoints (``openai:MODEL@URL``) may be asked; the same for all of them."""

    spending_cap_usd: NonNegativeFloat = 0.0
    """Nothing is asked that could bring the run's spending above this; 0: no cap. Needs prices."""
    price_in: NonNegativeFloat = 0.0
    """Dollars per million prompt tokens; with several models, those of the dearest."""
    price_out: NonNegativeFloat = 0.0
    """Dollars per million reply tokens."""
    requests_per_minute: NonNegativeInt = 0
    """Per endpoint; 0: as fast as it answers."""
    tokens_per_minute: NonNegativeInt = 0
    """Per endpoint, prompts and replies; 0: no limit."""
    timeout_s: PositiveFloat = 60.0
    """Seconds for one whole reply."""
    retries: NonNegativeInt = 6
    """Further tries after a failure that may pass, with growing pauses."""
    concurrency: PositiveInt = 16
    """Requests under way at once, per endpoint."""
    key_env: str = ""
    """Environment variable with the key; by default ``OPENAI_API_KEY`` for OpenAI's own endpoint and
    ``SELFPLAY_API_KEY`` for others."""
    send_seed: bool = True
    """Send each request's seed; false for endpoints that refuse it."""

    def settings(self) -> ApiSettings:
        """What the endpoints keep to; raises UsageError for a cap without prices."""
        return ApiSettings(**self.model_dump())


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
    adapter: AdapterSection = Field(default_factory=AdapterSection)
    """How large adapters are, and where."""
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
    phases: list[PhaseSection] = Field(default_factory=list)
    """Stretches of the run under different settings."""
    sandbox: SandboxSection = Field(default_factory=SandboxSection)
    """Where programs are run."""
    api: ApiSection = Field(default_factory=ApiSection)
    """How endpoints may be asked."""
    limits: LimitsSection = Field(default_factory=LimitsSection)
    """When to give up."""

    def role(self, name: str) -> RoleSection:
        """The settings of a role, default ones where the recipe is silent."""
        return self.roles.get(name, RoleSection())

    def sampling_of(self, role: str) -> SamplingSection:
        """How a role's replies are drawn."""
        return self.role(role).sampling or self.sampling
