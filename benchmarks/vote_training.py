"""How does learning from one's own votes end, and does re-initialising help? `make bench-vote_training`.

Claims, named beforehand. Metric: pass@1, the share of 500 held-out products (never trained on) that one sample at
temperature 1 gets right. 3 seeds each.

SRT (arXiv 2505.21444), 60 generations of 512 answers, recipes of examples/vote_training:

    online      srt_online.toml: the label is the majority of the answers that are rewarded
    frozen      srt_frozen.toml: the majority of the frozen base model
    easy_third  srt_easy_third.toml: online labels, on the third of the prompts that the frozen base agrees on most;
                64 prompts a generation, of which about a third teach: for want of time not the recipe's 96

    1. an alarm of the recipe (notes/label_gap, canary/fall_p or solver/answer_entropy; here they only warn) fires in
       every online run, and none in any frozen or easy_third run (the paper: both remedies are stable);
    2. after the last generation, frozen - online has its one-sided 95 % lower bound above 0.
    Reported: easy_third - online, which alarm fired when, and every exam on the way (the paper: online gets better
    first, then collapses).

ReST-EM (arXiv 2312.06585), 3 rounds on the right ones of 8192 answers each:

    reinit      rest_em.toml: every round fine-tunes the base model
    continue    the same, but every round goes on from the last: learning.init = "continue"

    3. reinit - warm start has its one-sided 95 % lower bound above 0.
    Reported: reinit - continue (the paper prefers re-initialising: similar on the task, better transfer).

Without a claim: ScPO (arXiv 2411.04109) against LMSI (arXiv 2210.11610), 16384 answers each, no answer key:

    scpo        scpo.toml: most against least voted answers, weighed, in two iterations
    lmsi        lmsi.toml: one round of imitating what the majority said (the paper: 61.0 after one iteration of ScPO
                and 63.9 after two, against 56.7, from 41.2, GSM8K)

Budget: 20 CPU-minutes. Resumable, see `arms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arms import Arm, Played, Study, difference, holds, marks_of, rates_table

FOLDER = "examples/vote_training"
SRT = ["health.2.action=warn"]  # or the runs would end where the alarm fires
ARMS = {
    "online": Arm(f"{FOLDER}/srt_online.toml", SRT),
    "frozen": Arm(f"{FOLDER}/srt_frozen.toml", SRT),
    "easy_third": Arm(f"{FOLDER}/srt_easy_third.toml", [*SRT, "schedule.matches=64"]),
    "reinit": Arm(f"{FOLDER}/rest_em.toml"),
    "continue": Arm(f"{FOLDER}/rest_em.toml", ["learning.init=continue"]),
    "scpo": Arm(f"{FOLDER}/scpo.toml"),
    "lmsi": Arm(f"{FOLDER}/lmsi.toml"),
}
COMMON = [
    "game.settings.exam_temperature=1.0", "game.settings.exam_size=500", "evaluation.tasks=500",
    "evaluation.final_tasks=500",
]  # fmt: skip


def main() -> None:
    """Run what is missing, then print and write the table."""
    assert __doc__
    study = Study("vote-training", ARMS, common=COMMON, seeds=3, about=__doc__.splitlines()[0])
    played = study.play()
    study.publish(report(played), played, "multiplication")


def report(played: Mapping[str, Sequence[Played]]) -> list[str]:
    """The results as Markdown."""
    marks = {arm: marks_of(runs) for arm, runs in played.items()}
    marks["warm start"] = marks_of(next(iter(played.values())), 0)
    lines = [*rates_table(marks, played, ["3x1"]), ""]
    for one, other, margin in (
        ("frozen", "online", 0.0),
        ("easy_third", "online", None),
        ("reinit", "warm start", 0.0),
        ("reinit", "continue", None),
        ("scpo", "lmsi", None),
        ("scpo", "warm start", None),
        ("lmsi", "warm start", None),
    ):
        if {one, other} <= marks.keys():
            lines.append(difference(f"{one} - {other}", marks[one], marks[other], margin))
    fired = {arm: [alarms(run) for run in played[arm]] for arm in ("online", "frozen", "easy_third") if arm in played}
    for arm, runs in fired.items():
        lines.append(f"- {arm}, first alarms: {'; '.join(', '.join(run) or 'none' for run in runs)}")
    if len(fired) == 3:
        told = all(fired["online"]) and not any(fired["frozen"] + fired["easy_third"])
        lines.append(f"- alarms in every online run and in no other: {holds(told)}")
    for arm in fired:
        lines.append(f"- {arm}, exams on the way: {'; '.join(exams(run) for run in played[arm])}")
    return lines


def alarms(run: Played) -> list[str]:
    """Each metric that raised an alarm, with the generation in which it first did."""
    first: dict[str, int] = {}
    for event in run.run.events("alarm"):
        first.setdefault(event["rule"], event["generation"])
    return [f"{metric} after generation {generation}" for metric, generation in first.items()]


def exams(run: Played) -> str:
    """pass@1 in every exam of a run."""
    rates = []
    for event in run.run.events("canary"):
        (level,) = event["levels"].values()
        rates.append(sum(level["solved"]) / len(level["solved"]))
    return " ".join(f"{rate:.2f}" for rate in rates)


if __name__ == "__main__":
    main()
