"""Kill runs twenty times at random moments: do they end with the very same bits? `make bench-resume`.

One undisturbed run of the default Countdown recipe, cut short, and runs that get `kill -9` again and again and are
resumed with `selfplay league --resume`. Compared are the weights of the last snapshot and every line of the match logs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from selfplay.record.folder import RunFolder
from selfplay.record.log import read_lines
from selfplay.record.packed import open_log

HERE = Path(__file__).resolve().parent.parent
SHORT = ("schedule.generations=30", "schedule.matches=12", "schedule.checkpoint_every=3", "evaluation.every=10",
         "evaluation.tasks=20", "evaluation.final_tasks=20", "policy.threads=1")  # fmt: skip


def main() -> None:
    """Run both, compare, say so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--recipe", type=Path, default=HERE / "examples" / "countdown" / "recipe.toml")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with TemporaryDirectory() as scratch:
        calm, killed = Path(scratch) / "calm", Path(scratch) / "killed"
        start = time.monotonic()
        assert _start(args.recipe, calm).wait() == 0, "the undisturbed run failed"
        whole_s = time.monotonic() - start
        print(f"undisturbed: {whole_s:.1f} s", flush=True)
        kills, runs, same = 0, 0, True
        while kills < args.kills:  # a run that got through before the last kill is followed by another one
            root, runs = killed / str(runs), runs + 1
            process = _start(args.recipe, root)
            while process.poll() is None:
                try:
                    process.wait(timeout=_patience(chance, whole_s) if kills < args.kills else None)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    kills += 1
                    print(f"kill {kills:2d}, run {runs}: {_matches(root)} matches on disk", flush=True)
                    process = _start(args.recipe, root)
            same = same and process.returncode == 0 and _digest(calm) == _digest(root)
        print(f"{kills} kills in {runs} runs; weights and logs {'identical' if same else 'DIFFER'}")
        sys.exit(0 if same else 1)


def _patience(chance: random.Random, whole_s: float) -> float:
    """Seconds until the next kill: sometimes still in the start-up, mostly in the middle of the work."""
    return chance.uniform(0.1, 0.7) * whole_s


def _start(recipe: Path, root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "selfplay", "league", "--no-live", "--root", str(root)]
    folder = _folder(root)
    command += ["--resume", str(folder)] if folder else [str(recipe), *(part for s in SHORT for part in ("--set", s))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=HERE, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _folder(root: Path) -> Path | None:
    return next((p.parent for p in root.glob("*/run.json") if not p.parent.is_symlink()), None)


def _matches(root: Path) -> int:
    folder = _folder(root)
    return sum(1 for log in RunFolder(folder).match_logs().values() for _ in read_lines(log)) if folder else 0


def _digest(root: Path) -> str:
    """Of the last snapshot's weights, of all roles, and of all match logs."""
    folder = _folder(root)
    assert folder is not None
    digest = hashlib.sha256()
    for weights in sorted(sorted(folder.glob("snapshots/gen-*"))[-1].rglob("model.safetensors")):
        digest.update(weights.read_bytes())
    for log in RunFolder(folder).match_logs().values():
        with open_log(log) as text:
            digest.update(text.read())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
