"""The two ways a command can end badly: the input was wrong, or the run failed."""


class InputError(Exception):
    """Bad input by the user: one line that says what, where and what would be right (exit code 2)."""


class RunError(Exception):
    """The input was fine, but the run could not be completed (exit code 1)."""
