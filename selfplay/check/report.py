"""What the conformance suite has to say."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from selfplay.types import Json


@dataclass(slots=True)
class Finding:
    """One thing that is wrong with a game."""

    check: str
    """``plays ends chance seed order fouls secrets replies rewards results settle exam record replay settings``"""
    seed: int | None
    """Seed of the first match that shows it; `None` where no match is needed to see it."""
    move: str
    """The move or step in that match, by path; empty where it is the match as a whole."""
    text: str
    """What is wrong, one sentence."""
    fix: str
    times: int = 1
    """How often it was seen."""


@dataclass(slots=True)
class Report:
    """Everything `check_game` found, and what it could not try."""

    game: str
    seeds: int
    matches: int = 0
    moves: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What could not be exercised, and why."""
    _seen: dict[tuple[str, str], Finding] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.findings

    def add(self, subject: str, finding: Finding) -> None:
        """Keep the first finding of each check about each subject (a role, a line), and count the others."""
        known = self._seen.setdefault((finding.check, subject), finding)
        if known is finding:
            self.findings.append(finding)
        else:
            known.times += 1

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def as_json(self) -> dict[str, Json]:
        return {
            "game": self.game,
            "ok": self.ok,
            "seeds": self.seeds,
            "matches": self.matches,
            "moves": self.moves,
            "findings": [asdict(finding) for finding in self.findings],
            "notes": self.notes,
        }
