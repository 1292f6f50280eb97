"""The checker named ``equivalence``: do two functions of the contract language agree on every allowed input?

    definitions   a function without loops as one expression, which the prover can compare another function with
    agreement     both functions run on inputs: random ones, those of failed proofs, all small ones
    checker       tests, then a proof, then all small inputs

docs/checkers.md says what the verdicts mean.
"""
