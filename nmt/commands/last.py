"""Names in place of a run folder: `last`, the newest below runs/, and `sample`, of the package."""

from pathlib import Path

from nmt.errors import UserError
from nmt.runs.sample import NAME as SAMPLE
from nmt.runs.sample import sample_folder
from nmt.terminal.console import tell

LAST = "last"
RUNS = Path("runs")
ASKING = ("run", "resume", "from", "reverse", "tokenizer.run", "init")  # keys whose value is a run


def named(word: str) -> str:
    """Put the run folder for `last` in KEY=last, and say which it is; or for `sample`.

    UserError for resume=sample, which has no checkpoint.
    """
    key, _, value = word.partition("=")
    if key in ASKING and names_sample(value):
        if key == "resume":
            raise UserError(
                f"{word}: the model that comes with nmt has no checkpoint. init={SAMPLE} starts "
                f"with its weights, from={SAMPLE} trains it anew"
            )
        return f"{key}={sample_folder()}"
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


def names_sample(word: str) -> bool:
    """Tell whether a word asks for the model of nmt; a folder with that name comes first."""
    return word == SAMPLE and not Path(SAMPLE).exists()


def typed_again(word: str) -> str:
    """Put `sample` back in KEY=FOLDER: the other way of :func:`named`."""
    key, _, value = word.partition("=")
    return f"{key}={SAMPLE}" if value == str(sample_folder()) else word


def newest(word: str) -> Path:
    """Return the run in which training began last; one that went on began then.

    UserError, with the ``word`` that asked for it, where there is none.
    """
    # Imported here, since they bring torch along, and --help is to be there at once.
    from nmt.comparison.runs import natural, run_folders
    from nmt.runs.folder import CONFIG

    found = [run for run in run_folders(RUNS) if (run / CONFIG).is_file()]
    if not found:
        raise UserError(f"{word}: no run folder below {RUNS.resolve()}; type the folder of a run")
    return max(found, key=lambda run: ((run / CONFIG).stat().st_mtime_ns, natural(str(run))))
