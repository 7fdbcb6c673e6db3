"""How much sooner ``--quality gatys`` is where neural-style arrives: both paint the same pairs, one after the other.

There are two goals, both in neural-style's own objective: the loss of the 8-bit picture that it delivers, and the loss
that it prints last, of a picture that no file can hold: it lies partly outside of 0–255. The engine's pictures are cut
to 0–255 for either, and to 8 bits for the first. All times are of the iterations alone, without loading.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from torch import Tensor

from plugin.engine import pictures, plot
from plugin.engine.bench import peers, rates, subject, telling, timing
from plugin.engine.bench.judge import Judge
from plugin.engine.bench.peers import NEURAL_STYLE, Painted
from plugin.engine.bench.telling import say, seconds
from plugin.engine.machine.devices import Device
from plugin.engine.plot import Series
from plugin.engine.refusal import Refusal
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task
from plugin.shared.settings import Settings

PAIRS = tuple(
    (subject.CONTENT, subject.STYLES / f"{name}.jpg")
    for name in ("hokusai_great_wave", "van_gogh_village_street_in_auvers", "kandinsky_composition_viii")
)
"""Contents and styles; flat shapes, thick strokes and clear geometry."""

GOALS = ("delivered", "unclipped")

_WARM_UP = 4
"""Iterations of each scale, of another style."""

_EVERY = 10
"""Iterations between two pictures of a scale before the last, which are far from any goal."""


@dataclass(frozen=True)
class Point:
    """What the engine had after so many seconds: its loss at 8 bits and without rounding."""

    seconds: float
    delivered: float
    unclipped: float


@dataclass(frozen=True)
class Race:
    """One pair, and what both made of it.

    ``delivered`` and ``unclipped`` are neural-style's losses, the goals; ``theirs`` is how it came there.
    """

    content: str
    style: str
    delivered: float
    unclipped: float
    theirs: Painted
    ours: Sequence[Point]

    @property
    def pair(self) -> str:
        return f"{self.content} × {self.style}"

    def reached(self, goal: str) -> float | None:
        """The seconds after which the engine's loss was as low as one of :data:`GOALS`; None if it never was."""
        return next((point.seconds for point in self.ours if getattr(point, goal) <= getattr(self, goal)), None)

    def times_faster(self, goal: str) -> float:
        """neural-style's seconds for all its iterations over those; 0 if the engine never was there."""
        reached = self.reached(goal)
        return self.theirs.seconds / reached if reached else 0.0

    def to_json(self) -> dict[str, Any]:
        told = {goal: {"seconds": self.reached(goal), "times_faster": self.times_faster(goal)} for goal in GOALS}
        return asdict(self) | {"reached": told}


@dataclass(frozen=True)
class Races:
    """All pairs of one run, and on what it was."""

    device: str
    precision: str
    size: int
    iterations: int
    races: Sequence[Race]

    def to_json(self) -> dict[str, Any]:
        told = {
            goal: dict(zip(("median", "least", "most"), _spread([race.times_faster(goal) for race in self.races])))
            for goal in GOALS
        }
        return asdict(self) | {
            "peer": NEURAL_STYLE.requirement,
            "races": [race.to_json() for race in self.races],
            "times_faster": told,
        }

    def markdown(self) -> str:
        """The races as a table, their medians below."""
        head = [f"{self.size} px, {self.precision}", f"{NEURAL_STYLE.name}, {self.iterations} iterations"]
        for name in ("8-bit loss", "unclipped loss"):
            head += [f"its {name}", "gatys is there after", "times faster"]
        rows = [[race.pair, seconds(race.theirs.seconds), *self._cells(race)] for race in self.races]
        rows.append(["**median** (least – most)", ""])
        for goal in GOALS:
            median, least, most = _spread([race.times_faster(goal) for race in self.races])
            rows[-1] += ["", "", f"**{telling.figure(median)}** ({telling.figure(least)} – {telling.figure(most)})"]
        note = (
            f"Losses are in {NEURAL_STYLE.name}'s own objective; its unclipped picture lies partly outside of 0–255, "
            "the engine's never does. Seconds are of the iterations, without loading; 0 times is never."
        )
        return f"{telling.table(head, rows)}\n\n{note}"

    def chart(self) -> Image:
        """How the losses fell, over seconds; where neural-style's delivered picture is, is 1 for every pair."""
        lines: list[Series] = []
        for name, color, points in (
            (f"{NEURAL_STYLE.name}, unclipped", plot.COLORS[2], _theirs),
            ("gatys, 8 bits", plot.COLORS[1], _ours),
        ):
            for number, race in enumerate(self.races):
                x, y = zip(*points(race))
                lines.append(Series(name if number == 0 else "", x, [loss / race.delivered for loss in y], color))
        every = [x for line in lines for x in line.x if x > 0]
        goal = Series("delivered by neural-style", (min(every), max(every)), (1, 1), plot.COLORS[0], width=1)
        title = f"{len(self.races)} pairs at {self.size} px on {self.device}, {self.precision}"
        return plot.chart([*lines, goal], title, "seconds", "loss, 1 is what is delivered", log_x=True, log_y=True)

    @staticmethod
    def _cells(race: Race) -> list[str]:
        cells = []
        for goal in GOALS:
            reached = race.reached(goal)
            cells += [f"{getattr(race, goal):.4g}", "never" if reached is None else seconds(reached)]
            cells.append(telling.figure(race.times_faster(goal)))
        return cells


