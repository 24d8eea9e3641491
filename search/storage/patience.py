"""A storage that is gone for a while: whatever was asked of it is asked again until it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import TypeVar

from nas_search.errors import RunError
from nas_search.search.storage.problems import database_error, is_gone, reason_of

PATIENCE_SECONDS = 300.0
_PAUSES_SECONDS = (0.1, 0.3, 1.0, 2.0, 4.0)
_LONGEST_PAUSE_SECONDS = 8.0
_SAID_AFTER_SECONDS = 1.0
T = TypeVar("T")


class Patience:
    """Asks again, ever more slowly, while the storage ``where`` does not answer; ``note`` hears of it.

    ``steady_since`` is when it came back the last time, by ``time.monotonic``: after it was away everybody seems dead,
    since nobody could say that he is not.
    """

    def __init__(self, where: str, note: Callable[[str], None], seconds: float = PATIENCE_SECONDS) -> None:
        self._where, self._note, self._seconds = where, note, seconds
        self.steady_since = time.monotonic()

    def ask(self, operation: Callable[[], T]) -> T:
        """The operation's result. It may be done twice: if the storage went away before it could say that it was done.

        Raises RunError if the storage stays away, or if it has an error that will not pass.
        """
        began, said = time.monotonic(), False
        for tries, pause in enumerate(chain(_PAUSES_SECONDS, repeat(_LONGEST_PAUSE_SECONDS))):
            try:
                result = operation()
            except Exception as error:
                self._raise_unless_it_passes(error, time.monotonic() - began)
            else:
                self._answered(tries, said)
                return result
            if not said and time.monotonic() - began > _SAID_AFTER_SECONDS:
                said = True
                self._note(f"{self._where}: no answer; trying again for {self._seconds / 60:.3g} minutes")
            time.sleep(pause)
        raise AssertionError  # the pauses never end

    def _raise_unless_it_passes(self, error: Exception, waited: float) -> None:
        cause = database_error(error)
        if cause is None:
            raise error
        if not is_gone(cause):
            raise RunError(f"{self._where}: {reason_of(cause)}; the study is intact") from None
        if waited > self._seconds:
            raise RunError(
                f"{self._where}: no answer for {self._seconds / 60:.3g} minutes ({reason_of(cause)}); the study is "
                f"intact, run the same again"
            ) from None

    def _answered(self, tries: int, said: bool) -> None:
        if tries:
            self.steady_since = time.monotonic()
        if said:
            self._note(f"{self._where}: answers again")
