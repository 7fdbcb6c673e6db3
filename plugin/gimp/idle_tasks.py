"""Long work in short pieces, so that a window goes on living between them.

Such work is a generator: it yields whenever it can be interrupted, and returns what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Generic, TypeAlias, TypeVar

from gi.repository import GLib

_Result = TypeVar("_Result")

Pieces: TypeAlias = Generator[None, None, _Result]


def at_once(work: Pieces[_Result]) -> _Result:
    """Do all pieces, one after the other."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


class Kept(Generic[_Result]):
    """Work that is done once, whoever waits for it; what has failed begins anew for the next one who does."""

    def __init__(self, begin: Callable[[], Pieces[_Result]]) -> None:
        self._begin = begin
        self._work: Pieces[_Result] | None = None
        self.result: _Result | None = None
        """None until it is done."""

    def wait(self) -> Pieces[_Result]:
        """Go on with the work from where it is, or give the result."""
        while self.result is None:
            self._work = self._work or self._begin()
            try:
                next(self._work)
            except StopIteration as end:
                self._work, self.result = None, end.value
                break
            except BaseException:
                self._work = None
                raise
            yield
        assert self.result is not None
        return self.result

    def drop(self) -> None:
        """Give it up where it is."""
        if self._work is not None:
            self._work.close()
            self._work = None


class Idle:
    """Does work piece by piece whenever the main loop has nothing else to do."""

    def __init__(self) -> None:
        self._source = 0

    @property
    def is_busy(self) -> bool:
        return self._source != 0

    def begin(self, work: Pieces[None]) -> None:
        """Do this, and nothing else any more."""
        self.stop()

        def step() -> bool:
            goes_on = False
            try:
                next(work)
                goes_on = True
            except StopIteration:
                pass
            finally:
                if not goes_on:
                    self._source = 0
            return goes_on

        self._source = GLib.idle_add(step)

    def stop(self) -> None:
        """Do nothing any more."""
        if self._source:
            GLib.source_remove(self._source)
            self._source = 0
