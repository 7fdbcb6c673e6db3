"""Threads that never end without a word."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_log = logging.getLogger("neural-style.threads")


def start(work: Callable[[], None], on_failure: Callable[[Exception], None] | None = None) -> threading.Thread:
    """Do ``work`` in a thread that does not keep the process alive.

    Args:
        on_failure: called in that thread with an exception that ``work`` did not catch, so that nobody goes on waiting
            for it; the log has the traceback by then.
    """

    def guarded() -> None:
        try:
            work()
        except Exception as error:
            try:
                _log.exception("%s was not expected to fail", getattr(work, "__qualname__", work))
            finally:  # even where there is no memory left to say so
                if on_failure is not None:
                    on_failure(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    return thread
