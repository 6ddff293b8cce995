"""How long threads spin before they sleep, while they wait for each other at the end of a product.

A spinning thread keeps its core busy. Where other programs need the cores, it keeps the thread that
it waits for from running. GNU's OpenMP library, which torch uses on Linux, spins for some
milliseconds, which is much longer than it takes to wake a thread. Figures: docs/performance.md,
"Beside other programs".
"""

import os

SPINS = "10000"  # a tenth of a millisecond to a half
OF_USERS = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # variables that say how threads wait


def sleep_soon() -> None:
    """Let threads sleep soon, unless the user's environment decides. Only before torch is loaded.

    OpenMP reads the variable once, when it is loaded. Programs that this process starts obey it,
    too. Results do not depend on it.
    """
    if not any(name in os.environ for name in OF_USERS):
        os.environ["GOMP_SPINCOUNT"] = SPINS
