"""Other programs with Gatys' method, each in its own process: neural-style.

They come from PyPI into a folder of their own in the cache folder and run on the engine's torch. Where there is no
internet, the variable ``NEURAL_STYLE_PEERS_FROM`` names a folder that has them already; elsewhere this makes one:

    python3 -m pip install --no-deps --target FOLDER neural-style==0.5.7
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from plugin.engine.refusal import Refusal
from plugin.engine.transfer import vgg
from plugin.shared import paths

PEERS_FROM = "NEURAL_STYLE_PEERS_FROM"
"""The environment variable that names a folder with the peers."""


class PeerError(Refusal):
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
class Point:
    """``loss`` as a peer has printed it after so many iterations, ``seconds`` after the first one began."""

    iteration: int
    seconds: float
    loss: float | None


@dataclass(frozen=True)
class Painted:
    """``seconds`` is the time of the iterations alone, ``command`` that of the whole process."""

    seconds: float
    command: float
    points: Sequence[Point]


@dataclass(frozen=True)
class Peer:
    """A program on PyPI; ``module`` is what ``python3 -m`` runs, ``paint`` is :func:`_neural_style` or its like."""

    name: str
    version: str
    module: str
    paint: Callable[[Job, Run], Painted]

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    def installed(self, given: Path | None = None) -> Path | None:
        """The folder to import it from, the given one or that of the variable or of the cache; None where it is not.

        Raises:
            PeerError: it is not in a folder that was given or named by the variable.
        """
        package = self.module.partition(".")[0]
        given = given or (Path(os.environ[PEERS_FROM]) if os.environ.get(PEERS_FROM) else None)
        if given is not None:
            if not (given / package).is_dir():
                raise PeerError(f"{given} has no {package}; install {self.requirement} into it.")
            return given.resolve()
        return _own_folder() if (_own_folder() / f"{package}-{self.version}.dist-info").is_dir() else None

    def find(self, given: Path | None = None) -> Path:
        """As :meth:`installed`; into the cache folder it is installed if need be.

        Raises:
            PeerError: it is not in the given folder, or cannot be installed.
        """
        if (folder := self.installed(given)) is None:
            folder = _own_folder()
            install = ["-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
            done = subprocess.run(
                [sys.executable, *install, self.requirement], capture_output=True, text=True, errors="replace"
            )
            if done.returncode != 0:
                raise PeerError(f"{self.requirement} cannot be installed: {done.stderr.strip()}")
        return folder

    def run(self, job: Job, packages: Path, on_iteration: Callable[[int], None] = lambda iteration: None) -> Painted:
        """Let it paint.

        Args:
            packages: what :meth:`find` returned.
            on_iteration: called with the number of each iteration that the peer reports.

        Raises:
            PeerError: it failed or wrote no picture.
        """
        with tempfile.TemporaryDirectory() as folder:
            painted = self.paint(job, Run(self, packages, Path(folder), on_iteration))
        if not job.output.is_file():
            raise PeerError(f"{self.name} ended without a word and without a picture.")
        return painted


class Listener:
    """Makes out of what a peer prints when it began and how far it was at what time.

    Args:
        begins: the pattern of the line that it prints just before the first iteration.
        iterates: the pattern of the line that it prints after an iteration; its group is the number.
        losses: the pattern of the line that it prints after that, if it does; its group is the loss.
    """

    def __init__(self, begins: str, iterates: str, losses: str | None = None) -> None:
        self._begins, self._iterates, self._losses = begins, iterates, losses
        self._begun = self._iteration = 0.0
        self.points: list[Point] = []

    def hear(self, line: str, now: float) -> int | None:
        """Take a line that was printed at a time in seconds; the iteration that is over with it, if one is."""
        if re.match(self._begins, line):
            self._begun = now
        elif found := re.match(self._iterates, line):
            self._iteration = int(found[1])
            return None if self._losses else self._over(now, None)
        elif self._losses and (found := re.match(self._losses, line)):
            return self._over(now, float(found[1]))
        return None

    def _over(self, now: float, loss: float | None) -> int:
        self.points.append(Point(int(self._iteration), now - self._begun, loss))
        return self.points[-1].iteration


@dataclass(frozen=True)
class Run:
    """One run of a peer, in a folder of its own."""

    peer: Peer
    packages: Path
    folder: Path
    on_iteration: Callable[[int], None]

    def follow(self, flags: Mapping[str, str | Path | int | None], listener: Listener) -> Painted:
        """Start the peer with flags by name, None for one without a value, and read what it prints."""
        command = [sys.executable, "-u", "-m", self.peer.module]
        for name, value in flags.items():
            command += [name] if value is None else [name, str(value)]
        variables = dict(os.environ)
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(self.packages), os.environ.get("PYTHONPATH")]))
        # The engine's own, not what a peer has by itself.
        for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
            variables.pop(name, None)
        start = time.perf_counter()
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
                    if (iteration := listener.hear(line, time.perf_counter())) is not None:
                        self.on_iteration(iteration)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            raise PeerError(f"{self.peer.name} ended with status {process.returncode}:\n{''.join(said)}")
        if not listener.points:
            raise PeerError(f"{self.peer.name} told nothing of its iterations:\n{''.join(said)}")
        return Painted(listener.points[-1].seconds, time.perf_counter() - start, listener.points)


def neural_style_listener() -> Listener:
    """For what neural-style prints."""
    return Listener(r"Running optimization", r"Iteration (\d+) /", r" *Total loss: (\S+)")


def _neural_style(job: Job, run: Run) -> Painted:
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
        "-print_iter": math.gcd(job.iterations, 10),  # oftener than by default, and the last iteration is among them
        "-save_iter": 0,
        "-seed": 0,
    }
    if job.device == "cuda":
        flags["-backend"] = "cudnn"  # without it, as by default, it does without cuDNN and takes several times as long
    return run.follow(flags, neural_style_listener())


def _own_folder() -> Path:
    return paths.cache_folder() / "peers"


NEURAL_STYLE = Peer("neural-style", "0.5.7", "neural_style.neural_style", _neural_style)
