"""One step of the painting at several sizes, beside its convolutions alone and the rate of a matrix product."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from plugin.engine.bench import rates, subject, telling, timing
from plugin.engine.bench.subject import Case
from plugin.engine.bench.telling import say, seconds
from plugin.engine.bench.timing import Timing
from plugin.engine.machine import memory
from plugin.engine.machine.devices import Device
from plugin.engine.transfer import vgg
from plugin.engine.transfer.transfer import StyleTransfer
from plugin.engine.transfer.vgg import LAYERS, VGG16, stride

STEPS = (("gatys", "euclidean"), ("normal", "wasserstein"), ("normal", "euclidean"), ("normal", "mahalanobis"))
"""Quality and style measure of what is measured at every size; the first two are as the qualities have them."""


@dataclass(frozen=True)
class Convolution:
    """One of VGG-16's: seconds and floating point operations; both ways need the same number of these."""

    layer: str
    forward: float
    backward: float
    flops: int


@dataclass(frozen=True)
class Measured:
    """The convolutions and the steps, an entry for each picture and precision, as they are written to a file."""

    convolutions: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, Any]]

    def markdown(self) -> str:
        """Both as tables, and what they mean."""
        parts = [
            telling.table(
                ["convolutions", "precision", "up to", "forward", "backward", "rate", "of the matrix rate"],
                [_convolutions_row(entry) for entry in self.convolutions],
            ),
            telling.table(
                [
                    "picture",
                    "precision",
                    "step",
                    "median",
                    "quartiles",
                    "÷ convolutions",
                    "of the limit",
                    "peak memory",
                    "÷ whole",
                ],
                [_step_row(entry) for entry in self.steps],
            ),
            "The limit is the time that the convolutions' operations take at the rate of a matrix product. In "
            "float32 a processor multiplies about a third as often as these count, so a step may be beyond it. Peak "
            "memory is all that torch has on a graphics card; on a processor, by how much the engine grows for a step.",
        ]
        return "\n\n".join(parts)


def measure(
    options: argparse.Namespace,
    device: Device,
    precisions: Mapping[str, torch.dtype],
    matrix_rates: Mapping[str, float],
) -> Measured:
    """Every case at every size of ``options`` in every precision."""
    convolutions, steps = [], []
    for precision, dtype in precisions.items():
        on = Device(device.kind, device.name, dtype)
        transfer = StyleTransfer(on)
        rate = rates.limit(precision, matrix_rates)
        for size in options.sizes:
            width, height = subject.extent(size)
            picture = {"size": size, "width": width, "height": height, "precision": precision}
            try:
                alone = _convolutions(on, size, options.repeats)
                convolutions.append({**picture, **_convolutions_entry(alone, rate)})
                whole: dict[tuple[str, str], float] = {}
                for case in _cases(options, size):
                    timed, peak = _step(transfer, case, options)
                    say(f"{size} px, {precision}, {case}: {seconds(timed.median)}")
                    of_step = alone[: LAYERS.index(case.recipe.deepest) + 1]
                    entry = _step_entry(case, timed, of_step, rate)
                    if case.tile is None:
                        whole[case.quality, case.measure] = timed.median
                    else:
                        entry["over_whole"] = timed.median / whole[case.quality, case.measure]
                    steps.append({**picture, **entry, "peak_bytes": peak})
            except (MemoryError, RuntimeError) as error:
                if not subject.ran_out(error):
                    raise
                say(f"{size} px, {precision}: {device.name} has too little memory; left out")
    return Measured(convolutions, steps)


def _cases(options: argparse.Namespace, size: int) -> Iterator[Case]:
    """What is measured at a size; in tiles only at the largest one, if it is large enough to be cut."""
    for quality, measure in STEPS:
        yield Case(size, quality, measure)
    tiled = Case(size, *STEPS[1], tile=options.tile)
    if size == max(options.sizes) and subject.is_cut(tiled, options.tile):
        yield tiled


