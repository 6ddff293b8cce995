"""`last` where a run is asked for: the newest run folder below runs/."""

from pathlib import Path

from nmt.errors import UserError
from nmt.terminal.console import tell

LAST = "last"
RUNS = Path("runs")
ASKING = ("run", "resume", "from", "reverse", "tokenizer.run", "init")  # keys whose value is a run


def named(word: str) -> str:
    """Put the newest run for `last` in KEY=last, and say which it is."""
    key, _, value = word.partition("=")
    if key not in ASKING or not is_last(value):
        return word
    run = newest(word)
    tell(f"{word}: {run}")
    return f"{key}={run}"


def folder_compared(word: str) -> str:
    """Put the folder that the newest run lies in, such as that of a sweep, for `last`."""
    if not is_last(word):
        return word
    folder = newest(word).parent
    tell(f"{word}: {folder}")
    return str(folder)


def is_last(word: str) -> bool:
    """Tell whether a word asks for the newest run; a folder with that name comes first."""
    return word == LAST and not Path(LAST).exists()


def newest(word: str) -> Path:
    """Return the run in which training began last; one that went on began then.

    UserError, with the ``word`` that asked for it, where there is none.
    """
    # Imported here, since they bring torch along, and --help is to be there at once.
    from nmt.comparison.runs import natural, run_folders
    from nmt.runs.folder import CONFIG

    found = [run for run in run_folders(RUNS) if (run / CONFIG).is_file()]
    if not found:
        raise UserError(f"{word}: no run folder below {RUNS.resolve()}; name the folder of a run")
    return max(found, key=lambda run: ((run / CONFIG).stat().st_mtime_ns, natural(str(run))))
