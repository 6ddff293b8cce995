"""The command `nmt`, ready for Ctrl-C before anything large is imported."""

import sys


def main() -> None:
    """Run `nmt COMMAND ...`, see :func:`nmt.commands.command.chosen`."""
    try:
        if sys.argv[1:2] == ["completion"]:  # at every Tab key: nothing more is imported
            from nmt.commands.completion import main as command
        else:
            from nmt.hardware.waiting import sleep_soon

            sleep_soon()  # torch is not loaded yet
            from nmt.commands.command import chosen

            command = chosen()
    except KeyboardInterrupt:
        print("nmt: interrupted", file=sys.stderr)
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
