"""``python3 -m plugin stylize`` on real files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import pyvips

from plugin.engine.transfer.transfer import StyleTransfer
from plugin.shared import log

from .commands import run, run_here
from .samples import OTHER_STYLE, PHOTO, STYLE


def stylize(
    content: Path,
    output: Path,
    *arguments: str,
    style: Path = STYLE,
    run: Callable[..., CompletedProcess[str]] = run_here,
) -> CompletedProcess[str]:
    fast = ["--quality", "draft", "--size", "64", "--iterations", "10", "--device", "cpu"]
    return run("stylize", "-o", output, *fast, content, style, *arguments)


def photo() -> pyvips.Image:
    return pyvips.Image.new_from_file(str(PHOTO)).thumbnail_image(96)


def test_a_photo_becomes_a_painting_with_a_report(tmp_path: Path) -> None:
    content, output, report = tmp_path / "photo.png", tmp_path / "out.png", tmp_path / "report.json"
    photo().write_to_file(str(content))
    plot = tmp_path / "plot.png"
    done = stylize(content, output, "--report", str(report), "--plot", str(plot), "--seed", "3", run=run)
    assert done.returncode == 0, done.stderr
    painted = pyvips.Image.new_from_file(str(output))
    assert (painted.width, painted.height, painted.bands, painted.format) == (96, photo().height, 3, "uchar")
    assert np.abs(painted.numpy().astype(int) - photo().numpy()).mean() > 5

    told = json.loads(report.read_text())
    assert told["settings"]["quality"] == "draft"
    assert told["seed"] == 3
    assert told["device"]
    assert told["seconds"] > 0
    assert set(told["trace"][0]) >= {"scale", "iteration", "seconds", "total", "content", "style", "tv"}
    assert set(told["trace"][0]["layers"]) >= {"content relu4_2", "style relu3_1"}
    assert told["lambda"] == pytest.approx(
        sum(told["weights"]["style"].values()) / sum(told["weights"]["content"].values())
    )
    assert set(told["likeness"]["after"]["style"]) == {"euclidean", "mahalanobis", "ssim"}
    assert pyvips.Image.new_from_file(str(plot)).width == 1200
    assert told["trace"][-1]["total"] < told["trace"][0]["total"]


def test_two_styles_each_with_a_region_paint_their_own_halves(tmp_path: Path) -> None:
    content = tmp_path / "photo.png"
    photo().write_to_file(str(content))
    left = (pyvips.Image.xyz(96, photo().height)[0] < 48).ifthenelse(255, 0).cast("uchar")
    left.write_to_file(str(tmp_path / "left.png"))
    left.invert().write_to_file(str(tmp_path / "right.png"))
    regions = ["--region", str(tmp_path / "left.png"), "--region", str(tmp_path / "right.png")]
    outputs = [tmp_path / name for name in ("both.png", "one.png", "other.png")]
    both = stylize(content, outputs[0], str(OTHER_STYLE), "--size", "96", *regions)
    assert both.returncode == 0, both.stderr
    assert stylize(content, outputs[1], "--size", "96").returncode == 0
    assert stylize(content, outputs[2], "--size", "96", style=OTHER_STYLE).returncode == 0
    painted, one, other = (pyvips.Image.new_from_file(str(path)).numpy().astype(int) for path in outputs)

    def apart(a: np.ndarray, b: np.ndarray, columns: slice) -> float:
        return float(np.abs(a[:, columns] - b[:, columns]).mean())

    assert apart(painted, one, slice(0, 40)) < apart(painted, other, slice(0, 40))
    assert apart(painted, other, slice(56, 96)) < apart(painted, one, slice(56, 96))


def test_numbers_of_styles_and_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    done = stylize(PHOTO, tmp_path / "out.png", "--blend", "1,2")
    assert done.returncode == 1
    assert "There are 1 styles and 2 numbers in “blend”; give one for each." in done.stderr


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_and_alpha_survive(tmp_path: Path, suffix: str) -> None:
    content, output = tmp_path / f"deep{suffix}", tmp_path / f"out{suffix}"
    alpha = (pyvips.Image.xyz(96, photo().height)[0] * 600).cast("ushort")
    (photo().cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16").bandjoin(alpha).write_to_file(
        str(content)
    )
    done = stylize(content, output)
    assert done.returncode == 0, done.stderr
    painted = pyvips.Image.new_from_file(str(output))
    assert (painted.bands, painted.format) == (4, "ushort")
    assert np.array_equal(painted[3].numpy(), alpha.numpy())
    assert len(np.unique(painted.numpy()[..., 0] % 256)) > 100


def test_grey_stays_grey(tmp_path: Path) -> None:
    content, output = tmp_path / "grey.png", tmp_path / "out.png"
    photo().colourspace("b-w").write_to_file(str(content))
    done = stylize(content, output)
    assert done.returncode == 0, done.stderr
    assert pyvips.Image.new_from_file(str(output)).bands == 1


def test_exif_orientation_is_obeyed(tmp_path: Path) -> None:
    content, output = tmp_path / "turned.jpg", tmp_path / "out.jpg"
    turned = photo().copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    turned.write_to_file(str(content))
    done = stylize(content, output)
    assert done.returncode == 0, done.stderr
    painted = pyvips.Image.new_from_file(str(output))
    assert (painted.width, painted.height) == (photo().height, 96)


def test_an_icc_profile_is_converted_from_and_back_to(tmp_path: Path) -> None:
    content, output = tmp_path / "wide.png", tmp_path / "out.png"
    photo().icc_transform("p3", input_profile="srgb").write_to_file(str(content))
    done = stylize(content, output, "--strength", "0", "--size", "96")
    assert done.returncode == 0, done.stderr
    wide, painted = (pyvips.Image.new_from_file(str(path)) for path in (content, output))
    assert painted.get("icc-profile-data") == wide.get("icc-profile-data")
    # At strength 0 next to nothing is painted, so the numbers in the file are the photo's, too.
    assert np.abs(painted.numpy().astype(int) - wide.numpy()).mean() < 6


@pytest.mark.parametrize(
    ("content", "style", "output", "sentence"),
    [
        ("nothing.png", None, "out.png", "nothing.png” cannot be read"),
        ("words.png", None, "out.png", "“words.png” is not a picture"),
        ("photo.png", "words.png", "out.png", "“words.png” is not a picture"),
        ("photo.png", None, "nowhere/out.png", "The folder of “.*nowhere/out.png” does not exist"),
        ("photo.png", None, "out.xyz", "cannot be written; choose a name that ends in"),
        ("photo.png", None, ".", "cannot be written; choose another name or folder"),
    ],
)
def test_bad_input_gets_one_sentence_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, style: str | None, output: str, sentence: str
) -> None:
    monkeypatch.setattr(StyleTransfer, "paint", None)  # nothing is painted in vain
    photo().write_to_file(str(tmp_path / "photo.png"))
    (tmp_path / "words.png").write_text("words")
    way = run if content == "words.png" else run_here
    done = stylize(tmp_path / content, tmp_path / output, style=tmp_path / style if style else STYLE, run=way)
    assert done.returncode == 1
    assert re.search(sentence, done.stderr)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "words.png"]


@pytest.mark.parametrize("option", ["--report", "--plot"])
def test_a_report_that_has_no_place_is_refused_before_the_painting(tmp_path: Path, option: str) -> None:
    done = stylize(PHOTO, tmp_path / "out.png", option, str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.strip() == f"“{tmp_path}” cannot be written; choose another name or folder."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "There is not enough memory for this picture; close other programs, or choose a smaller --size.",
        ),
        (ZeroDivisionError("a surprise"), "It failed (ZeroDivisionError: a surprise); there is more in "),
    ],
    ids=["memory", "surprise"],
)
def test_what_goes_wrong_in_painting_is_one_sentence_and_a_traceback_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def paint(*_: object) -> None:
        raise error

    monkeypatch.setattr(StyleTransfer, "paint", paint)
    done = stylize(PHOTO, tmp_path / "out.png")
    assert done.returncode == 1
    assert done.stderr.strip().startswith(sentence)
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(error) in log.file().read_text(encoding="utf-8")


def test_what_is_transparent_is_white_in_a_jpeg(tmp_path: Path) -> None:
    content, output = tmp_path / "torn.png", tmp_path / "out.jpg"
    alpha = (pyvips.Image.xyz(96, photo().height)[0] > 48).ifthenelse(255, 0).cast("uchar")
    photo().bandjoin(alpha).write_to_file(str(content))
    done = stylize(content, output)
    assert done.returncode == 0, done.stderr
    assert pyvips.Image.new_from_file(str(output)).numpy()[:, :40].min() > 240


def test_a_setting_out_of_range_is_refused_before_anything_starts(tmp_path: Path) -> None:
    done = stylize(PHOTO, tmp_path / "out.png", "--strength", "300")
    assert done.returncode == 2
    assert "strength is 300.0; it must lie between 0.0 and 100.0." in done.stderr
