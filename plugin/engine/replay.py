"""Work that is the same every time, recorded once on a graphics card and then replayed.

A step of a small picture is hundreds of short kernels; started one by one from Python they take longer than they run.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
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
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result: T | None = None
        self._ahead: deque[torch.cuda.Event] = deque()

    def __call__(self) -> T:
        self._calls += 1
        if self._graph is None and self._calls == 2:
            self._record()
        if self._graph is None or self._result is None:
            return self._function()
        self._graph.replay()
        self._keep_pace()
        return self._result

    def _keep_pace(self) -> None:
        """Let Python be no more than two calls ahead, so that who gives up does not wait for hundreds of them."""
        event = torch.cuda.Event()
        event.record()
        self._ahead.append(event)
        if len(self._ahead) > 2:
            self._ahead.popleft().synchronize()

    def _record(self) -> None:
        # The recording has memory of its own: give back what the first calls took, or a large picture needs it twice.
        if torch.cuda.memory_reserved() > _PLENTY:
            torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                result = self._function()
        except RuntimeError:
            _log.exception("the step cannot be recorded; it goes on without")
            return
        self._graph, self._result = graph, result


def side_by_side(works: Sequence[Callable[[], T]], device: torch.device) -> list[T]:
    """Do works that do not need each other, on NVIDIA and AMD cards all at once: none of them fills a card alone."""
    if device.type != "cuda":
        return [work() for work in works]
    here, results = torch.cuda.current_stream(device), []
    lanes = _lanes.setdefault(here.cuda_stream, [])
    while len(lanes) < len(works):
        lanes.append(torch.cuda.Stream(device))
    for lane, work in zip(lanes, works):
        lane.wait_stream(here)
        with torch.cuda.stream(lane):
            results.append(work())
    for lane in lanes[: len(works)]:
        here.wait_stream(lane)
    return results


_lanes: dict[int, list[torch.cuda.Stream]] = {}
"""By the stream that waits for them, so that works may have works of their own side by side."""
