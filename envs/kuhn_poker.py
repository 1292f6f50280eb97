"""Kuhn poker: three cards, one bet. The smallest game in which good players bluff.

    first   Your card is J. You begin.  ->  bet            second  Your card is Q. They bet.  ->  pass

Both put one chip in; then, in turn, they pass or bet one more. A pass after a bet gives up, otherwise the higher card
takes the pot. Rewards and results are chips won. Perfect play gives `first` -1/18: it bets J (a bluff) with probability
a <= 1/3, K with 3a, and calls a bet with Q with a + 1/3. Source: H. W. Kuhn, "A simplified two-person poker", 1950.
Bots and demonstrations: `kuhn_bots`. How far a policy is from perfect: `kuhn_analysis`.
"""

from selfplay.envs.kuhn_bots import BOTS, History, demonstrations, heard, told
from selfplay.game import Game, Role, penalty
from selfplay.match import Match
from selfplay.roles.formats import choice

RULES = "Kuhn poker with the cards J, Q and K; the higher one wins. Answer pass or bet."


class KuhnPoker(Game):
    """Bet or pass on one of three cards."""

    id, zero_sum, result_range, bots, demos = "kuhn_poker", True, (-2.0, 2.0), BOTS, demonstrations
    first = Role(RULES, parse=choice("pass", "bet"), foul=penalty(-2.0))
    second = Role(RULES, parse=choice("pass", "bet"), foul=penalty(-2.0))

    async def play(self, match: Match) -> None:
        cards, history = match.rng.sample("JQK", 2), History()
        for seat, card in zip(self.seats(), cards, strict=True):
            match.secret(seat, told(card))
            match.tell(seat, told(card))
        while len(history) < 2 or history[-2:] == ("pass", "bet"):
            move = await match.ask((self.first, self.second)[len(history) % 2], heard(history))
            history = (*history, move.value)
        match.show(f"{cards[0]} against {cards[1]}: {', '.join(history)}")
        chips = chips_won(cards[0], cards[1], history)
        match.pay("first", chips)
        match.pay("second", -chips)
        match.result(first=chips, second=-chips)


def chips_won(first: str, second: str, history: History) -> float:
    """By `first`, with these cards and moves."""
    gave_up, stake = history[-2:] == ("bet", "pass"), 2.0 if history[-2:] == ("bet", "bet") else 1.0
    wins = len(history) == 2 if gave_up else "JQK".index(first) > "JQK".index(second)
    return stake if wins else -stake
