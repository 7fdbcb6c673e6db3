"""What a pixel costs: one step of a picture of 0.25 to 24 megapixels, whole or in tiles as a painting would have it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL.Image import Image

from plugin.engine import plot
from plugin.engine.bench import rates, subject, telling, timing
from plugin.engine.bench.subject import Case
from plugin.engine.bench.telling import say
from plugin.engine.bench.timing import Timing
from plugin.engine.machine.devices import Device
from plugin.engine.plot import Mark, Series
from plugin.engine.transfer.transfer import StyleTransfer

MEGAPIXELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0)
"""What is measured unless something else is asked for, as far as it is bearable."""

_QUALITY = ("normal", "wasserstein")

_BEARABLE = 180.0
"""Seconds that one of these may take where nobody asked for it."""

_FEWEST = 3
"""Steps that are timed however long they take."""

Entry = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class _Cost:
    """Of a step; ``peak`` is in bytes, as :mod:`plugin.engine.bench.steps` counts them."""

    seconds: Timing
    peak: int | None


def measure(device: Device, megapixels: Sequence[float] | None, repeats: int) -> list[Entry]:
    """A step at each of so many megapixels; with None at :data:`MEGAPIXELS`, up to what takes too long here."""
    entries: list[Entry] = []
    for million in megapixels or MEGAPIXELS:
        size = _long_side(million)
        if megapixels is None and entries and (long := _expected(entries[-1], size)) > _BEARABLE:
            say(f"{million:g} megapixels would take {long / 60:.0f} min; --megapixels {million:g} asks for them")
            break
        timing.forget()
        case = subject.as_painted(size, *_QUALITY, device)
        try:
            cost = _cost(device, case, repeats)
        except (MemoryError, RuntimeError) as error:
            if not subject.ran_out(error):
                raise
            say(f"{million:g} megapixels: {device.name} has too little memory; left out")
            break
        entries.append(_entry(device, case, cost))
        say(f"{million:g} megapixels, {_way(entries[-1])}: {telling.seconds(cost.seconds.median)}")
    return entries


def _long_side(megapixels: float) -> int:
    width, height = subject.extent(1000)
    return round(math.sqrt(megapixels * 1e6 * width / height))


def _expected(before: Entry, size: int) -> float:
    """The seconds that it takes to measure a size, as the one before has it."""
    return (1 + _FEWEST) * before["seconds"] * (size / max(before["width"], before["height"])) ** 2


def _cost(device: Device, case: Case, repeats: int) -> _Cost:
    if device.kind == "cpu":
        return subject.in_new_process(partial(_in_main_memory, repeats=repeats), device, case)
    transfer = StyleTransfer(device)
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    timed = _timed(transfer, case, repeats)
    return _Cost(timed, torch.cuda.max_memory_allocated() if device.kind == "cuda" else None)


def _in_main_memory(device: Device, case: Case, repeats: int) -> _Cost:
    transfer, before = subject.loaded(device, case)
    timed = _timed(transfer, case, repeats)
    return _Cost(timed, timing.grown(before))


def _timed(transfer: StyleTransfer, case: Case, repeats: int) -> Timing:
    iterations = subject.iterations(transfer, case)
    warm_up = 1 if transfer.device.kind == "cpu" else None
    return timing.timed(
        lambda: next(iterations), transfer.device, repeats, timing.LONG_FOR_A_STEP, fewest=_FEWEST, warm_up=warm_up
    )


def _entry(device: Device, case: Case, cost: _Cost) -> dict[str, Any]:
    width, height = subject.extent(case.size)
    return {
        "width": width,
        "height": height,
        "precision": rates.name(device.dtype),
        "quality": case.quality,
        "tile": case.tile,
        "seconds": cost.seconds.median,
        "lower_quartile": cost.seconds.lower,
        "upper_quartile": cost.seconds.upper,
        "runs": cost.seconds.runs,
        "nanoseconds_per_pixel": cost.seconds.median / (width * height) * 1e9,
        "peak_bytes": cost.peak,
    }


def markdown(entries: Sequence[Entry]) -> str:
    """The costs as a table."""
    return telling.table(
        [
            "megapixels",
            "picture",
            "precision",
            "a step of normal",
            "median",
            "quartiles",
            "ns per pixel",
            "peak memory",
        ],
        [
            [
                f"{_megapixels(entry):.3g}",
                f"{entry['width']} × {entry['height']}",
                entry["precision"],
                _way(entry),
                telling.seconds(entry["seconds"]),
                telling.between(entry["lower_quartile"], entry["upper_quartile"]),
                telling.figure(entry["nanoseconds_per_pixel"]),
                telling.mebibytes(entry["peak_bytes"]),
            ]
            for entry in entries
        ],
    )


def chart(entries: Sequence[Entry], device: str) -> Image:
    """Seconds over pixels, beside a line on which every pixel costs the same: the median of what they cost."""
    millions = [_megapixels(entry) for entry in entries]
    typical = float(np.median([entry["nanoseconds_per_pixel"] for entry in entries]))
    ends = (min(millions), max(millions))
    cut = [_megapixels(entry) for entry in entries if entry["tile"] is not None]
    alike = f"{telling.figure(typical)} ns for every pixel"
    return plot.chart(
        [
            Series(alike, ends, [typical * end / 1000 for end in ends], plot.COLORS[5]),
            Series("a step of normal", millions, [entry["seconds"] for entry in entries], plot.COLORS[1], width=4),
        ],
        f"Cost over pixels on {device}, {entries[0]['precision']}",
        "megapixels",
        "seconds per step",
        log_x=True,
        log_y=True,
        marks=[Mark(cut[0], "in tiles")] if cut else (),
    )


def _megapixels(entry: Entry) -> float:
    return entry["width"] * entry["height"] / 1e6


def _way(entry: Entry) -> str:
    return "whole" if entry["tile"] is None else f"tiles of {entry['tile']}"
