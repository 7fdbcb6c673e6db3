"""A thread that fails says so, to the log and to whoever waits."""

from __future__ import annotations

import logging
import queue

import pytest

from plugin.shared import threads


class _Full(logging.Handler):
    """A log for which there is no memory left."""

    def emit(self, record: logging.LogRecord) -> None:
        raise MemoryError


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def fail() -> None:
    raise LookupError("not there")


def test_what_a_thread_did_not_expect_is_in_the_log_before_whoever_waits_is_told() -> None:
    log, kept, told = logging.getLogger("neural-style.threads"), _Kept(), queue.SimpleQueue[tuple[Exception, int]]()
    log.addHandler(kept)
    try:
        threads.start(fail, lambda error: told.put((error, len(kept.records)))).join()
    finally:
        log.removeHandler(kept)
    error, logged = told.get_nowait()
    assert isinstance(error, LookupError)
    assert logged == 1
    assert kept.records[0].exc_info is not None and kept.records[0].exc_info[1] is error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_waits_is_told_even_where_nothing_can_be_logged() -> None:
    log, full, told = logging.getLogger("neural-style.threads"), _Full(), queue.SimpleQueue[Exception]()
    log.addHandler(full)
    try:
        threads.start(fail, told.put).join()
    finally:
        log.removeHandler(full)
    assert isinstance(told.get_nowait(), LookupError)
