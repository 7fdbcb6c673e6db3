"""What the engine and other programs make of the same pictures, side by side and in figures.

    python3 -m tests.bench.pictures [--out DIR] [--contents DIR …] [--size 512] [--pairs cat,huge] [--resume]

Run it with the engine's interpreter. Each pair of :data:`PAIRS` is painted by the engine at each of :data:`QUALITIES`
and by every peer at its own defaults, all from the same two PNG files. A pair whose picture is not
there is left out: of the pictures the project brings one content and all but one of the styles, and ``--contents``
names folders with more. In the folder ``--out`` this leaves

- ``PAIR.jpg``, a sheet with content, style and every painting;
- ``PAIR/``, the two files that all got, what each delivered, and its times;
- ``table.json``, ``table.csv`` and ``table.md``, the figures of every picture.

The time of the engine is that of a job in an engine that is warm, as GIMP has it: from pixels to pixels, style
statistics included. That of a peer is of its iterations alone, without loading; the time of its whole command stands
beside it. The loss is that of the delivered 8-bit picture in neural-style's objective, the other figures are those of
``plugin/engine/metrics.py``. Where a content is transparent, it and whatever was made of it are measured with the
colors around flowing in; what was made of a grey content is measured in grey, against the style in grey.

``--resume`` keeps the paintings that an earlier run with the same options left in ``--out``.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from plugin import __version__
from plugin.engine import pictures as files
from plugin.engine.bench import peers
from plugin.engine.bench.judge import Judge
from plugin.engine.bench.peers import NEURAL_STYLE, Job, Peer, PeerError
from plugin.engine.machine import devices
from plugin.engine.machine.devices import Device
from plugin.engine.pictures import Loaded
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import metrics, vgg
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task
from plugin.shared import paths
from plugin.shared.settings import Settings
from tests.bench import sheets
from tests.bench.pastiche import PASTICHE

BUNDLED = (paths.SHIPPED / "samples", paths.SHIPPED / "styles")
PEERS = {peer.name: peer for peer in (NEURAL_STYLE, PASTICHE)}
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
QUALITIES = ("normal", "gatys")

TINY = 96
"""Long side in pixels of a style picture that is too small."""
HUGE = 8
"""How many times larger than the size that it is painted at a huge content is."""
WARM_UP = 64
"""Long side in pixels of what an engine paints before its time is taken."""
QUIET = 10.0
"""Seconds between two lines of progress."""


def plain(content: Loaded, size: int) -> Loaded:
    """With the long side ``size``."""
    return dataclasses.replace(content, rgba=resized(content.rgba, size))


def upright(content: Loaded, size: int) -> Loaded:
    """The middle, in portrait format 3:4."""
    height, width = content.rgba.shape[-2:]
    kept = min(width, height * 3 // 4)
    left = (width - kept) // 2
    return plain(dataclasses.replace(content, rgba=content.rgba[..., left : left + kept]), size)


def grey(content: Loaded, size: int) -> Loaded:
    """A file with a single channel."""
    luma = files.luma(content.rgba[:3]).expand(3, -1, -1)
    return plain(dataclasses.replace(content, rgba=torch.cat([luma, content.rgba[3:]]), grey=True), size)


def cut_out(content: Loaded, size: int) -> Loaded:
    """An oval with a soft edge; the photograph goes on where it is transparent, as under a layer's eraser."""
    rgba = resized(content.rgba, size).clone()
    height, width = rgba.shape[-2:]
    y, x = torch.linspace(-1, 1, height)[:, None], torch.linspace(-1, 1, width)
    rgba[3] = ((0.9 - (x.square() + y.square()).sqrt()) / 0.1).clamp(0, 1)
    return dataclasses.replace(content, rgba=rgba, has_alpha=True)


def huge(content: Loaded, size: int) -> Loaded:
    """Far larger than the size that it is painted at."""
    return plain(content, HUGE * size)


@dataclass(frozen=True)
class Pair:
    """Two pictures by the names of their files, and what is done to the content before it is painted."""

    name: str
    content: str
    style: str
    prepare: Callable[[Loaded, int], Loaded] = plain
    style_size: int | None = None
    """Long side; None leaves the style picture as it is."""


