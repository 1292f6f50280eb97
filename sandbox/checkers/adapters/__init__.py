"""Other people's provers behind our verdicts. All of them are optional; docs/checkers.md says which were really run.

grammar        what hostile text may look like, and how the file is put together that a prover reads
box, adapter   running a program that is not ours; what the adapters below share
coq, dafny, why3, verus    programs on this machine
lean           a server elsewhere
crosshair      in the sandbox, since it runs the code (`crosshair_inside` is what runs there)
"""
