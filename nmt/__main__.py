"""The command `nmt`: one word chooses what to do, the rest is for that command."""

import sys
from importlib import import_module

COMMANDS = {
    "train": "train a model on a corpus and evaluate it",
    "translate": "translate text with a trained model",
    "evaluate": "score a trained model on a test set",
}

HELP = """\
nmt trains, compares and explains attention in neural machine translation.

{commands}

To begin:
  nmt train                              German to English on the corpus that is built in
  nmt train attention=bahdanau seed=2    one word changes the experiment
  nmt train experiment=smoke             everything once, in seconds
  nmt COMMAND --help                     what a command takes"""


def main() -> None:
    """Run `nmt COMMAND ...`; exit code 2 for a command that does not exist."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        listed = "\n".join(f"  nmt {name:<12}{text}" for name, text in COMMANDS.items())
        print(HELP.format(commands=listed))
        sys.exit(0 if words else 2)
    if words[0] not in COMMANDS:
        known = ", ".join(COMMANDS)
        print(f"nmt: there is no command {words[0]}; there are {known}", file=sys.stderr)
        sys.exit(2)
    sys.argv = [f"nmt {words[0]}", *words[1:]]
    import_module(f"nmt.commands.{words[0]}").main()


if __name__ == "__main__":
    main()
