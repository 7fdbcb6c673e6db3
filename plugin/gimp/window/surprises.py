"""What nobody expected in a window, told to the person who is at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from plugin.shared import engine_client


@contextmanager
def told_to(tell: Callable[[engine_client.EngineError], None]) -> Iterator[None]:
    """In the block, tell of every exception that a callback of GTK's or GLib's does not catch; the log has it as well.

    PyGObject hands such an exception to ``sys.excepthook`` and lets the main loop go on.
    """
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before(kind, error, trace)
        if isinstance(error, Exception):
            tell(engine_client.unexpected(error))

    sys.excepthook = hook
    try:
        yield
    finally:
        sys.excepthook = before
