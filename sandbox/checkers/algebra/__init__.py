"""The checker named ``algebra``: equations, systems, inequalities, identities, integer puzzles.

    text -> reader -> tree -> problem
    tree -> evaluate, search: exact arithmetic on concrete values; without z3
    tree -> encode, prover: z3
    find: an assignment, or that there is none; questions: what can be asked; checker: claims

No text reaches z3 or any other library that evaluates text: terms are built from the tree. The puzzles of
`selfplay.sandbox.checkers.puzzles` are read into the same trees. docs/checkers.md describes claims and language.
"""
