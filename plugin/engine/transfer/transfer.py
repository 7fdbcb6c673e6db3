"""Style transfer, coarse to fine.

L. A. Gatys, A. S. Ecker, M. Bethge, *Image Style Transfer Using Convolutional Neural Networks*, CVPR 2016; coarse to
fine after the same authors and A. Hertzmann, E. Shechtman, *Controlling Perceptual Factors in Neural Style Transfer*,
CVPR 2017, section 6.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from plugin.engine.machine import cuda_graphs, devices, memory, work
from plugin.engine.machine.clock import Clock, Clocks, Countdown
from plugin.engine.machine.cuda_graphs import Replay
from plugin.engine.machine.devices import Device
from plugin.engine.machine.memory import Plan
from plugin.engine.machine.work import JobWork, Sizes
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import optimizers, recipe, tiles
from plugin.engine.transfer.canvas import Canvas, Style
from plugin.engine.transfer.objective import Evaluation, Objective, StyleTerm, shrink
from plugin.engine.transfer.optimizers import Optimizer
from plugin.engine.transfer.recipe import Recipe, Scale
from plugin.engine.transfer.style_losses import MomentSum, StyleMeasure
from plugin.engine.transfer.vgg import VGG16, Border, Pooling
from plugin.shared.i18n import _
from plugin.shared.settings import Settings, working_size

_log = logging.getLogger("neural-style.engine")

_FLAT_AFTER = 10
"""Iterations over which the loss has to fall for a scale to go on."""

_SLOWEST = 0.05
"""Part of its usual size that the last step has; at the last scale they shrink, one after the other."""

_PLENTY = 1024.0
"""GiB."""

_BALANCING_NOISE = 64.0
"""Standard deviation, in 0–255, of the noise over the content at which the terms' gradients are compared. At the
content itself the content loss has none."""


@dataclass(frozen=True)
class Whole:
    """What a content is a detail of: its long side in pixels of the content, and its picture, 4×h×w, at any size."""

    long_side: int
    picture: Tensor


@dataclass(frozen=True)
class Task:
    """What to paint. ``content`` is 4×H×W R'G'B'A, 0 to 1; ``grey`` paints in luma alone.

    With ``whole`` the content is painted as it will look as a detail of that; the settings, such as the working size,
    are about the whole.
    """

    content: Tensor
    styles: Sequence[Style]
    settings: Settings = field(default_factory=Settings)
    grey: bool = False
    whole: Whole | None = None

    @property
    def long_side(self) -> int:
        """Of the whole, in pixels of the content."""
        return self.whole.long_side if self.whole else max(self.content.shape[-2:])

    @property
    def part(self) -> float:
        """The content's long side in relation to the whole's."""
        return self.sizes.part

    @property
    def sizes(self) -> Sizes:
        """What the time depends on."""
        styles = [_extent(style.picture) for style in self.styles]
        return work.sizes(self.settings, _extent(self.content), styles, self.grey, self.long_side)


@dataclass(frozen=True)
class Step:
    """One iteration, as it is reported. ``fraction`` is the part of the whole work that is done."""

    scale: int
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    fraction: float
    seconds: float
    seconds_left: float
    evaluation: Evaluation
    preview: Callable[[int], Tensor]
    """Given a long side, the picture as it is now: 4×H×W on the CPU."""

    @property
    def is_first(self) -> bool:
        """Whether a painting begins with it, or has begun anew on another device."""
        return self.scale == self.iteration == 1

    def is_due(self, every: int) -> bool:
        """Whether it is the first or the last of its scale or one of every so many."""
        return self.iteration in (1, self.iterations) or self.iteration % every == 0

    def losses(self) -> dict[str, float]:
        """The parts of the objective as numbers; on a GPU this waits for them."""
        parts = {"content": self.evaluation.content, "style": self.evaluation.style, "tv": self.evaluation.tv}
        numbers = {name: float(value) for name, value in parts.items()}
        return {"total": sum(numbers.values()), **numbers}

    def trace_entry(self, losses: dict[str, float]) -> dict[str, Any]:
        """One line of a report's trace, with what :meth:`losses` returned."""
        return {
            "scale": self.scale,
            "width": self.width,
            "height": self.height,
            "iteration": self.iteration,
            "seconds": self.seconds,
            **losses,
            "layers": {name: float(loss) for name, loss in self.evaluation.layers.items()},
        }


