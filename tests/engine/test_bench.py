"""``python3 -m plugin bench``: that its numbers fit together. How large they are is the computer's affair."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from torch import Tensor

from plugin.__main__ import main
from plugin.engine import plot
from plugin.engine.bench import peers, pixels, races, steps, subject
from plugin.engine.bench.judge import Judge
from plugin.engine.bench.peers import Painted, PeerError
from plugin.engine.bench.subject import Case
from plugin.engine.machine import devices, memory
from plugin.engine.transfer import recipe, vgg
from plugin.engine.transfer.objective import Objective, StyleTerm
from plugin.engine.transfer.style_losses import Moments
from plugin.engine.transfer.transfer import Step, StyleTransfer
from plugin.shared import paths
from plugin.shared.settings import Settings
from tests.engine.samples import PHOTO, STYLE, rgba
from tests.engine.samples import pixels as pixels_of

RECORDED = Path(__file__).with_name("recorded") / "neural_style.txt"
"""What neural-style 0.5.7 printed in ten iterations on :data:`PHOTO` and :data:`STYLE` at 64 pixels."""

FIRST_LOSS = 198675424.0
"""In there, of the mean color of photographs, that it begins with."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """One run: what it wrote for programs, what it printed, and its folder."""
    folder = tmp_path_factory.mktemp("bench") / "out"
    tiny = ["--device", "cpu", "--precision", "float32", "--repeats", "1", "--losses-size", "32"]
    small = ["--sizes", "48,288", "--tile", "128", "--megapixels", "0.004,0.03", "--no-peers"]
    finished = subprocess.run(
        [sys.executable, "-m", "plugin", "bench", *tiny, *small, "-o", str(folder)],
        capture_output=True,
        text=True,
        cwd=paths.PLUG_IN_ROOT,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads((folder / "bench.json").read_text()), finished.stdout, folder


def test_it_measures_steps_beside_what_limits_them(done: tuple[dict[str, Any], str, Path]) -> None:
    told, printed, _ = done
    assert set(told["hardware"]) >= {"device", "cpu", "cores", "torch", "precisions"}
    assert told["hardware"]["precisions"] == ["float32"]
    assert told["copy_rate"] > 0
    rate = told["matrix_rates"]["float32"]
    assert rate > 0

    found = told["steps"]
    cases = [(step["size"], step["quality"], step["style_measure"], step["tile"]) for step in found]
    whole = [(size, *step, None) for size in (48, 288) for step in steps.STEPS]
    assert cases == [*whole, (288, "normal", "wasserstein", 128)]
    layers = {entry["size"]: entry["layers"] for entry in told["convolutions"]}
    for step in found:
        seen = layers[step["size"]][: 11 if step["quality"] == "gatys" else 9]
        assert seen[-1]["layer"] == ("relu5_1" if step["quality"] == "gatys" else "relu4_2")
        assert step["convolutions_seconds"] == pytest.approx(sum(each["forward"] + each["backward"] for each in seen))
        assert step["flops"] == 2 * sum(each["flops"] for each in seen)
        assert 0 < step["lower_quartile"] <= step["seconds"] <= step["upper_quartile"]
        assert step["over_convolutions"] == pytest.approx(step["seconds"] / step["convolutions_seconds"])
        assert step["of_limit"] == pytest.approx(step["flops"] / rate / step["seconds"])
        assert rows(printed).count([f"{step['width']} × {step['height']}", "float32", step["name"]]) == 1
    assert layers[48][0]["flops"] == 2 * 9 * 3 * 64 * 48 * 32
    by_case = dict(zip(cases, found))
    tiled, untiled = by_case[288, "normal", "wasserstein", 128], by_case[288, "normal", "wasserstein", None]
    assert tiled["over_whole"] == pytest.approx(tiled["seconds"] / untiled["seconds"])


def test_it_tells_what_a_pixel_costs(done: tuple[dict[str, Any], str, Path]) -> None:
    told, printed, _ = done
    small, large = told["pixels"]
    for entry, million in ((small, 0.004), (large, 0.03)):
        count = entry["width"] * entry["height"]
        assert count == pytest.approx(million * 1e6, rel=0.02)
        assert entry["tile"] is None
        assert entry["nanoseconds_per_pixel"] == pytest.approx(entry["seconds"] / count * 1e9)
        assert [f"{count / 1e6:.3g}", f"{entry['width']} × {entry['height']}", "float32"] in rows(printed)
    first_feature_map = large["width"] * large["height"] * 64 * 4
    assert first_feature_map < large["peak_bytes"] < 100 * first_feature_map


def test_what_takes_too_long_is_left_out_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    device = devices.choose("cpu", "float32")
    cost = pixels._Cost(steps.Timing(1.0, 1.0, 1.0, 3), None)
    monkeypatch.setattr(pixels, "_cost", lambda device, case, repeats: cost)
    monkeypatch.setattr(pixels, "_BEARABLE", 5.0)  # four steps of a second, and not of two
    assert [entry["width"] for entry in pixels.measure(device, None, 3)] == [pixels._long_side(0.25)]
    assert len(pixels.measure(device, pixels.MEGAPIXELS, 3)) == len(pixels.MEGAPIXELS)


def test_a_step_is_whole_or_in_tiles_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    device = devices.choose("cpu", "float32")
    monkeypatch.setattr(memory, "share", lambda device: 2.0)  # GiB
    cases = [subject.as_painted(size, *steps.STEPS[1], device) for size in (512, 6000)]
    assert [case.tile for case in cases] == [None, 288]
    cost = pixels._Cost(steps.Timing(1.0, 0.9, 1.1, 3), 2**30)
    whole, tiled = (pixels._entry(device, case, cost) for case in cases)
    assert "tiles of 288" in pixels.markdown([whole, tiled])
    charts = [pixels.chart([whole, {**tiled, "tile": tile}], "a device") for tile in (None, 288)]
    assert charts[0].tobytes() != charts[1].tobytes(), "where tiles begin is marked"


def test_without_peers_the_charts_are_of_the_engine_alone(done: tuple[dict[str, Any], str, Path]) -> None:
    told, printed, folder = done
    assert told["peers"] is None
    assert "--peers" in printed.splitlines()[-1]
    assert (folder / "bench.md").read_text() == printed
    for quality in ("gatys", "normal"):
        losses = told["losses"][quality]
        assert losses["seconds"] == sorted(losses["seconds"])
        assert len(losses["total"]) == len(losses["seconds"])
        assert losses["total"][-1] < losses["total"][0]
    for name in ("pixels.png", "losses.png"):
        with Image.open(folder / name) as chart:
            assert chart.size == (plot.WIDTH, plot.HEIGHT)


def rows(printed: str) -> list[list[str]]:
    """The first three cells of every row of the tables."""
    return [line.strip("| ").split(" | ")[:3] for line in printed.splitlines() if line.startswith("| ")]


def test_memory_counts_what_a_picture_takes_and_not_the_engine() -> None:
    grown = steps.main_memory(devices.choose("cpu", "float32"), Case(192, "normal", "wasserstein"))
    first_feature_map = 192 * 128 * 64 * 4
    assert grown is not None
    assert first_feature_map < grown < 25 * first_feature_map


def test_tiles_that_would_be_nothing_but_surroundings_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--no-peers", "--tile", "64"]) == 1
    assert capsys.readouterr().err.strip() == "64 pixels are too few; choose sizes of at least 128."


@pytest.mark.parametrize("options", [["--sizes", "256,8"], ["--losses-size", "8"], ["--peer-size", "8"]])
def test_a_size_that_the_network_cannot_see_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--no-peers", *options]) == 1
    assert capsys.readouterr().err.strip() == "8 pixels are too few; choose sizes of at least 32."


def test_peers_that_are_not_where_they_should_be_are_missed_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(peers.PEERS_FROM, str(tmp_path))
    assert main(["bench"]) == 1
    assert capsys.readouterr().err.strip() == f"{tmp_path} has no neural_style; install neural-style==0.5.7 into it."


def heard() -> tuple[Painted, list[int]]:
    """What is made out of the recorded output, a line each second, and the iterations that were told meanwhile."""
    listener = peers.neural_style_listener()
    lines = RECORDED.read_text().splitlines()
    told = [listener.hear(line, float(second)) for second, line in enumerate(lines)]
    points = listener.points
    return Painted(points[-1].seconds, float(len(lines)), points), [each for each in told if each is not None]


def test_neural_styles_losses_are_read_with_the_time_since_its_first_iteration() -> None:
    painted, told = heard()
    assert told == [point.iteration for point in painted.points] == list(range(1, 11))
    assert [point.loss for point in painted.points[:3]] == [FIRST_LOSS, 198675392.0, 113494064.0]
    # Eight lines for each of them: its number, six losses and their sum.
    assert [point.seconds for point in painted.points] == [8.0 * each for each in range(1, 11)]


def test_the_judge_finds_the_loss_that_neural_style_prints() -> None:
    judge = Judge(rgba(PHOTO, 64), rgba(STYLE, 64), 64)
    mean = torch.tensor(vgg.MEAN)[:, None, None].expand(-1, 43, 64) / 256 * 255
    assert judge.loss(mean) == pytest.approx(FIRST_LOSS, rel=1e-3)


def test_gatys_minimizes_what_the_judge_judges_by() -> None:
    content, style = rgba(PHOTO, 64), rgba(STYLE, 64)
    painted = pixels_of(STYLE, 64)[..., :43, :].clamp(2, 250)
    units = 256 / 255  # neural-style's white is 256
    chosen = recipe.of(Settings(quality="gatys"))
    network = vgg.VGG16([*chosen.weights.style, *chosen.weights.content], border=chosen.border)
    features = network.features(style[None, :3] * 255 * units)
    term = StyleTerm({layer: chosen.measure(Moments.of(features[layer])) for layer in chosen.weights.style})
    objective = Objective(network, content[None, :3] * 255 * units, [term], chosen.weights)
    assert Judge(content, style, 64).loss(painted[0]) == pytest.approx(
        float(objective(painted * units).total), rel=1e-4
    )


def test_a_race_tells_when_each_goal_was_reached(tmp_path: Path) -> None:
    files = [races._sized(path, 48, tmp_path / f"{path.stem}.png") for path in (PHOTO, STYLE)]
    judge = Judge(rgba(files[0], 48), rgba(files[1], 48), 48)
    ours = races._paint(StyleTransfer(devices.choose("cpu", "float32")), files[0], files[1], 48, judge)
    seconds = [point.seconds for point in ours]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    assert ours[-1].delivered < 0.1 * ours[0].delivered
    assert all(point.delivered == pytest.approx(point.unclipped, rel=0.05) for point in ours)

    theirs, _ = heard()
    race = races.Race("photo", "style", ours[20].delivered, ours[-1].unclipped / 2, theirs, ours)
    reached = race.reached("delivered")
    assert reached is not None
    assert reached <= seconds[20]
    assert race.times_faster("delivered") == pytest.approx(80 / reached)
    assert race.reached("unclipped") is None
    assert race.times_faster("unclipped") == 0

    easier = dataclasses.replace(race, delivered=2 * ours[0].delivered)
    told = races.Races("a device", "float32", 48, 10, [race, easier, easier])
    figures = told.to_json()["times_faster"]["delivered"]
    assert figures["median"] == figures["most"] == pytest.approx(80 / seconds[0])
    assert figures["least"] == pytest.approx(80 / reached)
    assert json.loads(json.dumps(told.to_json()))["races"][0]["reached"]["unclipped"]["seconds"] is None
    assert "| never | 0.0 |" in told.markdown()
    assert told.chart().size == (plot.WIDTH, plot.HEIGHT)


def test_the_time_to_keep_a_picture_is_not_the_paintings() -> None:
    keeper = races._Keeper(devices.choose("cpu", "float32"), 8)

    class Slow:
        scale = scales = 1

        def __init__(self, seconds: float) -> None:
            self.seconds = seconds

        def preview(self, size: int) -> Tensor:
            time.sleep(0.5)
            return torch.zeros(4, size, size)

    for seconds in (1.0, 2.5):
        keeper(cast(Step, Slow(seconds)))
    (first, _), (second, _) = keeper.kept
    assert first >= 1.0
    assert second < 2.5


def test_when_a_peer_fails_what_was_done_before_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, _ = heard()
    race = races.Race("photo", "style", 2.0, 1.0, theirs, [races.Point(1.0, 1.0, 1.0)])
    answers: list[races.Race | PeerError] = [race, PeerError("It ended with status 3.")]

    def answer(*_: object) -> races.Race:
        if isinstance(found := answers.pop(0), PeerError):
            raise found
        return found

    monkeypatch.setattr(races, "_race", answer)
    device = devices.choose("cpu", "float32")
    told, failure = races.run(device, races.PAIRS, 48, 10, Path())
    assert list(told.races) == [race]
    assert str(failure) == "It ended with status 3."
