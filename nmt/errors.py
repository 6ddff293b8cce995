"""The one exception that is meant for the person at the keyboard."""


class UserError(ValueError):
    """Something the user gave cannot be used.

    The message names the file, line, key or value and the way out. Commands print it without a
    traceback and exit with code 1; every other exception is a bug of ours and keeps its traceback.
    """
