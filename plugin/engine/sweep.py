"""Search for good settings: a grid of small proofs, each measured, all of them ranked.

``python3 -m plugin sweep`` makes a contact sheet of them and a table.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from torch import Tensor

from plugin import __version__
from plugin.engine import cli, contact_sheet, pictures, report
from plugin.engine.contact_sheet import Proof
from plugin.engine.machine import clock, devices, work
from plugin.engine.machine.devices import Device
from plugin.engine.refusal import Refusal
from plugin.engine.report import Measures
from plugin.engine.transfer.canvas import blend_weights
from plugin.engine.transfer.transfer import Step, Task, Transfers
from plugin.shared.i18n import _
from plugin.shared.settings import TABLE, Settings
from plugin.shared.sweep_grid import PROOF_SIZE, SCORES, Grid, listed


@dataclass(frozen=True)
class Cell:
    """One cell, painted.

    ``picture`` is what :meth:`StyleTransfer.paint` returns for ``settings``, bit for bit. ``losses`` are the last ones;
    ``scores`` has every one of :data:`plugin.shared.sweep_grid.SCORES`; ``report`` is that of
    :mod:`plugin.engine.report`, with the likeness at the proofs' size.
    """

    place: tuple[int, ...]
    settings: Settings
    picture: Tensor
    losses: dict[str, float]
    scores: dict[str, float]
    report: dict[str, Any]


def paint(
    task: Task,
    grid: Grid,
    transfers: Transfers,
    on_step: Callable[[Step], None],
    center: Sequence[int] | None = None,
) -> Iterator[Cell]:
    """Paint and measure every cell, in the order of :meth:`plugin.shared.sweep_grid.Grid.places`.

    One after the other: a processor's convolutions are bound by its arithmetic, so that a batch of pictures takes as
    long as the pictures by themselves. The style's statistics are kept between cells; the content's feature maps are
    not, since they cost one pass through the network at each scale, where the painting costs a hundred and more.

    All cells are compared with the content at the size of the largest one. At the content's own size what a small proof
    lacks in sharpness would count for more than anything that is varied.

    Args:
        task: its settings are not looked at, the grid's are.
        on_step: called after every iteration with a step whose fraction and times are the whole grid's; an exception
            that it raises ends the work.

    Raises:
        Refusal: a cell cannot be painted. What can be known before the work is refused before it.
    """
    start = time.perf_counter()
    choose = cache(devices.choose)
    places = grid.places(center)
    tasks = [_task(task, grid.settings(place)) for place in places]
    chosen = [choose(cell.settings.device, cell.settings.precision) for cell in tasks]
    work_of_cells = [transfers.on(device).work(cell.settings, cell.sizes) for cell, device in zip(tasks, chosen)]
    costs = [transfers.on(device).clock.seconds(job.steps) for job, device in zip(work_of_cells, chosen)]
    reduced = dataclasses.replace(task, content=_reduced(task.content, max(cell.settings.size for cell in tasks)))
    judge_device = choose(grid.base.device, grid.base.precision)
    judge, judges_clock = Judge(reduced, judge_device), transfers.on(judge_device).clock
    judging = work.of_comparison(reduced.sizes, painted_alone=True)
    for number, (place, cell, device) in enumerate(zip(places, tasks, chosen)):
        ahead = zip(work_of_cells[number + 1 :], chosen[number + 1 :])
        after = sum(transfers.on(device).clock.seconds(job.whole) for job, device in ahead)
        after += judges_clock.seconds(judging) * (len(tasks) - number)
        watch = _Watch(on_step, start, sum(costs[:number]), costs[number], sum(costs), after)
        began = time.perf_counter()
        painted, device = transfers.paint(cell, device, watch)
        seconds = time.perf_counter() - began
        losses = {name: watch.trace[-1][name] for name in ("total", "content", "style", "tv")}
        with judges_clock.timing(judging):
            likeness, scores = judge(painted, losses)
        told = report.of(cell, device, seconds, watch.trace, likeness)
        yield Cell(place, cell.settings, painted, losses, scores, told)


def ranked(scores: Sequence[float]) -> list[int]:
    """The places of the scores in their list, the best first; one that is no number comes last."""
    return sorted(range(len(scores)), key=lambda place: math.inf if math.isnan(scores[place]) else -scores[place])


def _task(task: Task, settings: Settings) -> Task:
    """The task of a cell."""
    weights = blend_weights(settings, len(task.styles))
    size = settings.size or min(PROOF_SIZE, max(task.content.shape[-2:]))
    return dataclasses.replace(
        task,
        styles=[dataclasses.replace(style, weight=weight) for style, weight in zip(task.styles, weights)],
        settings=dataclasses.replace(settings, size=size),
    )


def _reduced(content: Tensor, size: int) -> Tensor:
    """A picture no larger than a size, in pixels of its long side."""
    height, width = content.shape[-2:]
    return pictures.resize(content, *pictures.fit(width, height, min(size, max(width, height)))).clamp(0, 1)


@dataclass
class _Watch:
    """Follows one cell, and tells of the whole grid."""

    on_step: Callable[[Step], None]
    start: float
    before: float
    own: float
    whole: float
    after: float
    """Seconds from the end of this cell to that of the grid."""
    trace: list[dict[str, Any]] = field(default_factory=list)
    """The last iteration of every scale."""

    def __call__(self, step: Step) -> None:
        if step.is_first:
            self.trace.clear()
        if step.iteration == step.iterations:
            self.trace.append(step.trace_entry(step.losses()))
        fraction = (self.before + self.own * step.fraction) / self.whole
        seconds, left = time.perf_counter() - self.start, step.seconds_left + self.after
        self.on_step(dataclasses.replace(step, fraction=fraction, seconds=seconds, seconds_left=left))


class Judge:
    """Measures cells against the same two ends: the content picture, and the style pictures.

    A distance to the content is taken relative to that of the style pictures from it, and a distance to the style
    relative to that of the content from it. So both likenesses are 1 at one end and 0 at the other. The styles count by
    the weights that ``task`` gives them, whatever a cell blends.
    """

    def __init__(self, task: Task, device: Device) -> None:
        self._comparison = report.Comparison(task, device)
        weights = [style.weight for style in task.styles]
        of_styles = [self._comparison(style.picture)["after"]["content"] for style in task.styles]
        of_content = {
            name: sum(weight * figures[name] for weight, figures in zip(weights, of_styles)) / sum(weights)
            for name in ("euclidean", "mahalanobis")
        }
        self._ends = {"content": of_content, "style": self._comparison.before["style"]}

    def __call__(self, painted: Tensor, losses: Mapping[str, float]) -> tuple[dict[str, Measures], dict[str, float]]:
        """The likeness as a report has it, and the scores."""
        likeness = self._comparison(painted)
        after = likeness["after"]
        content, style = (self._near(after, kind, "euclidean") for kind in ("content", "style"))
        in_deviations = [self._near(after, kind, "mahalanobis") for kind in ("content", "style")]
        scores = {
            "balance": math.sqrt(content * style),
            "mahalanobis": math.sqrt(math.prod(in_deviations)),
            "content": content,
            "style": style,
            "ssim": after["content"]["ssim"],
            "loss": -losses["total"],
        }
        return likeness, {choice.value: scores[choice.value] for choice in SCORES}

    def _near(self, measures: Measures, kind: str, distance: str) -> float:
        """1 for what is equal, 0 for what is as far away as the other end, or farther."""
        return min(max(1 - measures[kind][distance] / max(self._ends[kind][distance], 1e-12), 0.0), 1.0)


def command(options: argparse.Namespace, grid: Grid) -> int:
    """Paint ``options.content`` in every cell of a grid, write sheet and table, and return the exit status.

    The table is the same in CSV and in JSON, the best cell first; in JSON each cell has its whole report, its ``place``
    in the grid, and in ``box`` where its picture lies on the sheet: left, top, width and height in pixels.
    """
    return cli.exit_status(lambda: _sweep(options, grid))


def _sweep(options: argparse.Namespace, grid: Grid) -> None:
    start = time.perf_counter()
    devices.use_threads()
    cli.check_place(options.output)
    contact_sheet.check_name(options.output)
    task = cli.read_task(options, grid.base)[1]
    follower = _Follower(grid, options.score)
    size = _shown_size(task, grid)
    cells, shown = [], []
    transfers = Transfers(clock.stored())
    for cell in paint(task, grid, transfers, follower):
        follower.finished(cell)
        shown.append(contact_sheet.small(cell.picture, *size))
        cells.append(dataclasses.replace(cell, picture=cell.picture.new_empty(0)))  # hundreds would fill the memory
    transfers.clocks.save()
    order = ranked([cell.scores[options.score] for cell in cells])
    ranks = {number: rank for rank, number in enumerate(order, 1)}
    proofs = {
        cell.place: Proof(shown[number], f"{ranks[number]}.  {cell.scores[options.score]:#.3g}", ranks[number] == 1)
        for number, cell in enumerate(cells)
    }
    paper = contact_sheet.ContactSheet(grid, *size)
    picture = paper.draw(_head(options, task), _words(grid, options.score, cells[order[0]]), proofs)
    rows = [
        {
            "rank": ranks[number],
            "place": cells[number].place,
            "box": paper.box(cells[number].place),
            "changed": grid.changed(cells[number].place),
            "scores": cells[number].scores,
            "losses": cells[number].losses,
            **cells[number].report,
        }
        for number in order
    ]
    told = {
        "version": __version__,
        "content": options.content.name,
        "style": [path.name for path in options.style],
        "style_sha256": [style.key for style in task.styles],
        "score": options.score,
        "vary": {name: list(values) for name, values in grid.vary.items()},
        "seconds": time.perf_counter() - start,
        "cells": rows,
    }
    table = options.output.with_suffix(".csv")
    try:
        picture.save(options.output)
        with table.open("w", encoding="utf-8", newline="") as file:
            _write_csv(file, rows)
        table.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        sentence = _("“{name}” cannot be written ({error}); choose another folder.")
        raise Refusal(sentence.format(name=options.output, error=error.strerror)) from error
    follower.say(f"{options.output}: {len(cells)} cells, {told['seconds']:.1f} s; {_best(grid, cells[order[0]])}")


def _shown_size(task: Task, grid: Grid) -> tuple[int, int]:
    """Width and height of a cell on the sheet: as large as the largest one was painted, within limits."""
    painted = max(_task(task, grid.settings(place)).settings.size for place in grid.places())
    height, width = task.content.shape[-2:]
    return pictures.fit(width, height, min(painted, max(width, height), contact_sheet.largest_side(grid)))


def _head(options: argparse.Namespace, task: Task) -> list[tuple[str, Tensor]]:
    styles = [(path.name, style.picture) for path, style in zip(options.style, task.styles)]
    return [(options.content.name, task.content), *styles]


def _words(grid: Grid, score: str, best: Cell) -> list[str]:
    meaning = next(choice.help for choice in SCORES if choice.value == score)
    default = Settings().to_json()
    same = {
        name: value
        for name, value in best.settings.to_json().items()
        if name not in grid.vary and (name == "size" or value != default[name])
    }
    return [
        _best(grid, best),
        f"all: {listed(same)}",
        f"under each picture: its rank and its {score}, {meaning}",
    ]


def _best(grid: Grid, cell: Cell) -> str:
    return f"best: {listed(grid.changed(cell.place))}"


def _write_csv(file: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """A line for each cell, the best first: what it is judged by, what was varied, and then all the rest."""
    flat = [_flat(row) for row in rows]
    writer = csv.DictWriter(file, list(flat[0]))
    writer.writeheader()
    writer.writerows(flat)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    likeness = row["likeness"]["after"]
    others = {setting.name: row["settings"][setting.name] for setting in TABLE if setting.name not in row["changed"]}
    return {
        "rank": row["rank"],
        **{name: row["settings"][name] for name in row["changed"]},
        **{f"score_{name}": value for name, value in row["scores"].items()},
        **{f"loss_{name}": value for name, value in row["losses"].items()},
        "lambda": row["lambda"],
        **{f"{kind}_{name}": value for kind, figures in likeness.items() for name, value in figures.items()},
        "seconds": row["seconds"],
        **others,
    }


class _Follower:
    """Says a line for each cell and draws a progress bar where there is a terminal."""

    def __init__(self, grid: Grid, score: str) -> None:
        self._grid, self._score = grid, score
        self._count, self._done = len(grid.places()), 0
        self._draws = sys.stderr.isatty()

    def __call__(self, step: Step) -> None:
        if self._draws:
            cli.draw_bar(step.fraction, f"cell {self._done + 1} of {self._count}, {step.seconds_left:.0f} s left")

    def finished(self, cell: Cell) -> None:
        self._done += 1
        changed = listed(self._grid.changed(cell.place))
        score = f"{self._score} {cell.scores[self._score]:#.3g}"
        self.say(f"{self._done} of {self._count}: {changed}: {score}, {cell.report['seconds']:.1f} s")

    def say(self, sentence: str) -> None:
        print(f"\r\033[K{sentence}" if self._draws else sentence, file=sys.stderr)
