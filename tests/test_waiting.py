"""Threads that wait sleep soon, where the user's environment does not say how they wait."""

import os
import subprocess
import sys

import pytest

# Ends where torch would be loaded, and prints the variables at that moment.
PROGRAM = """
import os, sys

class Torch:
    def find_spec(self, name, *rest):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
            sys.stdout.flush()
            os._exit(0)

sys.meta_path.insert(0, Torch())
import nmt
assert "GOMP_SPINCOUNT" not in os.environ or os.environ["GOMP_SPINCOUNT"] == "7"
from nmt.__main__ import main
sys.argv = ["nmt", "bench"]
main()
"""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "None 10000"),
        ({"OMP_WAIT_POLICY": "active"}, "active None"),
        ({"GOMP_SPINCOUNT": "7"}, "None 7"),
    ],
    ids=str,
)
def test_a_command_decides_before_torch_is_loaded_and_only_if_the_user_did_not(given, found):
    others = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = (sys.executable, "-c", PROGRAM)
    answer = subprocess.run(command, env=others | given, capture_output=True, text=True)
    assert answer.stdout.split("\n")[0] == found, answer.stderr
