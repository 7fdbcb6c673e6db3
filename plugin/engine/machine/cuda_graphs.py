"""Work that is the same every time, recorded once on a graphics card and then replayed.

A step of a small picture is hundreds of short kernels; started one by one from Python they take longer than they run.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Generic, TypeVar

import torch

_log = logging.getLogger("neural-style.engine")

_PLENTY = 2**30
"""Bytes; it takes some milliseconds to give memory back and take it again, which small pictures would feel."""

T = TypeVar("T")


class Replay(Generic[T]):
    """A function without arguments that reads and writes the same tensors at every call.

    The first call runs as it is: state is made in it, and libraries choose their kernels. The second is recorded. From
    there on every call returns the same object, whose tensors hold what the last replay wrote. A function that
    asks a number of the card cannot be recorded and goes on as it is.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._calls = 0
        self._recorded: tuple[torch.cuda.CUDAGraph, T] | None = None
        self._ahead: deque[torch.cuda.Event] = deque()

    def __call__(self) -> T:
        self._calls += 1
        if self._calls == 2:
            self._record()
        if self._recorded is None:
            return self._function()
        graph, result = self._recorded
        graph.replay()
        self._keep_pace()
        return result

    def _keep_pace(self) -> None:
        """Let Python be no more than two calls ahead, so that who gives up does not wait for hundreds of them."""
        event = torch.cuda.Event()
        event.record()
        self._ahead.append(event)
        if len(self._ahead) > 2:
            self._ahead.popleft().synchronize()

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            result = _record(graph, self._function)
        except RuntimeError:
            _log.exception("the step cannot be recorded; it goes on without")
            return
        self._recorded = graph, result


def _record(graph: torch.cuda.CUDAGraph, function: Callable[[], T]) -> T:
    """As torch.cuda.graph does it, but the memory of the recording before is taken for this one.

    Recordings have memory of their own, and to get that of the card takes longer than to record. They are replayed one
    after the other, so they may have the same; what one of them returned stays its own as long as it is held.
    """
    global _latest
    if torch.cuda.memory_reserved() > _PLENTY:
        # What the first calls took, too, is given back, or a large picture needs it twice.
        _latest = None
        torch.cuda.empty_cache()
    torch.cuda.synchronize()
    with torch.cuda.stream(_recorder()):
        graph.capture_begin(None if _latest is None else _latest.pool())
        try:
            result = function()
        finally:
            graph.capture_end()
    _latest = graph
    return result


_latest: torch.cuda.CUDAGraph | None = None
"""The memory of a recording is there as long as it is."""


def forget() -> None:
    """Give back the memory of the latest recording, which nobody replays any more."""
    global _latest
    _latest = None
    torch.cuda.empty_cache()


@cache
def _recorder() -> torch.cuda.Stream:
    return torch.cuda.Stream()


def side_by_side(works: Sequence[Callable[[], T]], device: torch.device) -> list[T]:
    """Do works that do not need each other, on NVIDIA and AMD cards all at once: none of them fills a card alone."""
    if device.type != "cuda":
        return [work() for work in works]
    here, results = torch.cuda.current_stream(device), []
    lanes = _lanes.setdefault(here.cuda_stream, [])
    while len(lanes) < min(len(works), _MOST_LANES):
        lanes.append(torch.cuda.Stream(device))
    for lane in lanes:
        lane.wait_stream(here)
    for place, work in enumerate(works):
        with torch.cuda.stream(lanes[lane_of(place)]):
            results.append(work())
    for lane in lanes:
        here.wait_stream(lane)
    return results


def lane_of(place: int) -> int:
    """Which lane a work takes: one after the other, beginning with another one each time.

    So the same work of the next style, which takes as long, does not wait for that of the style before.
    """
    return (place + place // _MOST_LANES) % _MOST_LANES


_MOST_LANES = 4
"""torch has 32 streams on a card and gives them out in turn. Here, with works within works, and as it is and recorded,
25 are taken; a stream in two places would let one work write where another still reads."""

_lanes: dict[int, list[torch.cuda.Stream]] = {}
"""By the stream that waits for them, so that works may have works of their own side by side."""