PAIRS = (
    Pair("cat", "chelsea", "hokusai_great_wave"),
    Pair("upright", "chelsea", "cassatt_summertime", upright),
    Pair("grey", "chelsea", "hiroshige_benzaiten_shrine_in_snow", grey),
    Pair("alpha", "chelsea", "van_gogh_village_street_in_auvers", cut_out),
    Pair("tiny-style", "chelsea", "hokusai_poppies", style_size=TINY),
    Pair("huge", "chelsea", "bazille_ramparts_at_aigues_mortes", huge),
    Pair("portrait", "astronaut", "renoir_girls_at_the_piano"),
    Pair("landscape", "rocket", "van_gogh_village_street_in_auvers"),
    Pair("still-life", "coffee", "kandinsky_composition_viii"),
    Pair("grey-photograph", "camera", "hokusai_great_wave"),
    Pair("paper", "tubingen", "starry_night"),
)
"""The first six need nothing but what the project brings."""


Report = Callable[[str], None]
"""Is told what is going on, in a few words."""


@dataclass(frozen=True)
class Times:
    """``seconds`` are those of ``seconds_of``; a peer's whole command took ``command_seconds``."""

    seconds: float
    seconds_of: str
    command_seconds: float | None = None


@dataclass(frozen=True)
class Painter:
    """One of those who paint, from content and style to an output, all three files.

    ``version`` is whatever else than the pictures and the device decides what comes out.
    """

    name: str
    version: str
    device: str
    paint: Callable[[Path, Path, Path, Report], Times]


class Engine:
    """The engine as GIMP has it: one process, warm between pictures."""

    def __init__(self, device: Device, size: int) -> None:
        self._device, self._size = device, size
        self._transfer = StyleTransfer(device)
        self._warm: set[str] = set()

    def painter(self, quality: str) -> Painter:
        return Painter(f"ours, {quality}", __version__, self._device.name, partial(self._paint, quality))

    def _paint(self, quality: str, content: Path, style: Path, output: Path, report: Report) -> Times:
        picture = files.load(content)
        key = hashlib.sha256(style.read_bytes()).hexdigest()
        settings = Settings(quality=quality, size=self._size, device=self._device.kind)
        task = Task(picture.rgba, [Style(files.load(style).rgba, key)], settings, picture.grey)
        if quality not in self._warm:
            report("warming up")
            self._transfer.paint(dataclasses.replace(task, settings=dataclasses.replace(settings, size=WARM_UP)))
            self._warm.add(quality)

        def follow(step: Step) -> None:
            report(f"scale {step.scale} of {step.scales}, iteration {step.iteration} of {step.iterations}")

        start = time.perf_counter()
        painted = self._transfer.paint(task, follow)
        seconds = time.perf_counter() - start
        files.save(painted, output, picture)
        return Times(seconds, "painting")


def peers_painter(peer: Peer, packages: Path | None, device: Device, size: int, iterations: int) -> Painter:
    """A peer at its own defaults, except for the size and perhaps the number of iterations."""

    def paint(content: Path, style: Path, output: Path, report: Report) -> Times:
        job = Job(content, style, output, size, iterations, device.kind)
        report("starting")
        painted = peer.run(job, peer.find(packages), lambda done: report(f"iteration {done} of {iterations}"))
        return Times(painted.seconds, f"{iterations} iterations", painted.command)

    return Painter(f"{peer.name} {peer.version}", f"{iterations} iterations", device.name, paint)


@dataclass(frozen=True)
class Painting:
    """What a painter made of a pair, and its figures; or ``error``, and no figures."""

    pair: str
    painter: str
    device: str
    times: Times | None = None
    loss: float | None = None
    likeness: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    error: str = ""

    def row(self) -> dict[str, object]:
        """One row of the table, every figure in a column of its own; None where there is none."""
        times: dict[str, object] = dict.fromkeys(("seconds", "seconds_of", "command_seconds"))
        if self.times is not None:
            times = dataclasses.asdict(self.times)
        figures = {
            f"{of} {measure}": self.likeness.get(of, {}).get(measure)
            for of in ("content", "style")
            for measure in ("euclidean", "mahalanobis", "ssim")
        }
        who = {"pair": self.pair, "painter": self.painter, "device": self.device}
        return {**who, **times, "loss": self.loss, **figures, "error": self.error}

    def panel(self, folder: Path) -> sheets.Panel:
        """Its place on the sheet."""
        if self.times is None:
            return sheets.Panel(f"{self.painter}: failed", self.error)
        label = f"{self.painter}: {self.times.seconds:.1f} s, {self.times.seconds_of}"
        return sheets.Panel(label, painting_file(folder, self.painter))


