"""Where does a run's wall time go? The share spent inside the model, on the default Countdown recipe.

    python benchmarks/share.py [--runs 7] [--json FILE]

A run of a few generations, several times; the model's time is sampling replies, reference log-probabilities and the
update, as the run itself notes them in ``metrics.jsonl``. The rest is ours: games, arena, records, logs, index, credit,
rows. The first generation is left out (it warms caches up), canaries are off. Wanted: at least 85 % in the model.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import selfplay

RECIPE = Path(__file__).resolve().parent.parent / "examples" / "countdown" / "recipe.toml"
WANTED = 0.85


def share(threads: int, generations: int) -> float:
    """One run."""
    sets = [f"policy.threads={threads}", f"schedule.generations={generations}", "evaluation.every=0",
            "evaluation.final_tasks=1", "schedule.checkpoint_every=1000"]  # fmt: skip
    with TemporaryDirectory() as root:
        run = selfplay.league(RECIPE, overrides=sets, root=root)
        timing = [line["timing"] for line in run.metrics()][1:-1]
    model = sum(t["generate_s"] + t["learn_s"] for t in timing)
    return model / (model + sum(t["other_s"] for t in timing))


def main() -> None:
    """Measure, print, say whether it is enough."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--generations", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    shares = [share(args.threads, args.generations) for _ in range(args.runs)]
    middle = statistics.median(shares)
    spread = f"{min(shares):.1%} to {max(shares):.1%}"
    print(f"share of wall time in the model: {middle:.1%} ({spread}), wanted {WANTED:.0%}")
    if args.json:
        args.json.write_text(json.dumps({"share": middle, "runs": shares, "wanted": WANTED}))


if __name__ == "__main__":
    main()
