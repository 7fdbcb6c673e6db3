"""How much sooner ``--quality gatys`` is where neural-style arrives, in one run on one machine.

    python3 -m tests.bench.against_neural_style [--content FILE --style FILE] [--size 512] [--iterations 1000]

Run it with the engine's interpreter. It installs neural-style (PyPI) into the cache folder and gives it the same
VGG-16, the same pictures at the same size and its own defaults. What it delivers is an 8-bit picture; the loss of that
picture, in float32 with neural-style's own objective, is the goal. Then the engine paints the same, and the first of
its pictures, cut to 8 bits like the other, whose loss is as low gives the time. Both times are of the iterations
alone, without loading.

Fewer ``--iterations`` than 1000 give a goal that is easier for both; the report says how many they were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

import plugin.engine  # noqa: F401  before torch: it says how threads wait
from plugin import locations
from plugin.engine import devices, pictures, recipe, vgg
from plugin.engine.objective import Objective
from plugin.engine.statistics import Moments
from plugin.engine.transfer import Step, StyleTransfer, Task
from plugin.settings import Settings

PEER = "neural-style==0.5.7"
PLUGIN = locations.PLUG_IN_ROOT / "plugin"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench.against_neural_style")
    parser.add_argument("--content", type=Path, default=PLUGIN / "samples" / "chelsea.jpg")
    parser.add_argument("--style", type=Path, default=PLUGIN / "styles" / "van_gogh_village_street_in_auvers.jpg")
    parser.add_argument("--size", type=int, default=512, help="long side in pixels")
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--delivered", type=Path, help="a picture that neural-style made before, instead of a run")
    options = parser.parse_args()
    devices.use_threads()
    device = devices.choose("auto")
    task = Task(
        content=pictures.load(options.content).rgba,
        style=pictures.load(options.style).rgba,
        style_key="bench",
        settings=Settings(quality="gatys", size=options.size),
    )
    with tempfile.TemporaryDirectory() as folder:
        delivered = Path(folder) / "delivered.png"
        seconds = run_peer(options, delivered)
        goal = Judge(task).loss(pictures.load(options.delivered or delivered).rgba[:3] * 255)
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "device": device.name,
        "precision": str(device.dtype),
        "pair": f"{options.content.name} x {options.style.name}",
        "size": options.size,
        "peer": PEER,
        "peer_iterations": options.iterations,
        "peer_seconds": round(seconds, 1),
        "goal": "of a picture given" if options.delivered else "of this run",
        "goal_loss": goal,
        **ours(task, device, goal),
    }
    if reached := report.get("seconds"):
        report["times_faster"] = round(seconds / float(str(reached)), 1)
    print(json.dumps(report, indent=1))


def run_peer(options: argparse.Namespace, output: Path) -> float:
    """Let neural-style paint, and return the seconds of its iterations."""
    place = locations.cache_folder() / "peers"
    if not (place / "neural_style").is_dir():
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), PEER]
        subprocess.run(install, check=True)
    weights = {name: values.float() for name, values in vgg.load_weights().items()}
    weights["features.0.weight"] = weights["features.0.weight"].flip(1)  # neural-style paints in BGR
    model = output.with_name("vgg16.pth")
    torch.save(weights, model)
    script = f"import sys; sys.path.insert(0, {str(place)!r}); from neural_style import neural_style as n; n.main()"
    arguments = {
        "content_image": options.content,
        "style_image": options.style,
        "image_size": options.size,
        "model_file": model,
        "gpu": 0 if torch.cuda.is_available() else "c",
        "num_iterations": options.iterations,
        "save_iter": 0,
        "print_iter": 1,
        "seed": 0,
        "output_image": output,
    }
    flags = [part for name, value in arguments.items() for part in (f"-{name}", str(value))]
    command = [sys.executable, "-u", "-c", script, *flags, "-disable_check"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    begun = ended = 0.0
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Running optimization"):
            begun = time.perf_counter()
        elif line.startswith("Iteration "):
            ended = time.perf_counter()
    if process.wait() != 0 or not output.exists():
        raise SystemExit("neural-style failed:\n" + "".join(said[-20:]))
    return ended - begun


class Judge:
    """neural-style's own objective, in float32, of pictures at the last scale."""

    def __init__(self, task: Task) -> None:
        chosen = recipe.of(task.settings)
        network = vgg.VGG16((*chosen.weights.style, recipe.CONTENT_LAYER), border=chosen.border)
        content, style = (sized(picture, task.settings.size) for picture in (task.content, task.style))
        features = network.features(style)
        measures = {layer: chosen.measure(Moments.of(features[layer])) for layer in chosen.weights.style}
        self._objective = Objective(network, recipe.CONTENT_LAYER, content, measures, chosen.weights)
        self._size = content.shape[-2:]

    def loss(self, picture: Tensor) -> float:
        """Of 3×H×W, 0–255, cut to 8 bits."""
        height, width = self._size
        return float(self._objective(pictures.resize(picture, width, height)[None].round().clamp(0, 255)).total)


def sized(picture: Tensor, long_side: int) -> Tensor:
    """1×3×H×W, 0–255."""
    width, height = pictures.fit(picture.shape[-1], picture.shape[-2], long_side)
    return pictures.resize(picture[:3], width, height).clamp(0, 1)[None] * 255


def ours(task: Task, device: devices.Device, goal: float) -> dict[str, object]:
    """Paint, and look afterwards which picture was the first to reach the goal."""
    transfer = StyleTransfer(device)
    transfer.paint(Task(task.content, task.style, task.style_key, Settings(quality="gatys", size=128)))  # warm
    snapshots: list[tuple[Step, Tensor]] = []

    def keep(step: Step) -> None:
        if step.scale == step.scales:
            snapshots.append((step, step.preview(task.settings.size)[:3] * 255))

    transfer.paint(task, keep)
    judge = Judge(task)
    for step, picture in snapshots:
        loss = judge.loss(picture)
        if loss <= goal:
            return {"seconds": round(step.seconds, 2), "iteration": step.iteration, "loss": loss}
    return {"seconds": None, "loss": loss}


if __name__ == "__main__":
    main()
