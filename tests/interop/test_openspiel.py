"""OpenSpiel's games through the door: what seats see, chance, illegal moves, returns, replay, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

pyspiel = pytest.importorskip("pyspiel")

from selfplay import check_game  # noqa: E402
from selfplay.cli import run as run_command  # noqa: E402
from selfplay.errors import UnknownName, UsageError  # noqa: E402
from selfplay.games import find_game, make_game  # noqa: E402
from selfplay.policies.bots import Replies  # noqa: E402
from selfplay.record.codec import dumps, loads  # noqa: E402
from selfplay.replay import difference, replay  # noqa: E402
from selfplay.types import Ending, MatchRecord  # noqa: E402

Playing = Callable[..., MatchRecord]

SHAPES = (
    "tic_tac_toe",
    "kuhn_poker",
    "kuhn_poker(players=3)",
    "leduc_poker",
    "matrix_rps",
    "goofspiel(num_cards=4)",
    "blackjack",
    "hanabi",
    "tarok",
)
"""Open, hidden, three players, several rounds, at the same time, both, alone, together, chance that it draws itself."""


def prompts(record: MatchRecord, seat: str) -> list[str]:
    return [move.messages[-1].text for move in record.moves if move.seat == seat]


@pytest.mark.parametrize("name", SHAPES)
def test_games_of_every_shape_keep_the_rules(name: str) -> None:
    report = check_game(make_game(f"openspiel:{name}"), 5)
    assert report.ok, report.findings
    assert report.moves > 5


@pytest.mark.parametrize("name", SHAPES)
def test_a_match_is_replayed_from_its_record_alone(play: Playing, name: str) -> None:
    game = make_game(f"openspiel:{name}")
    record = play(game, seed=3)
    assert record.ending is Ending.OK, record.error
    kept = loads(dumps(record))
    assert difference(kept, replay(kept, game)) is None


def test_the_game_says_what_openspiel_says_of_it() -> None:
    game = find_game("openspiel:kuhn_poker")
    assert game is find_game("openspiel:kuhn_poker") and game.name() == "openspiel:kuhn_poker"
    assert game.seats() == ("player#1", "player#2")
    assert game.zero_sum and game.result_range == (-2.0, 2.0)
    assert find_game("openspiel:blackjack").seats() == ("player",)
    assert not find_game("openspiel:hanabi").zero_sum


def test_returns_are_the_results_and_rewards_a_share_of_the_largest(play: Playing) -> None:
    record = play(make_game("openspiel:kuhn_poker"), {"player#1": ["Bet"], "player#2": ["Pass"]})
    assert record.result == {"player#1": 1.0, "player#2": -1.0}
    assert [move.reward for move in record.moves] == [0.5, -0.5]


def test_returns_agree_with_the_same_moves_made_in_openspiel(play: Playing) -> None:
    for seed in range(5):
        record = play(make_game("openspiel:tic_tac_toe"), seed=seed)
        state = pyspiel.load_game("tic_tac_toe").new_initial_state()
        for move in record.moves:
            state.apply_action(state.string_to_action(move.text))
        assert state.is_terminal() and record.result is not None
        assert list(record.result.values()) == state.returns()


def test_chance_is_drawn_from_the_match_and_each_seat_sees_its_own_card_only(play: Playing) -> None:
    game = make_game("openspiel:kuhn_poker")
    dealt: Counter[tuple[str, str]] = Counter()
    for seed in range(120):
        record = play(game, {"player#1": ["Pass"], "player#2": ["Pass"]}, seed=seed)
        first, second = prompts(record, "player#1")[0], prompts(record, "player#2")[0]
        assert first.startswith("You are player 0.") and second.startswith("You are player 1.")
        dealt[first.split("\n")[2], second.split("\n")[2]] += 1
        assert all(move.secret for move in record.moves)
    assert set(dealt) == {(a, f"{b}p") for a in "012" for b in "012" if a != b}
    assert min(dealt.values()) > 8, "each of the six deals is expected 20 times"


def test_chance_that_openspiel_draws_itself_follows_the_seed(play: Playing) -> None:
    game = make_game("openspiel:tarok")
    one, again, other = (play(game, seed=seed) for seed in (1, 1, 2))
    assert difference(one, again) is None
    assert prompts(one, "player#1")[0] != prompts(other, "player#1")[0]


def test_moves_at_the_same_time_are_not_seen_by_the_others(play: Playing) -> None:
    record = play(make_game("openspiel:matrix_rps"), {"player#1": ["Rock"], "player#2": ["Paper"]})
    assert record.result == {"player#1": -1.0, "player#2": 1.0}
    assert [len(move.id.split(".")) for move in record.moves] == [3, 3], "branches of a gather"
    assert not any("Paper" in prompt.partition("Moves:")[0] for prompt in prompts(record, "player#1"))


@pytest.mark.parametrize("reply", ["", "Call", "bet", "Bet.", "0", "Bet | Pass"])
def test_anything_but_a_move_on_offer_is_a_foul_that_teaches_the_others_nothing(play: Playing, reply: str) -> None:
    record = play(make_game("openspiel:kuhn_poker"), {"player#1": ["Bet"], "player#2": [reply]})
    assert (record.ending, record.forfeit) == (Ending.FOUL, "player#2")
    assert record.result == {"player#1": 2.0, "player#2": -2.0}
    assert [move.reward for move in record.moves] == [None, -1.0]
    assert record.moves[-1].foul == "not among the legal moves"


def test_an_illegal_move_may_be_tried_again_where_the_setting_says_so(play: Playing) -> None:
    replies = Replies({"player#1": ["Raise", "Bet"], "player#2": [" Pass\n"]})
    record = play(make_game("openspiel:kuhn_poker", {"retries": 1}), replies)
    assert record.ending is Ending.OK and record.result == {"player#1": 1.0, "player#2": -1.0}
    assert [move.reward for move in record.moves] == [None, 0.5, -0.5]
    assert "Try again." in replies.requests[1].messages[-1].text


def test_a_foul_at_the_same_time_ends_the_match_after_all_have_moved(play: Playing) -> None:
    record = play(make_game("openspiel:matrix_rps"), {"player#1": ["Lizard"], "player#2": ["Paper"]})
    assert (record.ending, record.forfeit, len(record.moves)) == (Ending.FOUL, "player#1", 2)


def test_long_lists_of_moves_are_cut(play: Playing) -> None:
    game = make_game("openspiel:tic_tac_toe", {"listed": 2})
    record = play(game, Replies({"player": ["x(2,2)", "o(0,0)", "x(0,1)", "no"]}))
    assert prompts(record, "player#1")[0].endswith("Moves (2 of 9): x(0,0) | x(0,1)")
    assert [move.foul for move in record.moves[:3]] == [None] * 3, "moves that are not listed are legal too"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("kuhn_pokr", UnknownName, "did you mean 'kuhn_poker'?"),
        ("", UnknownName, "unknown game of OpenSpiel ''"),
        ("kuhn_poker(players=99)", UsageError, "OpenSpiel cannot load 'kuhn_poker(players=99)'"),
        ("kuhn_poker(players", UsageError, "OpenSpiel cannot load"),
        ("misere", UsageError, "Missing parameter game"),
        ("nfg_game", UsageError, "OpenSpiel cannot load 'nfg_game'"),
        ("mfg_garnet", UsageError, "mean field"),
        ("crossword", UsageError, "no list of legal moves"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(name: str, error: type[UsageError], words: str) -> None:
    with pytest.raises(error) as raised:
        find_game(f"openspiel:{name}")
    assert words in str(raised.value)


def test_without_the_package_the_message_is_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyspiel", None)
    with pytest.raises(UsageError, match=r"pip install 'selfplay\[openspiel\]'"):
        find_game("openspiel:connect_four(rows=5)")


def test_the_command_line_takes_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["games", "show", "openspiel:kuhn_poker"]) == 0
    assert "Kuhn Poker, from OpenSpiel." in capsys.readouterr().out
    assert run_command(["play", "openspiel:kuhn_poker", "--seat", "player=random", "--seed", "1"]) == 0
    assert "result: player#1" in capsys.readouterr().out
    assert run_command(["play", "openspiel:kuhn_pokr"]) == 2
