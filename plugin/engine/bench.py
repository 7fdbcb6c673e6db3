"""``python3 -m plugin bench``: how long a step takes here, and how much of that is more than its convolutions.

What a step is compared with is measured in the same run: the times of its convolutions, each by itself, and the rate of
a large matrix product. Everything is warm, and a graphics card is timed by its own clock.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from plugin import __version__, locations
from plugin.engine import devices, memory, pictures, plot, recipe, shell, tiles, vgg
from plugin.engine.canvas import Canvas, Style
from plugin.engine.devices import Device
from plugin.engine.plot import Series
from plugin.engine.recipe import Recipe, Scale
from plugin.engine.refusal import Refusal
from plugin.engine.replay import Replay
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.engine.vgg import LAYERS, VGG16, stride
from plugin.settings import Settings
from plugin.words import _

STEPS = (("gatys", "euclidean"), ("normal", "wasserstein"), ("normal", "euclidean"), ("normal", "mahalanobis"))
"""Quality and style measure of what is measured at every size; the first two are as the qualities have them."""

PEERS = "python3 -m tests.bench.against_neural_style"

_PLUGIN = locations.PLUG_IN_ROOT / "plugin"
_CONTENT = _PLUGIN / "samples" / "chelsea.jpg"
_STYLE = _PLUGIN / "styles" / "van_gogh_village_street_in_auvers.jpg"

_SMALLEST_MATRIX, _LARGEST_MATRIX = 256, 8192
"""Sides. A product has to be large to reach the device's limit, and small where bfloat16 is multiplied one by one."""

_LONG_FOR_A_PRODUCT = 0.05
"""Seconds; a product that takes longer is large enough."""

_COPIED = 2**28
"""Bytes, more than any cache holds."""

_AT_ONCE = 10
"""Calls between two looks at a graphics card's clock: a small convolution is over sooner than the clock is read."""

_WARM_UP = {"cuda": 6, "cpu": 2}
"""Calls that are not counted. On CUDA the fourth is recorded and the ones after it are replayed."""

_FEWEST = 5
"""Repeats of a measurement however long they take, unless fewer are asked for."""

_LONG_FOR_A_PIECE, _LONG_FOR_A_STEP = 2.0, 15.0
"""Seconds after which a measurement is not repeated any more."""

_SMALL = 64
"""Pixels along the long side of the picture beside which memory is counted: it loads all that a larger one needs."""


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


@dataclass(frozen=True)
class Convolution:
    """One of VGG-16's: seconds and floating point operations; both ways need the same number of these."""

    layer: str
    forward: float
    backward: float
    flops: int


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


