"""Doors to other people's games: a module per library, each an optional extra."""