def run(
    device: Device, pairs: Sequence[tuple[Path, Path]], size: int, iterations: int, packages: Path
) -> tuple[Races, Refusal | None]:
    """Let both paint every pair.

    Args:
        packages: what ``NEURAL_STYLE.find`` returned.

    Returns:
        What there is to tell, and the error that ended it before the last pair, if one did.
    """
    transfer = StyleTransfer(device)
    done: list[Race] = []
    failure: Refusal | None = None
    for content, style in pairs:
        try:
            with tempfile.TemporaryDirectory() as folder:
                done.append(_race(transfer, content, style, size, iterations, packages, Path(folder)))
        except Refusal as error:
            failure = error
            break
        factors = (f"{telling.figure(done[-1].times_faster(goal))} times ({goal})" for goal in GOALS)
        say(f"{done[-1].pair}: gatys is there {' and '.join(factors)} sooner")
    return Races(device.name, rates.name(device.dtype), size, iterations, done), failure


def _race(
    transfer: StyleTransfer, content: Path, style: Path, size: int, iterations: int, packages: Path, folder: Path
) -> Race:
    # At the size worked at for both, so that no two ways of resizing make two pictures of one.
    photograph, model = _sized(content, size, folder / "content.png"), _sized(style, size, folder / "style.png")
    judge = Judge(subject.load(photograph), subject.load(model), size)
    ours = _paint(transfer, photograph, model, size, judge)
    say(f"{content.stem} × {style.stem}: gatys painted in {seconds(ours[-1].seconds)}")
    timing.forget()
    job = peers.Job(
        photograph, model, folder / "delivered.png", size, iterations, peers.device_for(transfer.device.kind)
    )
    theirs = NEURAL_STYLE.run(job, packages, _Ticker(f"{NEURAL_STYLE.name}, of {iterations} iterations").tell)
    last = theirs.points[-1].loss
    assert last is not None
    return Race(content.stem, style.stem, judge.delivered(subject.load(job.output)[:3] * 255), last, theirs, ours)


def _sized(path: Path, size: int, to: Path) -> Path:
    loaded = pictures.load(path)
    width, height = pictures.fit(loaded.rgba.shape[-1], loaded.rgba.shape[-2], size)
    plain = dataclasses.replace(loaded, grey=False, has_alpha=False, deep=False, profile=None)
    pictures.save(pictures.resize(loaded.rgba, width, height).clamp(0, 1), to, plain)
    return to


def _paint(transfer: StyleTransfer, content: Path, style: Path, size: int, judge: Judge) -> list[Point]:
    """Paint with gatys, and judge afterwards what there was at which time."""
    picture, settings = subject.load(content), Settings(quality="gatys", size=size)
    warm_up = dataclasses.replace(settings, iterations=_WARM_UP)
    transfer.paint(Task(picture, [Style(picture, "warm-up")], warm_up))
    keeper = _Keeper(transfer.device, size)
    transfer.paint(Task(picture, [Style(subject.load(style), str(style))], settings), keeper)
    return [Point(at, judge.delivered(kept), judge.loss(kept)) for at, kept in keeper.kept]


class _Keeper:
    """Keeps the pictures of a painting with the time that the painting alone has taken until then."""

    def __init__(self, device: Device, size: int) -> None:
        self._device, self._size = device, size
        self._spent = 0.0
        """Seconds in here, which are not the painting's."""
        self.kept: list[tuple[float, Tensor]] = []

    def __call__(self, step: Step) -> None:
        entered = time.perf_counter()
        timing.wait(self._device)
        painted = time.perf_counter()
        if step.scale == step.scales or step.is_due(_EVERY):
            self.kept.append((step.seconds + painted - entered - self._spent, step.preview(self._size)[:3] * 255))
        self._spent += time.perf_counter() - painted


class _Ticker:
    """Tells every so often how far somebody else is."""

    _SECONDS = 30.0

    def __init__(self, subject: str) -> None:
        self._subject, self._said = subject, time.perf_counter()

    def tell(self, iteration: int) -> None:
        if (now := time.perf_counter()) - self._said > self._SECONDS:
            self._said = now
            say(f"{self._subject}: {iteration}")


def _theirs(race: Race) -> list[tuple[float, float]]:
    return [(point.seconds, point.loss) for point in race.theirs.points if point.loss is not None]


def _ours(race: Race) -> list[tuple[float, float]]:
    return [(point.seconds, point.delivered) for point in race.ours]


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most; nothing where there are none."""
    return (float(np.median(values)), min(values), max(values)) if values else (0.0, 0.0, 0.0)
