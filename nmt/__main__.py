"""The command `nmt`, ready for Ctrl-C before anything large is imported."""

import sys


def main() -> None:
    """Run `nmt COMMAND ...`, see :func:`nmt.commands.command.chosen`."""
    try:
        from nmt.commands.command import chosen
    except KeyboardInterrupt:
        print("nmt: interrupted", file=sys.stderr)
        sys.exit(130)
    command = chosen()
    command()


if __name__ == "__main__":
    main()
