"""Checkers: they decide claims that no player may decide."""
