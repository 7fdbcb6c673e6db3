"""How much sooner ``--quality gatys`` is where neural-style arrives, in one run on one machine.

    python3 -m tests.bench.against_neural_style [--content FILE --style FILE] [--size 512] [--iterations 1000]

Run it with the engine's interpreter. neural-style comes from where ``peers.py`` says and gets the same VGG-16, the same
pictures at the same size and its own defaults. What it delivers is an 8-bit picture; the loss of that picture, in
float32 with neural-style's own objective, is the goal. Then the engine paints the same, and the first of its pictures,
cut to 8 bits like the other, whose loss is as low gives the time. Both times are of the iterations alone, without
loading.

Fewer ``--iterations`` than 1000 give a goal that is easier for both; the report says how many they were.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from torch import Tensor

from plugin import locations
from plugin.engine import devices, pictures
from plugin.engine.canvas import Style
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.settings import Settings
from tests.bench import peers

PLUGIN = locations.PLUG_IN_ROOT / "plugin"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.against_neural_style")
    parser.add_argument("--content", type=Path, default=PLUGIN / "samples" / "chelsea.jpg")
    parser.add_argument("--style", type=Path, default=PLUGIN / "styles" / "van_gogh_village_street_in_auvers.jpg")
    parser.add_argument("--size", type=int, default=512, help="long side in pixels")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--delivered", type=Path, help="a picture that neural-style made before, instead of a run")
    parser.add_argument("--peers-from", type=Path, metavar="DIR", help="a folder that has neural-style already")
    options = parser.parse_args()
    devices.use_threads()
    device = devices.choose("auto")
    task = Task(
        content=pictures.load(options.content).rgba,
        styles=[Style(pictures.load(options.style).rgba, "bench")],
        settings=Settings(quality="gatys", size=options.size),
    )
    judge = peers.Judge(task.content, task.styles[0].picture, options.size)
    with tempfile.TemporaryDirectory() as folder:
        delivered = Path(folder) / "delivered.png"
        kind = peers.device_for(device.kind)
        job = peers.Job(options.content, options.style, delivered, options.size, options.iterations, kind)
        try:
            seconds = peers.NEURAL_STYLE.run(job, peers.NEURAL_STYLE.find(options.peers_from)).iterations
        except peers.PeerError as error:
            raise SystemExit(str(error)) from error
        goal = judge.loss(pictures.load(options.delivered or delivered).rgba[:3] * 255)
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "device": device.name,
        "precision": str(device.dtype),
        "pair": f"{options.content.name} x {options.style.name}",
        "size": options.size,
        "peer": peers.NEURAL_STYLE.requirement,
        "peer_iterations": options.iterations,
        "peer_seconds": round(seconds, 1),
        "goal": "of a picture given" if options.delivered else "of this run",
        "goal_loss": goal,
        **ours(task, device, judge, goal),
    }
    if reached := report.get("seconds"):
        report["times_faster"] = round(seconds / float(str(reached)), 1)
    print(json.dumps(report, indent=1))


def ours(task: Task, device: devices.Device, judge: peers.Judge, goal: float) -> dict[str, object]:
    """Paint, and look afterwards which picture was the first to reach the goal."""
    transfer = StyleTransfer(device)
    transfer.paint(Task(task.content, task.styles, Settings(quality="gatys", size=128)))  # warm
    snapshots: list[tuple[Step, Tensor]] = []

    def keep(step: Step) -> None:
        if step.scale == step.scales:
            snapshots.append((step, step.preview(task.settings.size)[:3] * 255))

    transfer.paint(task, keep)
    for step, picture in snapshots:
        loss = judge.loss(picture)
        if loss <= goal:
            return {"seconds": round(step.seconds, 2), "iteration": step.iteration, "loss": loss}
    return {"seconds": None, "loss": loss}


if __name__ == "__main__":
    main()
