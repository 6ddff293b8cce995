"""What there is to choose: each choice with its formula, its settings and what goes with it."""
