"""How long work takes here: learned from everything that is painted, and remembered.

The time of a job is a sum over the kinds of work in it (:mod:`plugin.engine.machine.work`), each at a rate of its own.
They come from the times of all that was painted before, the latest ones with the most weight, so they follow a computer
that is busy with something else. Where nothing tells two kinds apart they keep the proportions of a computer that is
known.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plugin import __version__
from plugin.engine.machine.devices import Device
from plugin.engine.machine.work import KINDS, JobWork, Work
from plugin.shared import formats, json_file, paths
from plugin.shared.formats import Kind

_log = logging.getLogger("neural-style.engine")

_PROCESSOR = Work(
    networks=0.6,
    opened=0.1,
    scales=0.03,
    looked=7.0,
    steps=0.006,
    painted=7.0,
    matrices=0.08,
    remembered=0.1,
    windows=1.0,
    delivered=0.3,
    compared=7.0,
    comparisons=0.06,
)
"""Seconds for 1 of each kind on two cores with AVX2, in float32."""

_CARD = Work(
    networks=1.0,
    opened=0.1,
    scales=0.05,
    looked=0.02,
    steps=0.0015,
    painted=0.01,
    matrices=0.0005,
    remembered=0.001,
    windows=0.003,
    delivered=0.2,
    compared=0.03,
    comparisons=0.03,
)
"""The same on a large graphics card."""

_OF_A_KIND = 4
"""Times that are remembered of work of about the same kinds and size."""

_FADING, _FADED = 0.9, 0.02
"""What the weight of a time is multiplied with for each one that came after it, and the weight that it keeps: large
pictures shall not be forgotten over many small ones."""

_STIFFNESS = 0.005
"""How strongly the rates keep to the known proportions, beside 1 for the latest time."""

_SLOWEST_CHANGE = 0.05
"""Of a rate, relative to what the proportions say."""

_SETTLED = 5
"""Steps at a new size after which all run alike: libraries have chosen their kernels, a card has recorded the step."""

_TRUST = 4.0
"""Steps of the present scale that count as much as what was learned before it."""


@dataclass(frozen=True)
class _Time:
    amounts: tuple[float, ...]
    seconds: float


class Clock:
    """How fast one device is. May be asked in any thread while another one teaches it."""

    def __init__(self, device: Device, times: Sequence[Sequence[float]] = ()) -> None:
        """``times`` is what :meth:`to_json` gave."""
        self._usual = np.array((_PROCESSOR if device.kind == "cpu" else _CARD).amounts)
        self._times = [_Time(tuple(amounts), seconds) for seconds, *amounts in times]
        self._rates = self._fitted()

    @property
    def knows(self) -> bool:
        """Whether it has ever seen a step."""
        return any(seen.amounts[KINDS.index("steps")] for seen in self._times)

    def seconds(self, work: Work) -> float:
        """How long this will take."""
        return float(np.dot(self._rates, work.amounts))

    def learn(self, work: Work, seconds: float) -> None:
        """This much work has taken so many seconds."""
        seen = _Time(work.amounts, seconds)
        if not any(seen.amounts) or seconds <= 0:
            return
        self._times.append(seen)
        alike = [place for place, other in enumerate(self._times) if self._sort(other) == self._sort(seen)]
        if len(alike) > _OF_A_KIND:
            del self._times[alike[0]]
        self._rates = self._fitted()

    @contextmanager
    def timing(self, work: Work) -> Iterator[None]:
        """Learn how long the block takes, if it comes to its end."""
        start = time.perf_counter()
        yield
        self.learn(work, time.perf_counter() - start)

    def to_json(self) -> list[list[float]]:
        """Every time that is remembered, the oldest first: its seconds and then its amounts."""
        return [[seen.seconds, *seen.amounts] for seen in self._times]

    def _sort(self, seen: _Time) -> tuple[Any, ...]:
        """The same for work of the same kinds and about the same size."""
        steps = seen.amounts[KINDS.index("steps")] or 1
        size = math.log2(max(float(np.dot(self._usual, seen.amounts)) / steps, 1e-9))
        return (*(amount > 0 for amount in seen.amounts), round(size))

    def _fitted(self) -> np.ndarray:
        """The rates that explain the times, each time by its relative error."""
        if not self._times:
            return self._usual
        seconds = np.array([seen.seconds for seen in self._times])
        # Each column in units of what the known computer would take, so that all rates are near 1.
        table = np.array([seen.amounts for seen in self._times]) * self._usual / seconds[:, None]
        weights = np.maximum(_FADING ** np.arange(len(seconds) - 1, -1, -1.0), _FADED)
        level = float(np.exp(np.average(-np.log(table.sum(1)), weights=weights)))
        return self._usual * level * _nonnegative(table * level, weights)


def _nonnegative(table: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The factors, near 1, with which the rows of a table add up to 1."""
    count = table.shape[1]
    normal = (table * weights[:, None]).T @ table + _STIFFNESS * np.eye(count)
    wanted = (table * weights[:, None]).T @ np.ones(len(table)) + _STIFFNESS
    factors, free = np.ones(count), np.ones(count, bool)
    while True:
        given = normal[:, ~free] @ factors[~free]
        factors[free] = np.linalg.solve(normal[np.ix_(free, free)], (wanted - given)[free])
        low = free & (factors < _SLOWEST_CHANGE)
        if not low.any():
            return factors
        factors[low] = _SLOWEST_CHANGE
        free &= ~low


