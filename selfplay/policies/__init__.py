"""What writes text: local models, bots, people, endpoints. Importing this package imports no torch."""
