"""Language models that improve by playing games against each other and against their own past.

A game is a short async script over roles; batching, rewards, training, leagues, logs and viewers are supplied by the
framework around it. Write one with `Game`, `Role` and `Match`; run one with `play`, `league` and `open_run`.
"""

from __future__ import annotations
