"""What is painted to measure: the sample photograph in one of the starter styles, at any size."""

from __future__ import annotations

import dataclasses
import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from plugin.engine import pictures
from plugin.engine.bench import timing
from plugin.engine.machine import devices, memory
from plugin.engine.machine.devices import Device
from plugin.engine.transfer import recipe, tiles
from plugin.engine.transfer.canvas import Canvas, Style
from plugin.engine.transfer.recipe import Recipe, Scale
from plugin.engine.transfer.transfer import StyleTransfer, Task
from plugin.shared import paths, starter_styles, threads
from plugin.shared.settings import Settings

CONTENT = paths.SHIPPED / "samples" / "chelsea.jpg"
STYLES = starter_styles.FOLDER
STYLE = STYLES / "van_gogh_village_street_in_auvers.jpg"

_SMALL = 64
"""Pixels along the long side of the picture beside which memory is counted: it loads all that a larger one needs."""

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A step to measure. ``tile`` is the side of its tiles in pixels, None where the picture stays whole."""

    size: int
    quality: str
    measure: str
    tile: int | None = None

    @property
    def settings(self) -> Settings:
        return Settings(quality=self.quality, style_measure=self.measure, size=self.size)

    @property
    def recipe(self) -> Recipe:
        return recipe.of(self.settings)

    def __str__(self) -> str:
        tiled = "" if self.tile is None else f", tiles of {self.tile}"
        return f"{self.quality}: {self.recipe.optimizer}, {self.measure}{tiled}"


def task(settings: Settings) -> Task:
    """The painting of the photograph."""
    content, style = _pictures()
    return Task(content, [style], settings)


def extent(size: int) -> tuple[int, int]:
    """Width and height of the content at a size."""
    height, width = _pictures()[0].shape[-2:]
    return pictures.fit(width, height, size)


def iterations(transfer: StyleTransfer, case: Case) -> Iterator[object]:
    """The iterations of one scale without end, just as a painting has them: on CUDA recorded and replayed."""
    painting, chosen = task(case.settings), case.recipe
    canvas = Canvas(painting.content, painting.styles, working_size=case.size)
    plan = memory.plan(canvas.working_pixels, canvas.channels, transfer.device, painting.settings.memory)
    optimizer = recipe.optimizer(chosen, painting.settings, plan)
    canvas.start(case.size, transfer.device.torch_device, painting.settings.start, painting.settings.seed)
    memory.begin_scale(is_whole=case.tile is None)
    endless = Scale(case.size, sys.maxsize)
    area = canvas.working_pixels if case.tile is None else tiles.area_for(case.tile, chosen.deepest)
    return transfer._iterate(painting, chosen, canvas, endless, optimizer, area, 0)


def as_painted(size: int, quality: str, measure: str, device: Device) -> Case:
    """The step that a painting has at a size: whole, or in tiles where the memory that is free now asks for them."""
    case = Case(size, quality, measure)
    pixels = math.prod(extent(size))
    area = memory.plan(pixels, 3, device, 0).area
    if pixels <= area:
        return case
    return dataclasses.replace(case, tile=tiles.side_within(area, case.recipe.deepest))


def is_cut(case: Case, side: int) -> bool:
    """Whether a picture of that size is more than one tile of so many pixels along a side."""
    width, height = extent(case.size)
    deepest = case.recipe.deepest
    return len(tiles.within(height, width, tiles.area_for(side, deepest), deepest)) > 1


def in_new_process(work: Callable[[Device, Case], T], device: Device, case: Case) -> T:
    """Measure a step in a process of its own: what one once had of the system's memory it keeps for the next step."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent) as pool:
        return pool.submit(work, device, case).result()


def ran_out(error: BaseException) -> bool:
    """Whether a measurement ended for want of memory; a process that takes too much the system ends without a word."""
    return isinstance(error, BrokenProcessPool) or memory.has_run_out(error)


def _end_with_parent() -> None:
    """A pool's process would go on waiting for work after its owner was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threads.start(wait)


def loaded(device: Device, case: Case) -> tuple[StyleTransfer, int | None]:
    """An engine in a new process that has taken a step of a small picture, and the bytes that it has then, if known."""
    devices.use_threads()
    transfer = StyleTransfer(device)
    next(iterations(transfer, Case(_SMALL, case.quality, case.measure)))
    return transfer, timing.begin_peak()


@cache
def _pictures() -> tuple[Tensor, Style]:
    return load(CONTENT), Style(load(STYLE), STYLE.name)


def load(path: Path) -> Tensor:
    """4×H×W R'G'B'A, 0 to 1."""
    return pictures.load(path).rgba
