"""The command: what is measured in which order, and where it goes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from plugin import __version__
from plugin.engine import cli, pictures
from plugin.engine.bench import losses, pixels, races, rates, steps, timing
from plugin.engine.bench.peers import NEURAL_STYLE
from plugin.engine.bench.races import Races
from plugin.engine.bench.telling import say
from plugin.engine.machine import devices
from plugin.engine.machine.devices import Device
from plugin.engine.refusal import Refusal
from plugin.engine.transfer import tiles
from plugin.shared.i18n import _

_WITH_PEERS = "--peers measures besides how much sooner it is where neural-style arrives."


@dataclass(frozen=True)
class Bench:
    """Everything that one run has measured; rates are per second, in floating point operations and in bytes."""

    hardware: Mapping[str, Any]
    matrix_rates: Mapping[str, float]
    copy_rate: float
    pixels: Sequence[Mapping[str, Any]]
    steps: steps.Measured
    peers: Races | None

    def to_json(self) -> dict[str, Any]:
        told = {
            "hardware": self.hardware,
            "matrix_rates": self.matrix_rates,
            "copy_rate": self.copy_rate,
            **asdict(self.steps),
            "pixels": self.pixels,
            "peers": self.peers and self.peers.to_json(),
        }
        return {"version": __version__, "date": time.strftime("%Y-%m-%d"), **told}

    def markdown(self) -> str:
        """The tables, and what they were measured on."""
        return f"{self.own_markdown()}\n\n{self.peers_markdown()}"

    def own_markdown(self) -> str:
        """All of it but the peers."""
        on = self.hardware
        parts = [
            f"Neural Style {__version__} on {on['device']} ({on['kind']}); {on['cores']} cores of {on['cpu']}; torch "
            f"{on['torch']}; {time.strftime('%Y-%m-%d')}",
            rates.markdown(self.matrix_rates, self.copy_rate),
            self.steps.markdown(),
            pixels.markdown(self.pixels),
        ]
        return "\n\n".join(parts)

    def peers_markdown(self) -> str:
        """Their table, or how to have one."""
        return self.peers.markdown() if self.peers else _WITH_PEERS


def run(options: argparse.Namespace) -> int:
    """Measure what ``options`` says and return the exit status."""
    return cli.exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    devices.use_threads()
    device = devices.choose(options.device, options.precision)
    peer_size = options.peer_size or options.sizes[0]
    smallest = min(*options.sizes, options.losses_size, peer_size)
    for size, least in ((smallest, pictures.SMALLEST_SIDE), (options.tile, tiles.SMALLEST_SIDE)):
        if size < least:
            sentence = _("{size} pixels are too few; choose sizes of at least {least}.")
            raise Refusal(sentence.format(size=size, least=least))
    # Before the work, not after it.
    if options.memory and device.kind == "cpu" and timing.peak() is None:
        raise Refusal(_("This system does not say how much memory a process takes; leave --memory out."))
    packages = _packages(options.peers)
    pairs = options.peer_pair or races.PAIRS
    for path in (path for pair in pairs for path in pair if packages):
        pictures.load(path)
    if options.output:
        _make(options.output)
    bench, failure = _measured(options, device), None
    print(f"{bench.own_markdown()}\n", flush=True)
    if packages:
        if options.output:
            _write(bench, options.output, None)  # what follows may take hours
        told, failure = races.run(device, pairs, peer_size, options.peer_iterations, packages)
        bench = dataclasses.replace(bench, peers=told if told.races else None)
    print(bench.peers_markdown())
    if options.output:
        _write(bench, options.output, None if bench.peers else losses.measure(device, options.losses_size))
        say(f"{options.output}: {', '.join(sorted(path.name for path in options.output.iterdir()))}")
    if failure is not None:
        raise failure


def _packages(wanted: bool | None) -> Path | None:
    """Where the peers are; None where they are not to be measured. Without a word about them: if they are there."""
    if wanted is False:
        return None
    return NEURAL_STYLE.find() if wanted else NEURAL_STYLE.installed()


def _measured(options: argparse.Namespace, device: Device) -> Bench:
    """All but the peers."""
    # float32 is what other programs use; bfloat16 besides where it is the device's own choice or asked for.
    precisions = {rates.name(dtype): dtype for dtype in (torch.float32, device.dtype)}
    matrix_rates = rates.matrix_rates(device, precisions, options.repeats)
    copies = rates.copy_rate(device, options.repeats)
    # Before the steps, which would leave it less memory.
    costs = pixels.measure(device, options.megapixels, options.repeats)
    measured = steps.measure(options, device, precisions, matrix_rates)
    return Bench(rates.hardware(device, list(precisions)), matrix_rates, copies, costs, measured, None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        sentence = _("“{name}” cannot be made ({error}); choose another folder.")
        raise Refusal(sentence.format(name=folder, error=error.strerror)) from error


def _write(bench: Bench, folder: Path, own_losses: Mapping[str, Any] | None) -> None:
    """The same for programs and for a page, and the charts, that of losses if the peers' or the own ones are known."""
    told = bench.to_json() | ({"losses": own_losses} if own_losses else {})
    device = bench.hardware["device"]
    try:
        (folder / "bench.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (folder / "bench.md").write_text(bench.markdown() + "\n", encoding="utf-8")
        if bench.pixels:
            pixels.chart(bench.pixels, device).save(folder / "pixels.png")
        if bench.peers:
            bench.peers.chart().save(folder / "losses.png")
        elif own_losses:
            losses.chart(own_losses, device).save(folder / "losses.png")
    except OSError as error:
        sentence = _("“{name}” cannot be written ({error}); choose another folder.")
        raise Refusal(sentence.format(name=folder, error=error.strerror)) from error