class Measures:
    """The figures of whatever was made of one pair.

    Args:
        network: float32, with the layers of :class:`metrics.Likeness`.
    """

    def __init__(self, content: Loaded, style: Loaded, size: int, network: vgg.VGG16) -> None:
        self._grey = content.grey
        self._alpha = resized(content.rgba, size)[3:]
        seen, seen_style = self._seen(content.rgba), self._in_grey(style.rgba[:3])
        self._judge = Judge(seen, seen_style, size)
        self._likeness = metrics.Likeness(seen[None] * 255, [seen_style[None] * 255], network)

    def __call__(self, delivered: Path) -> tuple[float, dict[str, dict[str, float]]]:
        """The loss in neural-style's objective, and the likeness."""
        picture = self._seen(files.load(delivered).rgba).mul(255).round()
        return self._judge.delivered(picture), self._likeness(picture[None])

    def _seen(self, rgba: Tensor) -> Tensor:
        """3×H×W, 0 to 1, at the size worked at: with the content's holes filled, and in grey if that is grey."""
        height, width = self._alpha.shape[-2:]
        rgb = files.resize(rgba[:3], width, height).clamp(0, 1)
        return self._in_grey(files.fill_transparent(torch.cat([rgb, self._alpha])))

    def _in_grey(self, rgb: Tensor) -> Tensor:
        return files.luma(rgb).expand(3, -1, -1) if self._grey else rgb


class Bench:
    """Paints and measures pair by pair, in a folder with a folder for each."""

    def __init__(self, folder: Path, painters: Sequence[Painter], size: int, resume: bool) -> None:
        self._folder, self._painters, self._size, self._resume = folder, painters, size, resume
        self._network = vgg.VGG16(metrics.LAYERS)

    def run(self, pair: Pair, content: Path, style: Path) -> list[Painting]:
        """Every painter's painting of a pair, and the sheet."""
        folder = self._folder / pair.name
        folder.mkdir(parents=True, exist_ok=True)
        prepared, prepared_style = pair.prepare(files.load(content), self._size), files.load(style)
        if pair.style_size is not None:
            prepared_style = plain(prepared_style, pair.style_size)
        inputs = (folder / "content.png", folder / "style.png")
        labels = []
        for name, picture, file in zip((pair.content, pair.style), (prepared, prepared_style), inputs):
            # 8 bits and sRGB for all, so that nobody's reading of depths and profiles is measured.
            files.save(picture.rgba, file, dataclasses.replace(picture, deep=False, profile=None))
            labels.append(f"{name}, {picture.rgba.shape[-1]} x {picture.rgba.shape[-2]}")
        measures = Measures(files.load(inputs[0]), files.load(inputs[1]), self._size, self._network)
        paintings = [self._painting(pair, painter, inputs, measures) for painter in self._painters]
        sheet = sheets.sheet(
            sheets.Panel(labels[0], inputs[0]),
            sheets.Panel(labels[1], inputs[1]),
            [painting.panel(folder) for painting in paintings],
            self._size,
        )
        sheet.save(self._folder / f"{pair.name}.jpg", quality=90)
        return paintings

    def _painting(self, pair: Pair, painter: Painter, inputs: tuple[Path, Path], measures: Measures) -> Painting:
        blank = Painting(pair.name, painter.name, painter.device)
        output = painting_file(inputs[0].parent, painter.name)
        progress = Progress(f"{pair.name}, {painter.name}")
        try:
            times = self._times(painter, inputs, output, progress)
            loss, likeness = measures(output)
        except (PeerError, Refusal, RuntimeError, OSError) as error:
            progress.end(f"failed: {error}")
            return dataclasses.replace(blank, error=str(error))
        progress.end(f"{times.seconds:.1f} s, {times.seconds_of}; loss {loss:.4g}")
        return dataclasses.replace(blank, times=times, loss=loss, likeness=likeness)

    def _times(self, painter: Painter, inputs: tuple[Path, Path], output: Path, report: Report) -> Times:
        """Paint, unless an earlier run did; the picture gets its name when all of it is there."""
        note = output.with_suffix(".json")
        made_of = [hashlib.sha256(file.read_bytes()).hexdigest() for file in inputs]
        made = {"version": painter.version, "device": painter.device, "made_of": made_of}
        if self._resume and output.is_file() and note.is_file():
            noted = json.loads(note.read_text(encoding="utf-8"))
            if noted["made"] == made:
                return Times(**noted["times"])
        output.unlink(missing_ok=True)
        unfinished = output.with_name("unfinished.png")
        unfinished.unlink(missing_ok=True)
        times = painter.paint(*inputs, unfinished, report)
        note.write_text(json.dumps({"made": made, "times": dataclasses.asdict(times)}, indent=1), encoding="utf-8")
        unfinished.replace(output)
        return times


class Progress:
    """Lines on the terminal, at most one in :data:`QUIET` seconds."""

    def __init__(self, subject: str) -> None:
        self._subject, self._start, self._said = subject, time.perf_counter(), -math.inf

    def __call__(self, words: str) -> None:
        if (now := time.perf_counter()) - self._said > QUIET:
            self._said = now
            print(f"{self._subject}: {words}, {now - self._start:.0f} s", flush=True)

    def end(self, words: str) -> None:
        print(f"{self._subject}: {words}", flush=True)


