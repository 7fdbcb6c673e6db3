"""``python3 -m plugin bench``: that its numbers fit together. How large they are is the computer's affair."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from plugin import locations
from plugin.engine import bench, devices, plot


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    tiny = ["--device", "cpu", "--precision", "float32", "--repeats", "1", "--losses-size", "32"]
    return subprocess.run(
        [sys.executable, "-m", "plugin", "bench", *tiny, *arguments],
        capture_output=True,
        text=True,
        cwd=locations.PLUG_IN_ROOT,
        timeout=300,
    )


def test_it_measures_steps_beside_what_limits_them(tmp_path: Path) -> None:
    done = run("--sizes", "48,120", "--tile", "20", "-o", str(tmp_path / "bench"))
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "bench" / "bench.json").read_text())

    assert set(told["hardware"]) >= {"device", "cpu", "cores", "torch", "precisions"}
    assert told["hardware"]["precisions"] == ["float32"]
    assert told["copy_rate"] > 0
    rate = told["matrix_rates"]["float32"]
    assert rate > 0

    steps = told["steps"]
    cases = [(step["size"], step["quality"], step["style_measure"], step["tile"]) for step in steps]
    whole = [(size, *step, None) for size in (48, 120) for step in bench.STEPS]
    assert cases == [*whole, (120, "normal", "wasserstein", 20)]
    layers = {entry["size"]: entry["layers"] for entry in told["convolutions"]}
    for step in steps:
        seen = layers[step["size"]][: 11 if step["quality"] == "gatys" else 9]
        assert seen[-1]["layer"] == ("relu5_1" if step["quality"] == "gatys" else "relu4_2")
        assert step["convolutions_seconds"] == pytest.approx(sum(each["forward"] + each["backward"] for each in seen))
        assert step["flops"] == 2 * sum(each["flops"] for each in seen)
        assert 0 < step["lower_quartile"] <= step["seconds"] <= step["upper_quartile"]
        assert step["over_convolutions"] == pytest.approx(step["seconds"] / step["convolutions_seconds"])
        assert step["of_limit"] == pytest.approx(step["flops"] / rate / step["seconds"])
    assert layers[48][0]["flops"] == 2 * 9 * 3 * 64 * 48 * 32
    by_case = dict(zip(cases, steps))
    tiled, untiled = by_case[120, "normal", "wasserstein", 20], by_case[120, "normal", "wasserstein", None]
    assert tiled["over_whole"] == pytest.approx(tiled["seconds"] / untiled["seconds"])

    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    printed = [row[:3] for row in rows]
    for step in steps:
        assert printed.count([f"{step['width']} × {step['height']}", "float32", step["name"]]) == 1
    assert bench.PEERS in done.stdout.splitlines()[-1]

    for quality in ("gatys", "normal"):
        losses = told["losses"][quality]
        assert losses["seconds"] == sorted(losses["seconds"])
        assert len(losses["total"]) == len(losses["seconds"])
        assert losses["total"][-1] < losses["total"][0]
    for name in ("steps.png", "losses.png"):
        with Image.open(tmp_path / "bench" / name) as chart:
            assert chart.size == (plot.WIDTH, plot.HEIGHT)


def test_memory_counts_what_a_picture_takes_and_not_the_engine() -> None:
    grown = bench.main_memory(devices.choose("cpu", "float32"), bench.Case(192, "normal", "wasserstein"))
    first_feature_map = 192 * 128 * 64 * 4
    assert first_feature_map < grown < 100 * first_feature_map


def test_a_size_that_the_network_cannot_see_is_refused() -> None:
    done = run("--sizes", "256,8")
    assert done.returncode == 1
    assert done.stderr.strip() == "8 pixels are too few; choose sizes of at least 32."
