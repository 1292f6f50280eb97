"""Do code and tests that judge each other get better, and what is the discrimination term worth? `make
bench-code_and_tests`.

Claim, named beforehand. Metric: share of the 221 held-out functions of two steps (nobody is ever trained on one) of
which one greedy program is right on ten hidden cases after the last generation. Arms, 3 seeds each, equal matches:

    discriminate   examples/code_and_tests/recipe.toml (Sol-Ver, arXiv 2502.14948: SFT, then DPO)
    accept         the same without the discrimination term: a suite that accepts the chosen program is paid in full
    code_only      the same, but nothing is learned from tests

It holds if the 95 % interval of discriminate - base, by a paired bootstrap over seeds and then functions, lies above 0.
Reported without a claim: the other arms; the kill rate, that is the share of held-out functions' hard mutants that one
greedy suite rejects while it accepts the function; how often programs and suites were right in training. The design
notes on Sol-Ver predict collusion without the term (suites that accept everything are paid in full), and less from
training code only.

Resumable, see `arms`. Budget: 60 CPU-minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arms import Arm, Marks, Played, Study, course, difference, marks_of, rates_table

RECIPE = "examples/code_and_tests/recipe.toml"
ARMS = {
    "discriminate": Arm(RECIPE),
    "accept": Arm(RECIPE, ["game.settings.discriminate=false"]),
    "code_only": Arm(RECIPE, ["roles.verifier.weight=0"]),
}
NOTES = ("agreed", "accepted", "worth", "solver_right", "chosen_right", "tests_right", "kill_rate")


def main() -> None:
    """Run what is missing, then print and write the tables."""
    assert __doc__
    study = Study("code_and_tests", ARMS, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "code_and_tests")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown: programs first, then tests."""
    lines = []
    for title, graded in (("Programs", "code"), ("Tests: kill rate on hard mutants", "tests")):
        lines += [f"{title}:", "", *_table(played, graded), ""]
    for arm, runs in played.items():
        lines.append(f"- {arm}: {', '.join(filter(None, (course(runs, what) for what in NOTES)))}")
    return lines


def _table(played: Mapping[str, Sequence[Played]], graded: str) -> list[str]:
    """Rates and differences on the exam levels of one kind."""
    some = next(iter(played.values()))
    levels = list(some[0].canary())

    def of(runs: Sequence[Played], which: int = -1) -> Marks:
        return [level for name, level in zip(levels, marks_of(runs, which), strict=True) if name.endswith(graded)]

    marks = {arm: of(runs) for arm, runs in played.items()}
    marks["base"] = of(some, 0)
    lines = [*rates_table(marks, played, [name for name in levels if name.endswith(graded)]), ""]
    for one, other in (
        ("discriminate", "base"),
        ("accept", "base"),
        ("code_only", "base"),
        ("discriminate", "accept"),
        ("discriminate", "code_only"),
    ):
        if {one, other} <= marks.keys():
            lines.append(difference(f"{one} - {other}", marks[one], marks[other]))
    return lines


if __name__ == "__main__":
    main()