@dataclass(frozen=True)
class Bench:
    """Everything that one run has measured; rates are per second, in floating point operations and in bytes."""

    hardware: Mapping[str, Any]
    matrix_rates: Mapping[str, float]
    copy_rate: float
    convolutions: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {"version": __version__, "date": time.strftime("%Y-%m-%d"), **asdict(self)}

    def markdown(self) -> str:
        """The tables, and what they were measured on."""
        on = self.hardware
        rates = [[f"matrix product, {name}", f"{rate / 1e9:,.0f} GFLOP/s"] for name, rate in self.matrix_rates.items()]
        parts = [
            f"Neural Style {__version__} on {on['device']} ({on['kind']}); {on['cores']} cores of {on['cpu']}; torch "
            f"{on['torch']}; {time.strftime('%Y-%m-%d')}",
            _table(["rate", "measured"], [*rates, ["copy, read + write", f"{self.copy_rate / 1e9:,.1f} GB/s"]]),
            _table(
                ["convolutions", "precision", "up to", "forward", "backward", "rate", "of the matrix rate"],
                [_convolutions_row(entry) for entry in self.convolutions],
            ),
            _table(
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
            "The limit is the time that the convolutions' operations take at the rate of a matrix product. Peak memory "
            "is all that torch has on a graphics card; on a processor, by how much the engine grows for the step.",
        ]
        return "\n\n".join(parts)


def command(options: argparse.Namespace) -> int:
    """Measure what ``options`` says and return the exit status."""
    return shell.exit_status(lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    devices.use_threads()
    memory.keep_freed()
    device = devices.choose(options.device, options.precision)
    if (smallest := min(*options.sizes, options.losses_size)) < pictures.SMALLEST_SIDE:
        sentence = _("{size} pixels are too few; choose sizes of at least {least}.")
        raise Refusal(sentence.format(size=smallest, least=pictures.SMALLEST_SIDE))
    if options.output:
        _make(options.output)
    bench = _measured(options, device)
    print(bench.markdown())
    print(f"\nTimes to the loss that neural-style arrives at, measured beside it: {PEERS}")
    if options.output:
        told = bench.to_json() | {"losses": _losses(StyleTransfer(device), options.losses_size)}
        _write(told, options.output)


def _measured(options: argparse.Namespace, device: Device) -> Bench:
    # float32 is what other programs use; bfloat16 besides where it is the device's own choice or asked for.
    precisions = {_name(torch.float32): torch.float32, _name(device.dtype): device.dtype}
    matrix_rates, copy_rate = _matrix_rates(device, precisions, options.repeats), _copy_rate(device, options.repeats)
    convolutions, steps = [], []
    for name, dtype in precisions.items():
        on = Device(device.kind, device.name, dtype)
        transfer = StyleTransfer(on)
        rate = _limit(name, matrix_rates)
        for size in options.sizes:
            width, height = _extent(size)
            picture = {"size": size, "width": width, "height": height, "precision": name}
            try:
                alone = _convolutions(on, size, options.repeats)
                convolutions.append({**picture, **_convolutions_entry(alone, rate)})
                whole: dict[tuple[str, str], float] = {}
                for case in _cases(options, size):
                    timing, peak = _step(transfer, case, options)
                    _say(f"{size} px, {name}, {case}: {_seconds(timing.median)}")
                    of_step = alone[: LAYERS.index(case.recipe.deepest) + 1]
                    entry = _step_entry(case, timing, of_step, rate)
                    if case.tile is None:
                        whole[case.quality, case.measure] = timing.median
                    else:
                        entry["over_whole"] = timing.median / whole[case.quality, case.measure]
                    steps.append({**picture, **entry, "peak_bytes": peak})
            except torch.OutOfMemoryError:
                _say(f"{size} px, {name}: {device.name} has too little memory; left out")
    return Bench(_hardware(device, list(precisions)), matrix_rates, copy_rate, convolutions, steps)


def _cases(options: argparse.Namespace, size: int) -> Iterator[Case]:
    """What is measured at a size; in tiles only at the largest one, if it is large enough to be cut."""
    for quality, measure in STEPS:
        yield Case(size, quality, measure)
    tiled = Case(size, *STEPS[1], tile=options.tile)
    width, height = _extent(size)
    pieces = tiles.cut(height, width, options.tile, tiled.recipe.deepest)
    if size == max(options.sizes) and len(pieces) > 1:
        yield tiled


def _hardware(device: Device, precisions: Sequence[str]) -> dict[str, Any]:
    return {
        "device": device.name,
        "kind": device.kind,
        "cpu": devices.cpu_name(),
        "cores": torch.get_num_threads(),
        "torch": torch.__version__,
        "precisions": list(precisions),
        "precision_of_choice": _name(devices.choose(device.kind).dtype),
    }


def _matrix_rates(device: Device, precisions: Mapping[str, torch.dtype], repeats: int) -> dict[str, float]:
    """Floating point operations per second of a large matrix product, by precision."""
    rates = {}
    for name, dtype in precisions.items():
        rates[name] = _matrix_rate(device, dtype, repeats)
        if dtype == torch.float32 and _has_tf32(device):
            with _tf32():
                rates["tf32"] = _matrix_rate(device, dtype, repeats)
    return rates


def _matrix_rate(device: Device, dtype: torch.dtype, repeats: int) -> float:
    side = _SMALLEST_MATRIX
    while True:
        a, b = (torch.randn(side, side, device=device.torch_device).to(dtype) for _ in range(2))
        product = partial(torch.mm, a, b)
        if side == _LARGEST_MATRIX or _timed(product, device, 1, 0).median > _LONG_FOR_A_PRODUCT:
            return 2 * side**3 / _piece(product, device, repeats)
        side *= 2


def _has_tf32(device: Device) -> bool:
    """Whether torch's convolutions round float32 to 19 bits, as they do on newer NVIDIA cards unless told not to."""
    if device.kind != "cuda" or torch.version.hip is not None or not torch.backends.cudnn.allow_tf32:
        return False
    return torch.cuda.get_device_capability() >= (8, 0)


@contextlib.contextmanager
def _tf32() -> Iterator[None]:
    """Let matrix products do what convolutions do anyway."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def _limit(precision: str, rates: Mapping[str, float]) -> float:
    """The rate that limits the convolutions: whatever a precision is called, they are multiplied as suits the device.

    Where a processor has no instructions for bfloat16, that is in float32.
    """
    return max(rates[name] for name in (precision, "float32", "tf32") if name in rates)


def _copy_rate(device: Device, repeats: int) -> float:
    """Bytes per second from and to the device's memory: each one copied is read and written."""
    source = torch.ones(_COPIED, dtype=torch.uint8, device=device.torch_device)
    target = torch.zeros_like(source)
    return 2 * _COPIED / _piece(partial(target.copy_, source), device, repeats)


def _convolutions(device: Device, size: int, repeats: int) -> list[Convolution]:
    """Each of VGG-16's convolutions by itself at a size, with the network's own kernels, up to the deepest layer.

    With gatys' border of zeros; the other qualities make the first of them one pixel larger all around.
    """
    deepest = max((Case(size, *step).recipe.deepest for step in STEPS), key=LAYERS.index)
    network = VGG16([deepest], device.torch_device, device.dtype)
    width, height = _extent(size)
    found = []
    for convolution in network._chain:
        if not isinstance(convolution, vgg._Convolution):
            continue
        layer = convolution.name
        wide, high = width // stride(layer), height // stride(layer)
        inside, outside = convolution.in_channels, convolution.out_channels
        x, gradient = (_noise(device, channels, high, wide) for channels in (inside, outside))
        forward = partial(convolution.convolve, x, 1)
        backward = partial(convolution.convolve_back, gradient, 1)
        there, back = (_piece(work, device, repeats) for work in (forward, backward))
        found.append(Convolution(layer, there, back, flops=2 * 9 * inside * outside * high * wide))
    return found


def _noise(device: Device, channels: int, height: int, width: int) -> Tensor:
    values = torch.randn(1, channels, height, width, device=device.torch_device)
    return values.to(device.dtype, memory_format=torch.channels_last)


def _step(transfer: StyleTransfer, case: Case, options: argparse.Namespace) -> tuple[Timing, int | None]:
    """The time of a step, and its peak memory in bytes where that is known."""
    device = transfer.device
    _forget()
    if device.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    iterations = _iterations(transfer, case)
    timing = _timed(lambda: next(iterations), device, options.repeats, _LONG_FOR_A_STEP)
    if device.kind == "cuda":
        return timing, torch.cuda.max_memory_allocated()
    # Another measure is a few small matrices more or less.
    is_typical = (case.quality, case.measure) in STEPS[:2]
    return timing, main_memory(device, case) if device.kind == "cpu" and options.memory and is_typical else None


def _iterations(transfer: StyleTransfer, case: Case) -> Iterator[object]:
    """The iterations of one scale without end, just as a painting has them: on CUDA recorded and replayed."""
    task, chosen = _task(case.settings), case.recipe
    canvas = Canvas(task.content, task.styles, working_size=case.size)
    plan = memory.plan(canvas.working_pixels, canvas.channels, transfer.device, task.settings.memory)
    optimizer = recipe.optimizer(chosen, task.settings, plan)
    canvas.start(case.size, transfer.device.torch_device, task.settings.start, task.settings.seed)
    endless = Scale(case.size, sys.maxsize)
    return transfer._iterate(task, chosen, canvas, endless, optimizer, case.tile or case.size, 0)


def main_memory(device: Device, case: Case) -> int:
    """By how many bytes a process grows for a step on the CPU, beyond the engine and its network.

    Raises:
        Refusal: the system does not say.
    """
    # What a process once had of the system it keeps for the next step, so each case needs one of its own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_grown, device, case).result()


def _grown(device: Device, case: Case) -> int:
    devices.use_threads()
    memory.keep_freed()
    transfer = StyleTransfer(device)
    next(_iterations(transfer, Case(_SMALL, case.quality, case.measure)))
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # Linux: the most is what there is now
    before = _most_memory()
    iterations = _iterations(transfer, case)
    for _turn in range(2):
        next(iterations)
    return _most_memory() - before


def _most_memory() -> int:
    """The most bytes that this process had in memory."""
    # What getrusage says on Linux has the parent's memory in it, which a child shares until it becomes a program.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        raise Refusal(_("This system does not say how much memory a process takes; leave --memory out.")) from None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _piece(work: Callable[[], Tensor], device: Device, repeats: int) -> float:
    """The seconds that a piece of a step takes by itself, the median."""
    at_once = 1 if device.kind == "cpu" else _AT_ONCE

    def several() -> Tensor:
        for _turn in range(at_once - 1):
            work()
        return work()

    replayed = Replay(several) if device.kind == "cuda" else several
    return _timed(replayed, device, repeats, _LONG_FOR_A_PIECE).median / at_once


def _timed(work: Callable[[], object], device: Device, repeats: int, long: float) -> Timing:
    """Of one call, warm; at most ``repeats`` of them, and not many more than ``long`` seconds."""
    for _turn in range(_WARM_UP.get(device.kind, 3)):
        work()
    clock = _Clock(device)
    clock.tick()
    start = time.perf_counter()
    for done in range(1, repeats + 1):
        work()
        clock.tick()
        if done >= _FEWEST and time.perf_counter() - start > long:
            break
    return Timing.of(clock.seconds())


class _Clock:
    """The seconds between ticks: of CUDA's own clock, for which nothing has to wait, or else of the processor's."""

    def __init__(self, device: Device) -> None:
        self._kind = device.kind
        self._events: list[torch.cuda.Event] = []
        self._times: list[float] = []

    def tick(self) -> None:
        if self._kind == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._events.append(event)
            return
        if self._kind != "cpu":
            torch.accelerator.synchronize()
        self._times.append(time.perf_counter())

    def seconds(self) -> list[float]:
        if self._kind == "cuda":
            torch.cuda.synchronize()
            return [one.elapsed_time(other) / 1000 for one, other in itertools.pairwise(self._events)]
        return [other - one for one, other in itertools.pairwise(self._times)]


def _losses(transfer: StyleTransfer, size: int) -> dict[str, Any]:
    """How the loss of two qualities falls, whole paintings from the first scale on."""
    found: dict[str, Any] = {}
    for quality in ("gatys", "normal"):
        seconds: list[float] = []
        totals: list[Tensor] = []

        def keep(step: Step, seconds: list[float] = seconds, totals: list[Tensor] = totals) -> None:
            seconds.append(step.seconds)
            totals.append(step.evaluation.total)  # a new tensor; as a number, the device would have to wait for it

        _forget()
        transfer.paint(_task(Settings(quality=quality, size=size)), keep)
        found[quality] = {"seconds": seconds, "total": [float(total) for total in totals]}
        _say(f"{size} px, {quality}: painted in {_seconds(seconds[-1])}")
    return {"size": size, "precision": _name(transfer.device.dtype), **found}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        sentence = _("“{name}” cannot be made ({error}); choose another folder.")
        raise Refusal(sentence.format(name=folder, error=error.strerror)) from error


def _write(told: Mapping[str, Any], folder: Path) -> None:
    try:
        (folder / "bench.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        _steps_chart(told).save(folder / "steps.png")
        _losses_chart(told).save(folder / "losses.png")
    except OSError as error:
        sentence = _("“{name}” cannot be written ({error}); choose another folder.")
        raise Refusal(sentence.format(name=folder, error=error.strerror)) from error
    _say(f"{folder}: bench.json, steps.png, losses.png")


def _steps_chart(told: Mapping[str, Any]) -> Image:
    """Seconds per step over pixels, for the two qualities as they are and for the convolutions alone."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for entry in told["steps"]:
        if entry["tile"] is None and (entry["quality"], entry["style_measure"]) in STEPS[:2]:
            name = f"{entry['quality']}, {entry['precision']}"
            lines.setdefault(name, []).append((entry["width"] * entry["height"], entry["seconds"]))
    for entry in told["convolutions"]:
        name = f"convolutions, {entry['precision']}"
        lines.setdefault(name, []).append((entry["width"] * entry["height"], entry["seconds"]))
    series = []
    for (name, points), color in zip(lines.items(), plot.COLORS):
        x, y = zip(*sorted(points))
        series.append(Series(name, x, y, color))
    title = f"One step on {told['hardware']['device']}"
    return plot.chart(series, title, "pixels", "seconds per step", log_x=True, log_y=True)


def _losses_chart(told: Mapping[str, Any]) -> Image:
    """Losses over seconds. The two objectives have nothing in common but where they end."""
    losses = told["losses"]
    series = []
    for quality, color in zip(("gatys", "normal"), plot.COLORS[1:]):
        totals = losses[quality]["total"]
        series.append(Series(quality, losses[quality]["seconds"], [total / totals[-1] for total in totals], color))
    title = f"{losses['size']} pixels, {losses['precision']}, on {told['hardware']['device']}"
    return plot.chart(series, title, "seconds", "loss, the last one is 1", log_y=True)


def _step_entry(case: Case, timing: Timing, convolutions: Sequence[Convolution], rate: float) -> dict[str, Any]:
    alone, flops = _total(convolutions), _flops(convolutions)
    return {
        "quality": case.quality,
        "optimizer": case.recipe.optimizer,
        "style_measure": case.measure,
        "tile": case.tile,
        "name": str(case),
        "seconds": timing.median,
        "lower_quartile": timing.lower,
        "upper_quartile": timing.upper,
        "runs": timing.runs,
        "convolutions_seconds": alone,
        "over_convolutions": timing.median / alone,
        "flops": flops,
        "of_limit": flops / rate / timing.median,
        "over_whole": None,
    }


def _convolutions_entry(alone: Sequence[Convolution], rate: float) -> dict[str, Any]:
    seconds, flops = _total(alone), _flops(alone)
    layers = [asdict(convolution) for convolution in alone]
    return {"layers": layers, "seconds": seconds, "flops": flops, "of_limit": flops / rate / seconds}


def _convolutions_row(entry: Mapping[str, Any]) -> list[str]:
    forward, backward = (sum(layer[way] for layer in entry["layers"]) for way in ("forward", "backward"))
    return [
        f"{entry['width']} × {entry['height']}",
        entry["precision"],
        entry["layers"][-1]["layer"],
        _seconds(forward),
        _seconds(backward),
        f"{entry['flops'] / entry['seconds'] / 1e9:,.0f} GFLOP/s",
        f"{entry['of_limit']:.0%}",
    ]


def _step_row(entry: Mapping[str, Any]) -> list[str]:
    return [
        f"{entry['width']} × {entry['height']}",
        entry["precision"],
        entry["name"],
        _seconds(entry["seconds"]),
        f"{_seconds(entry['lower_quartile'])} – {_seconds(entry['upper_quartile'])}",
        f"{entry['over_convolutions']:.2f}",
        f"{entry['of_limit']:.0%}",
        "" if entry["peak_bytes"] is None else f"{entry['peak_bytes'] / 2**20:,.0f} MiB",
        "" if entry["over_whole"] is None else f"{entry['over_whole']:.2f}",
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _total(convolutions: Sequence[Convolution]) -> float:
    return sum(convolution.forward + convolution.backward for convolution in convolutions)


def _flops(convolutions: Sequence[Convolution]) -> int:
    """There and back."""
    return sum(2 * convolution.flops for convolution in convolutions)


@cache
def _pictures() -> tuple[Tensor, Style]:
    return pictures.load(_CONTENT).rgba, Style(pictures.load(_STYLE).rgba, _STYLE.name)


def _task(settings: Settings) -> Task:
    content, style = _pictures()
    return Task(content, [style], settings)


def _extent(size: int) -> tuple[int, int]:
    """Width and height of the content at a size."""
    height, width = _pictures()[0].shape[-2:]
    return pictures.fit(width, height, size)


def _forget() -> None:
    """Give back what was used before, which would count as this measurement's memory, or leave it too little."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
