"""The same pictures on every processor: with instructions hidden from oneDNN, on one core, in either number format."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from plugin.engine.machine import devices
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task
from plugin.engine.transfer.vgg import VGG16
from plugin.shared.settings import Settings
from tests.gimp_root import REPOSITORY

from .samples import PHOTO, STYLE, pixels, rgba

OTHERS = [
    {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"},
    {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
]

WORST = {"float32": 5e-6, "bfloat16": 0.01}
"""How far a layer's feature maps may be from those in double precision. In bfloat16 a feature has 8 bits."""

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_2")


def errors() -> dict[str, dict[str, float]]:
    """How far the feature maps of this processor are from those in double precision, by number format and layer."""
    image = pixels(PHOTO, 96)
    exact = VGG16(LAYERS, dtype=torch.float64).features(image.double())
    found = {name: VGG16(LAYERS, dtype=getattr(torch, name)).features(image) for name in WORST}
    return {
        name: {layer: float((x.double() - exact[layer]).norm() / exact[layer].norm()) for layer, x in features.items()}
        for name, features in found.items()
    }


@pytest.mark.parametrize("variables", OTHERS, ids=lambda variables: next(iter(variables.values())))
def test_another_processor_sees_the_same(variables: dict[str, str]) -> None:
    code = (
        "import json, torch\n"
        "from tests.engine.test_processors import errors\n"
        "from plugin.engine.machine import devices\n"
        "devices.use_threads()\n"
        "print(json.dumps([str(devices.choose('cpu').dtype), torch.get_num_threads(), errors()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=dict(os.environ) | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    usual, threads, found = json.loads(done.stdout)
    if "ONEDNN_MAX_CPU_ISA" in variables:
        assert usual == "torch.float32"  # what is hidden is not asked for by default, either
    else:
        assert threads == 1
    for name, worst in WORST.items():
        assert max(found[name].values()) < worst, found
        assert set(found[name]) == set(LAYERS)


@pytest.mark.parametrize("measure", ["euclidean", "mahalanobis", "wasserstein"])
def test_either_number_format_paints_the_same_picture(measure: str) -> None:
    settings = Settings(quality="draft", size=96, iterations=8, style_measure=measure, device="cpu")
    task = Task(rgba(PHOTO, 96), [Style(rgba(STYLE, 96), "style")], settings)
    painted, losses = [], []
    for name in WORST:
        steps: list[Step] = []
        painted.append(StyleTransfer(devices.choose("cpu", name)).paint(task, steps.append))
        losses.append(steps[-1].losses()["total"] / steps[0].losses()["total"])
    assert losses[0] < 0.9
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    photo = task.content
    assert float((painted[0] - painted[1]).abs().mean()) < 0.35 * float((painted[0] - photo).abs().mean())
