"""The run: recipes, the loop that plays and learns, players by name, exams."""

from selfplay.run.api import play
from selfplay.run.league import Stopped, league

__all__ = ["Stopped", "league", "play"]