class Enough(Exception):
    """What a function that follows the steps raises to have the picture as it is now."""


class StyleTransfer:
    """Paints pictures on one device; what several pictures share stays warm between them."""

    _STATISTICS_KEPT = 64
    _NETWORKS_KEPT = 4

    def __init__(self, device: Device, clock: Clock | None = None) -> None:
        self.device = device
        self.clock = clock or Clock(device)
        self._room: float | None = None
        """GiB that there were for the latest painting."""
        self._networks: dict[tuple[object, ...], VGG16] = {}
        self._statistics: OrderedDict[tuple[object, ...], dict[str, StyleMeasure]] = OrderedDict()

    def paint(self, task: Task, on_step: Callable[[Step], None] = lambda step: None) -> Tensor:
        """Restyle a picture.

        Args:
            on_step: called after every iteration; an exception that it raises ends the work. After :class:`Enough` the
                picture as it is then is returned.

        Returns:
            4×H×W of the content's size and with its alpha, on the CPU.

        Raises:
            Refusal: there is nothing to see in the content, in a style or in its region; there is too little memory; or
                the device miscalculates.
        """
        chosen = recipe.of(task.settings)
        settings = task.settings
        whole_size = working_size(settings, task.long_side, self.device.kind)
        with self.clock.timing(work.of_opening(task.sizes)):
            canvas = Canvas(
                task.content,
                task.styles,
                working_size=round(whole_size * task.part),
                grey=task.grey,
                colors=settings.preserve_colors,
                wraps=settings.tileable,
                whole=task.whole.picture if task.whole else None,
            )
        with contextlib.suppress(Enough):
            self._optimize(task, chosen, canvas, on_step)
        with self.clock.timing(work.of_delivery(task.sizes)):
            # At strength 0 the optimum is the content; the way there leaves rounding and some of the seed's noise.
            painted = canvas.finished() if settings.strength else canvas.unpainted()
        if not bool(painted.isfinite().all()):
            sentence = _(
                "The arithmetic of {device} failed on this picture; choose float32 as the precision or the CPU as the "
                "device."
            )
            raise Refusal(sentence.format(device=self.device.name))
        return painted

    def _optimize(self, task: Task, chosen: Recipe, canvas: Canvas, on_step: Callable[[Step], None]) -> None:
        """Minimise the objective at every scale, each starting from the one before."""
        settings = task.settings
        scales = work.scales(chosen, canvas.working_size, task.sizes)
        self._room = memory.share(self.device)
        memory.check(canvas.working_pixels, canvas.working_size, self.device)
        plan = self._plan(settings, canvas.working_pixels, canvas.channels)
        countdown = Countdown(self.clock, self._remaining(task, chosen, canvas))
        optimizer = recipe.optimizer(chosen, settings, plan)
        device = self.device.torch_device
        start = time.perf_counter()
        for index, scale in enumerate(scales):
            if index == 0:
                image = canvas.start(scale.size, device, settings.start, settings.seed)
            else:
                image = canvas.enlarge(scale.size, device, chosen.adds_detail)
                optimizer.enlarge(*image.shape[-2:])
            height, width = image.shape[-2:]
            memory.begin_scale(height * width <= plan.area)
            is_last = index == len(scales) - 1
            with countdown.scale(index):
                for iteration, iterations, evaluation in self._descend(task, chosen, canvas, scale, optimizer, plan):
                    if is_last:
                        optimizer.slow_down(1 - iteration / iterations + _SLOWEST)
                    if countdown.is_worth_knowing(iteration, iterations):
                        float(evaluation.total)  # a graphics card has come so far when it can tell
                    countdown.step(iteration)
                    on_step(
                        Step(
                            scale=index + 1,
                            scales=len(scales),
                            width=width,
                            height=height,
                            iteration=iteration,
                            iterations=iterations,
                            fraction=countdown.fraction(iteration, iterations),
                            seconds=time.perf_counter() - start,
                            seconds_left=countdown.seconds_left(iteration, iterations),
                            evaluation=evaluation,
                            preview=canvas.preview,
                        )
                    )

    def work(
        self, settings: Settings, sizes: Sizes, knows: Callable[[int, int], bool] = lambda number, size: False
    ) -> JobWork:
        """What there is to do for pictures of these sizes, but for the network; may be called in any thread.

        ``knows`` is that of :func:`plugin.engine.machine.work.of_painting`.
        """
        plan = partial(self._plan, settings, channels=sizes.channels)
        return work.of_painting(settings, sizes, self.device, plan, knows)

    @property
    def is_warm(self) -> bool:
        """Whether anything was painted here; the first time takes longer."""
        return bool(self._networks)

    def _plan(self, settings: Settings, pixels: int, channels: int) -> Plan:
        """What memory allows; before the first painting, plenty."""
        room = _PLENTY if self._room is None else self._room
        return memory.plan(pixels, channels, self.device, settings.memory or room)

    def _remaining(self, task: Task, chosen: Recipe, canvas: Canvas) -> JobWork:
        """What there is to do of a task; less where something like it was painted before."""

        def knows(number: int, size: int) -> bool:
            return self._statistics_key(task, number, chosen, canvas, size) in self._statistics

        job = self.work(task.settings, task.sizes, knows)
        return job if self._network_key(chosen) in self._networks else job.first()

    def _descend(
        self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, optimizer: Optimizer, plan: Plan
    ) -> Iterator[tuple[int, int, Evaluation]]:
        """The iterations of one scale, as iteration, how many there will be, and what was found; they change the image.

        Where the device has less memory than it seemed to have, the work goes on in smaller tiles.
        """
        assert canvas.image is not None
        area, done = plan.area, 0
        while True:
            try:
                for found in self._iterate(task, chosen, canvas, scale, optimizer, area, done):
                    done = found[0]
                    yield found
                return
            except (MemoryError, RuntimeError) as error:
                if not memory.has_run_out(error) or tiles.side_within(area, chosen.deepest) == tiles.SMALLEST_SIDE:
                    raise
                area = min(area, canvas.image[0, 0].numel()) // 4
                side = tiles.side_within(area, chosen.deepest)
                _log.warning("%s has too little memory; going on in tiles of %d pixels", self.device.name, side)
            # Out here the error, and with it what it held of the device, is gone.
            cuda_graphs.forget()
            memory.begin_scale(is_whole=False)

    def _iterate(
        self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, optimizer: Optimizer, area: int, done: int
    ) -> Iterator[tuple[int, int, Evaluation]]:
        """The iterations after the first ``done``, as :meth:`_descend`, in tiles that see ``area`` pixels."""
        assert canvas.image is not None
        objective = self._objective(task, chosen, canvas, scale, area)
        guard = _Guard(task.settings)
        step = _step(objective, optimizer, guard, canvas.image)
        for iteration in range(done + 1, scale.iterations + 1):
            evaluation = step()
            flat = guard.is_flat(iteration, evaluation)
            yield iteration, iteration if flat else scale.iterations, evaluation
            if flat:
                return

    def _objective(self, task: Task, chosen: Recipe, canvas: Canvas, scale: Scale, area: int) -> Objective:
        device = self.device.torch_device
        content, visible = canvas.content_at(scale.size, device)
        styles = [
            StyleTerm(self._style_measures(task, number, chosen, canvas, scale.size, area), share, guidance)
            for number, (share, guidance) in enumerate(canvas.guidance_at(scale.size, device))
        ]
        network = self._network(chosen)
        height, width = content.shape[-2:]
        pieces = tiles.within(height, width, area, network.layers[-1], task.settings.tileable)
        objective = Objective(network, content, styles, chosen.weights, visible, pieces)
        if task.settings.normalize_gradients:
            noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(0)).to(device)
            sizes = objective.gradient_sizes((content + _BALANCING_NOISE * noise).clamp(0, 255))
            objective.weights = recipe.balanced(chosen.weights, sizes)
        return objective

    def _style_measures(
        self, task: Task, number: int, chosen: Recipe, canvas: Canvas, size: int, area: int
    ) -> dict[str, StyleMeasure]:
        own_size = max(task.styles[number].picture.shape[-2:])
        style_size = chosen.style_size(size / task.part, task.settings.style_scale, own_size)
        network = self._network(chosen)
        key = self._statistics_key(task, number, chosen, canvas, style_size)
        if key not in self._statistics:
            picture, visible = canvas.style_at(number, style_size, self.device.torch_device)
            sums = {layer: MomentSum() for layer in chosen.weights.style}
            masks = {} if visible is None else {layer: shrink(visible, layer) for layer in sums}
            height, width = picture.shape[-2:]
            for tile in tiles.within(height, width, area, network.layers[-1]):
                features = network.features(tile.cut(picture).expand(1, 3, -1, -1))
                for layer, moments in sums.items():
                    weights = tile.place(masks[layer], layer) if masks else None
                    moments.add(tile.own(features[layer], layer), weights)
            self._statistics[key] = {layer: chosen.measure(moments.moments()) for layer, moments in sums.items()}
            while len(self._statistics) > self._STATISTICS_KEPT:
                self._statistics.popitem(last=False)
        self._statistics.move_to_end(key)
        return self._statistics[key]

    def _statistics_key(self, task: Task, number: int, chosen: Recipe, canvas: Canvas, size: int) -> tuple[object, ...]:
        layers = frozenset(chosen.weights.style)
        key = canvas.style_key(number)
        return (task.styles[number].key, size, key, chosen.measure, layers, chosen.border, chosen.pooling)

    def _network(self, chosen: Recipe) -> VGG16:
        key = layers, border, pooling = self._network_key(chosen)
        if key not in self._networks:
            if len(self._networks) == self._NETWORKS_KEPT:
                del self._networks[next(iter(self._networks))]
            self._networks[key] = VGG16(layers, self.device.torch_device, self.device.dtype, border, pooling)
        return self._networks[key]

    def _network_key(self, chosen: Recipe) -> tuple[frozenset[str], Border, Pooling]:
        return frozenset((*chosen.weights.style, *chosen.weights.content)), chosen.border, chosen.pooling