def _convolutions(device: Device, size: int, repeats: int) -> list[Convolution]:
    """Each of VGG-16's convolutions by itself at a size, with the network's own kernels, up to the deepest layer.

    With gatys' border of zeros; the other qualities make the first of them one pixel larger all around.
    """
    deepest = max((Case(size, *step).recipe.deepest for step in STEPS), key=LAYERS.index)
    network = VGG16([deepest], device.torch_device, device.dtype)
    memory.begin_scale(is_whole=True)
    width, height = subject.extent(size)
    found = []
    for convolution in network._chain:
        if not isinstance(convolution, vgg._Convolution):
            continue
        layer = convolution.name
        wide, high = width // stride(layer), height // stride(layer)
        kernel = convolution.kernel
        inside, outside = kernel.in_channels, kernel.out_channels
        x, gradient = (_noise(device, channels, high, wide) for channels in (inside, outside))
        forward = partial(kernel.convolve, x, 1)
        backward = partial(kernel.convolve_back, gradient, 1)
        there, back = (timing.piece(work, device, repeats) for work in (forward, backward))
        found.append(Convolution(layer, there, back, flops=2 * 9 * inside * outside * high * wide))
    return found


def _noise(device: Device, channels: int, height: int, width: int) -> Tensor:
    values = torch.randn(1, channels, height, width, device=device.torch_device)
    return values.to(device.dtype, memory_format=torch.channels_last)


def _step(transfer: StyleTransfer, case: Case, options: argparse.Namespace) -> tuple[Timing, int | None]:
    """The time of a step, and its peak memory in bytes where that is known."""
    device = transfer.device
    timing.forget()
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    iterations = subject.iterations(transfer, case)
    timed = timing.timed(lambda: next(iterations), device, options.repeats, timing.LONG_FOR_A_STEP)
    if device.kind == "cuda":
        return timed, torch.cuda.max_memory_allocated()
    # Another measure is a few small matrices more or less.
    is_typical = (case.quality, case.measure) in STEPS[:2]
    return timed, main_memory(device, case) if device.kind == "cpu" and options.memory and is_typical else None


def main_memory(device: Device, case: Case) -> int | None:
    """By how many bytes a process grows for a step on the CPU, beyond the engine and its network; None if unknown."""
    return subject.in_new_process(_grown, device, case)


def _grown(device: Device, case: Case) -> int | None:
    transfer, before = subject.loaded(device, case)
    iterations = subject.iterations(transfer, case)
    for _turn in range(2):
        next(iterations)
    return timing.grown(before)


def _step_entry(case: Case, timed: Timing, convolutions: Sequence[Convolution], rate: float) -> dict[str, Any]:
    alone, flops = _total(convolutions), _flops(convolutions)
    return {
        "quality": case.quality,
        "optimizer": case.recipe.optimizer,
        "style_measure": case.measure,
        "tile": case.tile,
        "name": str(case),
        "seconds": timed.median,
        "lower_quartile": timed.lower,
        "upper_quartile": timed.upper,
        "runs": timed.runs,
        "convolutions_seconds": alone,
        "over_convolutions": timed.median / alone,
        "flops": flops,
        "of_limit": flops / rate / timed.median,
        "over_whole": None,
    }


def _convolutions_entry(alone: Sequence[Convolution], rate: float) -> dict[str, Any]:
    total, flops = _total(alone), _flops(alone)
    layers = [asdict(convolution) for convolution in alone]
    return {"layers": layers, "seconds": total, "flops": flops, "of_limit": flops / rate / total}


def _convolutions_row(entry: Mapping[str, Any]) -> list[str]:
    forward, backward = (sum(layer[way] for layer in entry["layers"]) for way in ("forward", "backward"))
    return [
        f"{entry['width']} × {entry['height']}",
        entry["precision"],
        entry["layers"][-1]["layer"],
        seconds(forward),
        seconds(backward),
        f"{entry['flops'] / entry['seconds'] / 1e9:,.0f} GFLOP/s",
        f"{entry['of_limit']:.0%}",
    ]


def _step_row(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"{entry['width']} × {entry['height']}",
        entry["precision"],
        entry["name"],
        seconds(entry["seconds"]),
        telling.between(entry["lower_quartile"], entry["upper_quartile"]),
        f"{entry['over_convolutions']:.2f}",
        f"{entry['of_limit']:.0%}",
        telling.mebibytes(entry["peak_bytes"]),
        "" if entry["over_whole"] is None else f"{entry['over_whole']:.2f}",
    ]


def _total(convolutions: Sequence[Convolution]) -> float:
    return sum(convolution.forward + convolution.backward for convolution in convolutions)


def _flops(convolutions: Sequence[Convolution]) -> int:
    """There and back."""
    return sum(2 * convolution.flops for convolution in convolutions)
