"""The command `nmt`, ready for Ctrl-C before anything large is imported."""

import sys


def main() -> None:
    """Run `nmt COMMAND ...`, see :mod:`nmt.commands.command`."""
    try:
        from nmt.commands.command import main as command
    except KeyboardInterrupt:
        print("nmt: interrupted", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