class Transfers:
    """A :class:`StyleTransfer` for each device and precision; what one keeps warm is for everything that is painted."""

    def __init__(self, clocks: Clocks | None = None) -> None:
        self.clocks = clocks or Clocks()
        self._made: dict[Device, StyleTransfer] = {}

    def on(self, device: Device) -> StyleTransfer:
        """The one for a device; may be called in any thread."""
        return self._made.setdefault(device, StyleTransfer(device, self.clocks.of(device)))

    def paint(self, task: Task, device: Device, on_step: Callable[[Step], None]) -> tuple[Tensor, Device]:
        """Restyle a picture as :meth:`StyleTransfer.paint`, if possible on a device, and tell on which it was.

        Where a graphics card has no room even for the smallest tiles, the processor begins anew: ``on_step`` gets the
        first iteration of the first scale once more.
        """
        try:
            return self.on(device).paint(task, on_step), device
        except (MemoryError, RuntimeError) as error:
            if device.kind == "cpu" or not memory.has_run_out(error):
                raise
            _log.exception("%s has too little memory; beginning anew on the processor", device.name)
        # Out here the error, and with it what it held of the card, is gone; what was kept for the next picture as well.
        del self._made[device]
        cuda_graphs.forget()
        device = devices.choose("cpu", task.settings.precision)
        return self.on(device).paint(task, on_step), device


