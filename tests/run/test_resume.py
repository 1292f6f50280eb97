"""What a killed run in fast mode left behind is there until its own generation has been played again."""

from __future__ import annotations

from pathlib import Path

from selfplay.record.folder import RunFolder
from selfplay.run.resume import Salvage
from selfplay.types import Completion, Move, Pairing, Turn


def test_replies_wait_for_their_own_generation(tmp_path: Path) -> None:
    def pairing(generation: int) -> Pairing:
        return Pairing("g", {"a": "p"}, {}, seed=0, generation=generation)

    reply = Completion("paid")
    move = Move("0", None, "a", "a", "", None, "p", True, False, (), reply, Turn(None, (), reply))
    killed = Salvage(RunFolder(tmp_path))
    killed.watch(7, lambda pairing, move: None)(pairing(7), move)
    after = Salvage(RunFolder(tmp_path))  # the last checkpoint was before generation 6
    for generation, paid in ((6, []), (7, ["paid"])):
        found = after.replies(generation, [pairing(generation)])
        assert [c.text for known in found.values() for c in known.replies[0,]] == paid
        after.watch(generation, lambda pairing, move: None)
        after.clear(generation)
    assert after.replies(7, [pairing(7)]) == {}
