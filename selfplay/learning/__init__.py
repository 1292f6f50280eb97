"""From finished matches to better weights.

    records -> credit (groups, baselines) -> rows -> learner -> UpdateStats -> health

Importing this package costs nothing; torch is needed by the learners only.
"""
