"""This process's own log file, and that errors which nobody caught are in it.

Every process has a file of its own: two that rotate one file lose each other's lines, and on Windows cannot at all.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import TracebackType

from plugin.shared import paths

_log = logging.getLogger("neural-style")

_LARGEST = 2**20
"""Bytes of a file; one older part of it is kept beside it."""

_MOST = 20
"""Files of earlier processes that are kept, the newest ones."""

_FRESH_SECONDS = 24 * 3600
"""After it was written to last, a file is also kept so long: its process may still be there."""


@cache
def file() -> Path:
    """This process's log file, which is there as soon as there is something in it."""
    started = time.strftime("%Y%m%d-%H%M%S")
    return paths.log_folder() / f"{paths.APPLICATION}-{started}-{os.getpid()}.log"


def to_file() -> None:
    """Let everything this program logs, and every exception that ends a thread or the process, end in :func:`file`.

    Calling it again does nothing. Where no file can be written the log goes to standard error.
    """
    if _log.handlers:
        return
    _log.setLevel(logging.INFO)
    _log.propagate = False
    handler: logging.Handler
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        _remove_old()
        handler = logging.handlers.RotatingFileHandler(file(), "a", _LARGEST, 1, encoding="utf-8", errors="replace")
    except OSError:
        handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _remove_old() -> None:
    """Remove all but the newest files of earlier processes."""
    aged, fresh = [], time.time() - _FRESH_SECONDS
    for path in file().parent.glob(f"{paths.APPLICATION}*.log*"):
        with suppress(OSError):
            aged.append((path.stat().st_mtime, path))
    for written, path in sorted(aged, reverse=True)[_MOST:]:
        with suppress(OSError):  # another process is quicker, or has it open on Windows
            if written < fresh:
                path.unlink()


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ends the process, or a callback of GTK's, which PyGObject reports here, and print it as Python does."""
    if not issubclass(kind, KeyboardInterrupt):
        _log.error("not expected", exc_info=(kind, error, trace))
    if sys.stderr is not None:  # there is none under pythonw
        sys.__excepthook__(kind, error, trace)


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        name = args.thread.name if args.thread else "?"
        _log.error("thread %s ended", name, exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
