"""How fast is our sampler beside `model.generate`? Tokens per CPU second: same model and prompts, 128 rows, one thread.

    python benchmarks/generation.py [--model countdown] [--runs 7] [--profile] [--json FILE]

1. *equal lengths*: 128 different prompts of 32 tokens, 64 new tokens each, nothing ends early. Wanted: at least 1.15.
2. *Countdown*: real puzzles and what the tiny model answers; a row counts up to its end token, at most 32 tokens.
   `generate` runs until the last row ends, we drop rows as they end. Wanted: at least 1.3. Twice: 128 different
   puzzles, and 16 puzzles with 8 answers each as the game plays it, where we also prefill each puzzle only once.

Our side returns log-probabilities and draws every row from its own seed; `generate` does neither. Each ratio is the
median of paired runs that alternate. Wall time is not used: the machine may be shared.

What stands between us and the floor. The matrix products of 1.1 M parameters need 2.2 MFLOP per token: about 42k tokens
per CPU second at 90 GFLOP/s. Measured with --profile on a loaded 2-core machine, two runs:

                           equal lengths   Countdown's lengths
    attention                  40-48 %          20-35 %         reads up to 42 MB of keys and values per step, with a
                                                                kernel made for long queries
    matrix products            25-27 %          27-39 %
    all other operations       25-36 %          37-41 %         norms, rotary embedding, activations, cache, drawing

Of a step's 14 ms at equal lengths, 1.6 ms (11 %) is Python and dispatch: what a single row costs. On Countdown's side
half of the work goes to prompts, whose tokens are not counted. What would help most is fewer bytes of keys and values
(fewer key-value heads, bfloat16) and fused kernels; neither is done here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"  # before torch starts

import torch
from torch.profiler import ProfilerActivity, profile

from selfplay.envs.countdown import Countdown
from selfplay.policies.ends import Ends
from selfplay.policies.hf import LocalPolicy
from selfplay.tiny import load_tiny
from selfplay.types import Sampling

ROWS = 128
WANTED = {"equal lengths": 1.15, "Countdown, 128 puzzles": 1.3, "Countdown, 16 puzzles x 8": 1.3}


class Job(NamedTuple):
    """The same work for both."""

    name: str
    prompts: list[list[int]]
    siblings: int
    new_tokens: int
    may_end: bool


def jobs(policy: LocalPolicy) -> list[Job]:
    rng = random.Random(0)
    vocabulary = policy.model.config.vocab_size
    noise = [[rng.randrange(vocabulary) for _ in range(32)] for _ in range(ROWS)]
    demos = (demo for demo in Countdown().demos(rng) if demo.role == "solver")
    puzzles = [policy.chat.opening(demo.messages) for demo in itertools.islice(demos, ROWS)]
    shapes = ((noise, 1, 64, False), (puzzles, 1, 32, True), (puzzles[: ROWS // 8], 8, 32, True))
    return [Job(name, *shape) for name, shape in zip(WANTED, shapes, strict=True)]


def ours(policy: LocalPolicy, job: Job, seed: int) -> int:
    """Run the job; the number of tokens sampled."""
    ends = Ends(policy.model.config.vocab_size, policy.end_ids if job.may_end else ())
    seeds = [[seed * ROWS + p * job.siblings + s for s in range(job.siblings)] for p in range(len(job.prompts))]
    replies = policy.sampler.sample(job.prompts, seeds, Sampling(max_tokens=job.new_tokens), ends)
    return sum(len(reply.token_ids) for own in replies for reply in own)


def theirs(policy: LocalPolicy, job: Job, seed: int) -> int:
    """The same with `model.generate`."""
    torch.manual_seed(seed)
    prompts = [prompt for prompt in job.prompts for _ in range(job.siblings)]
    width = max(map(len, prompts))
    pad, end = policy.tokenizer.pad_token_id, policy.tokenizer.eos_token_id
    out: torch.Tensor = policy.model.generate(  # type: ignore[operator]
        input_ids=torch.tensor([[pad] * (width - len(p)) + p for p in prompts]),
        attention_mask=torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts]),
        do_sample=True, top_k=0, top_p=1.0, max_new_tokens=job.new_tokens,
        eos_token_id=end if job.may_end else None, pad_token_id=pad,
    )[:, width:]  # fmt: skip
    if not job.may_end:
        return int(out.numel())
    ended = out == end
    return int(torch.where(ended.any(1), ended.int().argmax(1) + 1, out.shape[1]).sum())


def speed(run: Callable[[], int]) -> float:
    """Tokens per CPU second."""
    started = time.process_time()
    tokens = run()
    return tokens / (time.process_time() - started)


def cpu_seconds(run: Callable[[], int]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def compare(policy: LocalPolicy, job: Job, runs: int) -> dict[str, float | str]:
    pairs = []
    for run in range(-1, runs):  # the first pair warms up
        sides = [ours, theirs] if run % 2 else [theirs, ours]
        speeds = {side: speed(partial(side, policy, job, run + 1)) for side in sides}
        if run >= 0:
            pairs.append((speeds[ours], speeds[theirs]))
    ratios = [a / b for a, b in pairs]
    return {
        "job": job.name,
        "ours_tokens_per_s": round(statistics.median(a for a, _ in pairs)),
        "generate_tokens_per_s": round(statistics.median(b for _, b in pairs)),
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "wanted": WANTED[job.name],
    }


KINDS = {"matrix products": ("mm", "addmm", "bmm"), "attention": ("_scaled_dot_product_flash_attention_for_cpu",)}


def shares(policy: LocalPolicy, job: Job) -> dict[str, float]:
    """Where our time goes: shares of the time in tensor operations, and what a single row costs beside all of them."""
    alone = job._replace(prompts=job.prompts[:1], siblings=1, may_end=False)
    whole, single = (min(cpu_seconds(partial(ours, policy, j, 0)) for _ in range(3)) for j in (job, alone))
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        ours(policy, job, 0)
    spent = {event.key.removeprefix("aten::"): event.self_cpu_time_total / 1e6 for event in trace.key_averages()}
    found = {kind: sum(spent.get(name, 0.0) for name in names) for kind, names in KINDS.items()}
    found["other tensor operations"] = sum(spent.values()) - sum(found.values())
    told = {kind: round(part / sum(spent.values()), 3) for kind, part in found.items()}
    return told | {"seconds": round(whole, 3), "seconds of a single row": round(single, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="countdown", help="a tiny model's name or folder")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--profile", action="store_true", help="also say where our time goes")
    parser.add_argument("--json", type=Path, help="write the numbers there as well")
    args = parser.parse_args()
    policy = load_tiny(args.model, threads=1)
    parameters = policy.model.num_parameters()
    print(f"{args.model}: {parameters:,} parameters, {ROWS} rows, median of {args.runs} paired runs\n")
    print(f"{'':28}{'ours':>10}{'generate':>10}{'ratio':>8}   lowest-highest   wanted")
    results = []
    for job in jobs(policy):
        r = compare(policy, job, args.runs)
        results.append(r)
        print(f"{r['job']:28}{r['ours_tokens_per_s']:>10,}{r['generate_tokens_per_s']:>10,}{r['ratio']:>8.2f}"
              f"   {r['lowest']:.2f}-{r['highest']:.2f}        {r['wanted']:.2f}")  # fmt: skip
    report: dict[str, object] = {"model": args.model, "parameters": parameters, "results": results}
    if args.profile:
        report["shares"] = {job.name: shares(policy, job) for job in jobs(policy)}
    print("\n" + json.dumps(report))
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