def _extent(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-1], picture.shape[-2]


def _step(objective: Objective, optimizer: Optimizer, guard: _Guard, image: Tensor) -> Callable[[], Evaluation]:
    """One iteration, which changes ``image``. On NVIDIA and AMD cards it is recorded once and then replayed."""

    def step() -> Evaluation:
        evaluation = objective(image)
        optimizer.step(image, guard.clip(evaluation.gradient))
        return evaluation

    return Replay(step) if image.device.type == "cuda" else step


class _Guard:
    """Keeps the gradients of one scale within bounds, and sees when there is nothing left to gain."""

    def __init__(self, settings: Settings) -> None:
        self._clipping, self._below = settings.gradient_clipping, settings.stop_below / 100
        self._longest: Tensor | None = None
        self._before: float | None = None

    def clip(self, gradient: Tensor) -> Tensor:
        """No longer than so many times the first one."""
        if not self._clipping:
            return gradient
        if self._longest is None:
            self._longest = self._clipping * gradient.square().mean().sqrt()
        return optimizers.clipped(gradient, self._longest)

    def is_flat(self, iteration: int, evaluation: Evaluation) -> bool:
        """Whether the last iterations lowered the loss by less than what was asked for."""
        if not self._below or iteration % _FLAT_AFTER != 1:
            return False
        before, self._before = self._before, float(evaluation.total)
        return before is not None and before - self._before < self._below * before