class Countdown:
    """Follows one job: how far it is, how long the rest will take; and teaches the clock."""

    def __init__(self, clock: Clock, job: JobWork) -> None:
        self._clock, self._job = clock, job
        self._shares = [clock.seconds(scale.step) * scale.steps for scale in job.scales]
        self._place = 0
        self._began = self._settled = 0.0
        self._done = 0

    @contextmanager
    def scale(self, place: int) -> Iterator[None]:
        """One scale; what was done of it teaches the clock, also where the job was given up in its middle."""
        self._place, self._done = place, 0
        self._began = time.perf_counter()
        try:
            yield
        finally:
            self._learn()

    def step(self, iteration: int) -> None:
        """So many steps of the scale are done, and the device has finished them if it is worth knowing."""
        self._done = iteration
        if iteration == _SETTLED:
            self._settled = time.perf_counter()

    def is_worth_knowing(self, iteration: int, iterations: int) -> bool:
        """Whether a time is taken here, for which a device that works ahead must have come so far."""
        return iteration in (_SETTLED, iterations)

    def fraction(self, iteration: int, iterations: int) -> float:
        """The part of the steps that is done, each by its time."""
        done = sum(self._shares[: self._place]) + self._shares[self._place] * (iteration / iterations)
        return done / sum(self._shares)

    def seconds_left(self, iteration: int, iterations: int) -> float:
        """Until the picture is delivered; the rest of the scale goes as its steps did up to now."""
        step = self._clock.seconds(self._job.scales[self._place].step)
        pace = 1.0
        if iteration > _SETTLED:
            steps = iteration - _SETTLED
            pace = (_TRUST * step + time.perf_counter() - self._settled) / ((_TRUST + steps) * step)
        after = sum(self._clock.seconds(scale.whole) for scale in self._job.scales[self._place + 1 :])
        return pace * (step * (iterations - iteration) + after) + self._clock.seconds(self._job.delivery)

    def _learn(self) -> None:
        now, of = time.perf_counter(), self._job.scales[self._place]
        if self._done <= _SETTLED:
            if self._done:
                self._clock.learn(of.preparation + of.step * self._done, now - self._began)
            return
        self._clock.learn(of.preparation + of.step * _SETTLED, self._settled - self._began)
        self._clock.learn(of.step * (self._done - _SETTLED), now - self._settled)


class Clocks:
    """The clocks of all devices, kept in a file; one that cannot be read or written is as if it were not there.

    One that a later version wrote is neither read nor written.

    Args:
        path: the file; None keeps nothing.
    """

    _KEPT = 8
    """Devices, precisions and versions whose times are kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, Clock] = {}
        self._stored = (_read(path) if path else None) or {}

    def of(self, device: Device) -> Clock:
        """The clock of a device in its precision."""
        key = _key(device)
        if key not in self._known:
            self._known[key] = Clock(device, self._stored.get(key, ()))
        return self._known[key]

    def save(self) -> None:
        """Remember what was learned."""
        if self._path is None or (before := _read(self._path)) is None:
            return
        new = {key: clock.to_json() for key, clock in self._known.items() if clock.knows}
        stored = {key: times for key, times in before.items() if key not in new} | new
        kept = dict(list(stored.items())[-self._KEPT :])
        try:
            json_file.write(self._path, formats.numbered(Kind.CLOCK, {"kinds": KINDS, "times": kept}), indent=None)
        except OSError as error:
            _log.info("the times are not kept: %s", error)


def stored() -> Clocks:
    """The clocks of this user."""
    return Clocks(paths.cache_folder() / "clock.json")


def _read(path: Path) -> dict[str, list[list[float]]] | None:
    """What a file has in it; nothing where it is not as :meth:`Clocks.save` leaves it, None where it is a later one."""
    try:
        told = formats.migrate(Kind.CLOCK, json_file.read(path))
        times = {key: [[float(number) for number in row] for row in rows] for key, rows in told["times"].items()}
        rows = [row for each in times.values() for row in each]
        is_sound = told["kinds"] == list(KINDS) and all(
            len(row) == 1 + len(KINDS) and all(map(math.isfinite, row)) and min(row) >= 0 < row[0] for row in rows
        )
    except formats.Newer:
        _log.warning("%s was written by a later version and is left alone", path)
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return {}
    return times if is_sound else {}


def _key(device: Device) -> str:
    """Everything that a time depends on besides the work."""
    threads = f", {torch.get_num_threads()} threads" if device.kind == "cpu" else ""
    precision = str(device.dtype).removeprefix("torch.")
    return f"{device.name}{threads}, {precision}, torch {torch.__version__}, {__version__}"
