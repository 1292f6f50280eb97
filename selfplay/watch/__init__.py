"""Looking at runs. Everything here reads a run folder (`selfplay.record`) and nothing else, and writes nothing.

terminal    the live view             transcript  one match, move by move
summary     a run's end table         state       what the logs say so far
panels      the pieces of the view    words       numbers, curves and hostile text as a person reads them
"""