def painting_file(folder: Path, painter: str) -> Path:
    return folder / f"{painter.replace(', ', '-').replace(' ', '-')}.png"


def resized(rgba: Tensor, long_side: int) -> Tensor:
    """4×H×W, 0 to 1."""
    width, height = files.fit(rgba.shape[-1], rgba.shape[-2], long_side)
    return files.resize(rgba, width, height).clamp(0, 1)


def find(name: str, folders: Iterable[Path]) -> Path | None:
    """The first picture of that name, whatever its suffix."""
    candidates = (folder / f"{name}{suffix}" for folder in folders for suffix in SUFFIXES)
    return next((file for file in candidates if file.is_file()), None)


def write_tables(folder: Path, conditions: Mapping[str, object], paintings: Sequence[Painting]) -> None:
    """The same figures for programs, for a spreadsheet and for a page."""
    rows = [painting.row() for painting in paintings]
    (folder / "table.json").write_text(json.dumps({**conditions, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    columns = [name for name in rows[0] if name != "device"]
    lines = [", ".join(f"{name} {value}" for name, value in conditions.items()) + ".", ""]
    lines += [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(cell(name, row[name]) for name in columns)} |" for row in rows]
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def cell(name: str, value: object) -> str:
    """A figure with as many digits as mean something; of an error the last line."""
    if isinstance(value, float):
        return f"{value:.1f}" if "seconds" in name else f"{value:.4g}"
    return "" if value is None else (str(value).strip().splitlines() or [""])[-1].replace("|", "/")


def main() -> int:
    """Paint all pairs; a painter that fails does not end the run."""
    options = arguments()
    devices.use_threads()
    try:
        device = devices.choose(options.device)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    engine = Engine(device, options.size)
    painters = [engine.painter(quality) for quality in QUALITIES]
    theirs = devices.available()[peers.device_for(device.kind)]
    for name in options.peers:
        painters.append(peers_painter(PEERS[name], options.peers_from, theirs, options.size, options.iterations))
    conditions = {
        "date": time.strftime("%Y-%m-%d"),
        "version": __version__,
        "torch": torch.__version__,
        "device": device.name,
        "precision": str(device.dtype).removeprefix("torch."),
        "size": options.size,
    }
    folders = (*options.contents, *BUNDLED)
    bench = Bench(options.out, painters, options.size, options.resume)
    paintings: list[Painting] = []
    for pair in options.pairs:
        content, style = find(pair.content, folders), find(pair.style, folders)
        if content is None or style is None:
            print(f"{pair.name}: left out, there is no {pair.style if content else pair.content}", flush=True)
            continue
        paintings += bench.run(pair, content, style)
        write_tables(options.out, conditions, paintings)
    print(options.out)
    return 0


def arguments() -> argparse.Namespace:
    """What the command line asks for, ``pairs`` as :class:`Pair` and ``peers`` as names."""
    names = [pair.name for pair in PAIRS]
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.pictures", description="Pictures side by side.")
    parser.add_argument("--out", type=Path, default=paths.cache_folder() / "bench", metavar="DIR")
    parser.add_argument(
        "--contents",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="DIR",
        help="folders with more pictures",
    )
    parser.add_argument("--size", type=int, default=512, metavar="N", help="long side that is painted at, in pixels")
    parser.add_argument("--pairs", default=",".join(names), metavar="A,B", help=", ".join(names))
    parser.add_argument("--peers", default=",".join(PEERS), metavar="A,B", help=f"{', '.join(PEERS)}; '' for none")
    parser.add_argument("--peers-from", type=Path, metavar="DIR", help="a folder that has the peers already")
    parser.add_argument("--iterations", type=int, default=1000, metavar="N", help="of the peers; 1000 is their default")
    parser.add_argument("--device", default="auto", metavar="KIND", help="auto, cpu, cuda, mps or xpu")
    parser.add_argument("--resume", action="store_true", help="keep the paintings that are there already")
    options = parser.parse_args()
    wanted, options.peers = ([part for part in text.split(",") if part] for text in (options.pairs, options.peers))
    for name in {*wanted} - {*names} | {*options.peers} - {*PEERS}:
        parser.error(f"there is no {name}; the pairs are {', '.join(names)}, the peers {', '.join(PEERS)}")
    options.pairs = [pair for pair in PAIRS if pair.name in wanted]
    return options


if __name__ == "__main__":
    sys.exit(main())
