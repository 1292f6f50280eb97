"""The run: recipes, the loop that plays and learns, players by name, evaluation."""
