"""Seconds and bytes, measured: everything is warm, and a graphics card is timed by its own clock."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from plugin.engine.machine import memory
from plugin.engine.machine.cuda_graphs import Replay
from plugin.engine.machine.devices import Device

LONG_FOR_A_STEP = 15.0
"""Seconds after which a step is not measured any more."""

_LONG_FOR_A_PIECE = 2.0

_AT_ONCE = 10
"""Calls between two looks at a graphics card's clock: a small convolution is over sooner than the clock is read."""

_WARM_UP = {"cuda": 6, "cpu": 2}
"""Calls that are not counted. On CUDA the second is recorded and the ones after it are replayed."""

_FEWEST = 5
"""Repeats of a measurement however long they take, unless fewer are asked for."""


@dataclass(frozen=True)
class Timing:
    """Seconds: the median of ``runs`` measurements, and their quartiles."""

    median: float
    lower: float
    upper: float
    runs: int

    @staticmethod
    def of(seconds: Sequence[float]) -> Timing:
        lower, median, upper = (float(value) for value in np.quantile(seconds, (0.25, 0.5, 0.75)))
        return Timing(median, lower, upper, len(seconds))


def timed(
    work: Callable[[], object],
    device: Device,
    repeats: int,
    long: float,
    fewest: int = _FEWEST,
    warm_up: int | None = None,
) -> Timing:
    """Of one call, warm; at most ``repeats`` of them, and beyond ``fewest`` not many more than ``long`` seconds.

    ``warm_up`` is how many calls are not counted; None is what the device needs.
    """
    for _turn in range(_WARM_UP.get(device.kind, 3) if warm_up is None else warm_up):
        work()
    clock = _Clock(device)
    clock.tick()
    start = time.perf_counter()
    for done in range(1, repeats + 1):
        work()
        clock.tick()
        if done >= fewest and time.perf_counter() - start > long:
            break
    return Timing.of(clock.seconds())


def piece(work: Callable[[], Tensor], device: Device, repeats: int) -> float:
    """The seconds that a piece of a step takes by itself, the median."""
    at_once = 1 if device.kind == "cpu" else _AT_ONCE

    def several() -> Tensor:
        for _turn in range(at_once - 1):
            work()
        return work()

    replayed = Replay(several) if device.kind == "cuda" else several
    return timed(replayed, device, repeats, _LONG_FOR_A_PIECE).median / at_once


def wait(device: Device) -> None:
    """Until the device has done what it was told to do."""
    if device.kind == "cuda":
        torch.cuda.synchronize()
    elif device.kind != "cpu":
        torch.accelerator.synchronize()


class _Clock:
    """The seconds between ticks: of CUDA's own clock, for which nothing has to wait, or else of the processor's."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._events: list[torch.cuda.Event] = []
        self._times: list[float] = []

    def tick(self) -> None:
        if self._device.kind == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._events.append(event)
            return
        wait(self._device)
        self._times.append(time.perf_counter())

    def seconds(self) -> list[float]:
        if self._device.kind == "cuda":
            wait(self._device)
            return [one.elapsed_time(other) / 1000 for one, other in itertools.pairwise(self._events)]
        return [other - one for one, other in itertools.pairwise(self._times)]


def forget() -> None:
    """Give back a card's memory of before, which would count as this measurement's, or leave it too little."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def begin_peak() -> int | None:
    """The bytes that this process needs in main memory; :func:`peak` counts from here on, where that can be had."""
    memory.give_back()  # a step that is made in what was kept would seem to need nothing
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: the most is what there is now
    return peak()


def peak() -> int | None:
    """The most bytes that this process had in main memory; None where the system does not say."""
    # What getrusage says on Linux has the parent's memory in it, which a child shares until it becomes a program.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def grown(since: int | None) -> int | None:
    """By how many bytes :func:`peak` is more than what :func:`begin_peak` said."""
    most = peak()
    return None if most is None or since is None else most - since
