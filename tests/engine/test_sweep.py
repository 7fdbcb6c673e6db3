"""Grid search: what each cell is, how cells are measured and ranked, and what ``python3 -m plugin sweep`` writes."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from plugin.engine import contact_sheet, pictures, report, sweep
from plugin.engine.contact_sheet import ContactSheet, Proof
from plugin.engine.machine import devices
from plugin.engine.refusal import Refusal
from plugin.engine.transfer.canvas import Style
from plugin.engine.transfer.transfer import Step, StyleTransfer, Task, Transfers
from plugin.shared import paths
from plugin.shared.settings import Settings
from plugin.shared.sweep_grid import PROOF_SIZE, SCORES, Grid

from .commands import run, run_here
from .samples import OTHER_STYLE, PHOTO, STYLE, rgba

QUICK = Settings(quality="draft", size=48, iterations=2, device="cpu")


def task(styles: int = 1, content_size: int = 64) -> Task:
    both = [Style(rgba(STYLE, 64), "style"), Style(rgba(OTHER_STYLE, 64), "other")]
    return Task(rgba(PHOTO, content_size), both[:styles])


def cells(
    vary: Mapping[str, Sequence[Any]], base: Settings = QUICK, of: Task | None = None, steps: list[Step] | None = None
) -> list[sweep.Cell]:
    on_step = (lambda step: None) if steps is None else steps.append
    return list(sweep.paint(of or task(), Grid.of(base, vary), Transfers(), on_step))


# The cells.


def test_every_cell_is_the_picture_of_a_plain_job_bit_for_bit() -> None:
    painted = cells({"strength": [20, 80], "style_scale": [50, 100]})
    assert [cell.place for cell in painted] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for cell in painted:
        alone = StyleTransfer(devices.choose("cpu")).paint(dataclasses.replace(task(), settings=cell.settings))
        assert torch.equal(cell.picture, alone)
    assert not any(torch.equal(one.picture, other.picture) for one, other in itertools.combinations(painted, 2))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("blend", ["90,10", "10,90"]),
        ("precision", ["float32", "bfloat16"]),
        ("tileable", [False, True]),
        ("optimizer", ["lbfgs", "adam"]),
        ("style_layers", ["relu1_1", "relu2_1:0.5,relu3_1"]),
    ],
)
def test_any_setting_makes_its_own_picture(name: str, values: list[Any]) -> None:
    one, other = cells({name: values}, of=task(styles=2))
    assert getattr(one.settings, name) == values[0]
    assert getattr(other.settings, name) == values[1]
    assert not torch.equal(one.picture, other.picture)
    assert one.report["settings"][name] == values[0]


@pytest.mark.parametrize(("content_size", "size"), [(48, 48), (320, PROOF_SIZE)])
def test_without_a_size_a_cell_is_a_proof(content_size: int, size: int) -> None:
    steps: list[Step] = []
    base = dataclasses.replace(QUICK, size=0, iterations=1)
    (cell,) = cells({"seed": [1]}, base, task(content_size=content_size), steps)
    assert cell.settings.size == size
    assert max(steps[-1].width, steps[-1].height) == size
    assert cell.picture.shape == rgba(PHOTO, content_size).shape


def test_progress_is_that_of_the_whole_grid() -> None:
    steps: list[Step] = []
    cells({"iterations": [1, 3], "seed": [1, 2]}, steps=steps)
    fractions = [step.fraction for step in steps]
    assert fractions == pytest.approx([part / 8 for part in range(1, 9)])
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)


def test_a_cell_tells_its_losses_likeness_lambda_and_time() -> None:
    weak, strong = cells({"strength": [20, 80]})
    assert weak.report["lambda"] < strong.report["lambda"]
    for cell in (weak, strong):
        losses = cell.losses
        assert losses["total"] == pytest.approx(losses["content"] + losses["style"] + losses["tv"])
        assert cell.report["scales"][-1]["total"] == losses["total"]
        assert set(cell.report["likeness"]["after"]["style"]) == {"euclidean", "mahalanobis", "ssim"}
        assert cell.report["seconds"] > 0


def test_cells_are_compared_at_the_size_they_are_painted_at() -> None:
    (cell,) = cells({"seed": [1]}, of=task(content_size=96))
    small = pictures.resize(rgba(PHOTO, 96), *pictures.fit(96, rgba(PHOTO, 96).shape[1], 48)).clamp(0, 1)
    comparison = report.Comparison(dataclasses.replace(task(), content=small), devices.choose("cpu"))
    assert cell.report["likeness"] == comparison(cell.picture)


# Scores.


def test_more_strength_is_less_of_the_content_and_more_of_the_style() -> None:
    base = dataclasses.replace(QUICK, size=64, iterations=20)
    none, some, all_of_it = (cell.scores for cell in cells({"strength": [0, 50, 100]}, base))
    for name in ("content", "ssim"):
        assert none[name] > some[name] > all_of_it[name]
    assert none["style"] < some["style"] < all_of_it["style"]
    assert some["balance"] > none["balance"]


def test_a_score_is_one_at_its_own_picture_and_nothing_at_the_other_end() -> None:
    content = rgba(PHOTO, 64)
    style = Style(pictures.resize(rgba(STYLE, 64), content.shape[-1], content.shape[-2]).clamp(0, 1), "style")
    judge = sweep.Judge(Task(content, [style]), devices.choose("cpu", "float32"))
    of_content, of_style = (judge(picture, {"total": 2.5})[1] for picture in (content, style.picture))
    assert of_content["content"] == pytest.approx(1, abs=1e-4)
    assert of_content["ssim"] == pytest.approx(1, abs=1e-4)
    assert of_content["style"] == 0
    assert of_style["style"] == pytest.approx(1, abs=1e-4)
    assert of_style["content"] == pytest.approx(0, abs=1e-4)
    for scores in (of_content, of_style):
        assert scores["balance"] == pytest.approx(0, abs=0.02)
        assert scores["mahalanobis"] == pytest.approx(0, abs=0.02)
        assert scores["loss"] == -2.5
        assert list(scores) == [score.value for score in SCORES]


def test_the_best_comes_first_and_what_is_no_number_last() -> None:
    assert sweep.ranked([0.2, math.nan, 0.5, -1, 0.5]) == [2, 4, 0, 3, 1]


# Refusals.


def test_cells_that_cannot_be_painted_are_refused_before_the_first_one() -> None:
    steps: list[Step] = []
    with pytest.raises(Refusal, match=r"There are 2 styles and 3 numbers in “blend”; give one for each\."):
        cells({"blend": ["60,40", "50,30,20"]}, of=task(styles=2), steps=steps)
    lacking = next(kind for kind in ("mps", "xpu", "cuda") if kind not in devices.available())
    with pytest.raises(Refusal, match=f"This computer has no {lacking} device"):
        cells({"device": ["cpu", lacking]}, steps=steps)
    assert not steps


def test_an_exception_from_the_follower_ends_the_work_at_once() -> None:
    steps: list[Step] = []

    def follow(step: Step) -> None:
        steps.append(step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(sweep.paint(task(), Grid.of(QUICK, {"seed": [1, 2, 3]}), Transfers(), follow))
    assert len(steps) == 3


# The sheet.


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_cell_has_its_place_on_the_sheet(axes: int) -> None:
    vary: dict[str, list[Any]] = {
        "content_measure": ["euclidean", "ssim"],
        "strength": [10, 20, 30],
        "style_scale": [50, 100],
    }
    grid = Grid.of(Settings(), dict(list(vary.items())[:axes]))
    colors = [
        tuple(int(level) for level in color) for color in np.random.default_rng(0).integers(0, 255, (20, 3)).tolist()
    ]
    proofs = {
        place: Proof(Image.new("RGB", (40, 30), color), "caption", place == grid.places()[1])
        for place, color in zip(grid.places(), colors)
    }
    paper = ContactSheet(grid, 40, 30)
    drawn = np.asarray(paper.draw([("größe × 2.png", rgba(PHOTO, 64))], ["words " * 40], proofs))
    boxes = [paper.box(place) for place in grid.places()]
    for (left, top, width, height), color in zip(boxes, colors):
        assert (drawn[top : top + height, left : left + width] == color).all()
    for (one_left, one_top, *_), (other_left, other_top, *_) in itertools.combinations(boxes, 2):
        assert abs(one_left - other_left) >= 96 or abs(one_top - other_top) >= 50
    # The last axis runs across.
    assert len({left for left, *_ in boxes}) == len(list(grid.vary.values())[-1])
    framed = [tuple(drawn[top + 10, left - 3]) == (0xD5, 0x5E, 0x00) for left, top, *_ in boxes]
    assert framed == [place == grid.places()[1] for place in grid.places()]


def test_transparent_parts_are_shown_over_white() -> None:
    picture = torch.zeros(4, 32, 32)
    picture[3, :, :16] = 1
    shown = np.asarray(contact_sheet.small(picture, 32, 32))
    assert (shown[:, :16] == 0).all()
    assert (shown[:, 16:] == 255).all()


# The command.

FAST = ["--quality", "draft", "--size", "64", "--iterations", "2", "--device", "cpu"]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.open(PHOTO).resize((64, 44)).save(path)
    return path


@pytest.fixture(scope="module")
def swept(photo: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A sheet, and what was said while it was made."""
    output = tmp_path_factory.mktemp("swept") / "sheet.png"
    vary = ["--vary", "preserve-colors=off,luminance", "--vary", "start=content,recolored,noise"]
    done = run("sweep", photo, STYLE, *vary, "-o", output, "--score", "style", *FAST)
    assert done.returncode == 0, done.stderr
    return output, done.stderr


def test_the_sheet_shows_what_stylize_paints(swept: tuple[Path, str], photo: Path, tmp_path: Path) -> None:
    output, _ = swept
    drawn = np.asarray(Image.open(output)).astype(int)
    rows = json.loads(output.with_suffix(".json").read_text())["cells"]
    shown = {}
    for row in rows:
        left, top, width, height = row["box"]
        assert (width, height) == (64, 44)
        shown[tuple(row["place"])] = drawn[top : top + height, left : left + width]
    assert sorted(shown) == list(itertools.product(range(2), range(3)))
    for place, flags in (
        ((0, 2), ["--preserve-colors", "off", "--start", "noise"]),
        ((1, 1), ["--preserve-colors", "luminance", "--start", "recolored"]),
    ):
        single = tmp_path / "single.png"
        done = run_here("stylize", photo, STYLE, "-o", single, *FAST, *flags)
        assert done.returncode == 0, done.stderr
        painted = np.asarray(Image.open(single)).astype(int)
        assert np.array_equal(shown[place], painted)
        others = [np.abs(picture - painted).mean() for other, picture in shown.items() if other != place]
        assert min(others) > 1


def test_the_table_is_the_same_in_csv_and_json_with_the_best_first(swept: tuple[Path, str]) -> None:
    output, said = swept
    told = json.loads(output.with_suffix(".json").read_text())
    with output.with_suffix(".csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert told["vary"] == {"preserve_colors": ["off", "luminance"], "start": ["content", "recolored", "noise"]}
    assert told["style"] == [STYLE.name]
    assert [int(line["rank"]) for line in table] == [1, 2, 3, 4, 5, 6]
    scores = [float(line["score_style"]) for line in table]
    assert scores == sorted(scores, reverse=True)
    for row, line in zip(told["cells"], table):
        assert row["rank"] == int(line["rank"])
        assert row["changed"] == {name: line[name] for name in told["vary"]}
        assert row["changed"].items() <= row["settings"].items()
        for name, value in row["settings"].items():
            assert line[name] == str(value)
        numbers = {
            "lambda": row["lambda"],
            "seconds": row["seconds"],
            **{f"loss_{name}": value for name, value in row["losses"].items()},
            **{f"score_{name}": value for name, value in row["scores"].items()},
            **{f"content_{name}": value for name, value in row["likeness"]["after"]["content"].items()},
            **{f"style_{name}": value for name, value in row["likeness"]["after"]["style"].items()},
        }
        assert {name: float(line[name]) for name in numbers} == numbers
    lines = said.strip().splitlines()
    assert len(lines) == 7
    assert re.search(r"^1 of 6: preserve-colors off, start content: style \d", lines[0])
    assert f"best: preserve-colors {table[0]['preserve_colors']}, start {table[0]['start']}" in lines[-1]


def test_the_best_cell_is_framed(swept: tuple[Path, str]) -> None:
    output, _ = swept
    drawn = np.asarray(Image.open(output))
    rows = json.loads(output.with_suffix(".json").read_text())["cells"]
    marks = [tuple(drawn[row["box"][1] + 10, row["box"][0] - 3]) == (0xD5, 0x5E, 0x00) for row in rows]
    assert marks == [True] + [False] * 5


@pytest.mark.parametrize(
    ("name", "vary", "status", "sentence"),
    [
        ("sheet.png", "strenght=20", 2, "There is no setting “strenght”"),
        ("sheet.png", "strength=20,300", 2, "strength is 300.0; it must lie between 0.0 and 100.0."),
        ("sheet.png", "seed=" + ",".join(map(str, range(401))), 2, "These are 401 cells"),
        ("sheet.png", "blend=;60,40", 1, "2 numbers in “blend”; give one for each."),
        ("sheet.gif", "strength=20", 1, "“.*sheet.gif” cannot be a contact sheet"),
        ("nowhere/sheet.png", "strength=20", 1, "The folder of “.*sheet.png” does not exist"),
    ],
    ids=["unknown setting", "out of range", "too many cells", "blend", "format", "folder"],
)
def test_bad_input_gets_one_sentence_and_writes_nothing(
    photo: Path, tmp_path: Path, name: str, vary: str, status: int, sentence: str
) -> None:
    done = run_here("sweep", photo, STYLE, "--vary", vary, "-o", tmp_path / name, *FAST)
    assert done.returncode == status, done.stderr
    assert re.search(sentence, done.stderr.strip().splitlines()[-1])
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_the_middle_writes_nothing(photo: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "plugin", "sweep", photo, STYLE, "-o", tmp_path / "sheet.png", *FAST]
    process = subprocess.Popen(
        [*map(str, command), "--vary", "seed=" + ",".join(map(str, range(400)))],
        stderr=subprocess.PIPE,
        text=True,
        cwd=paths.PLUG_IN_ROOT,
        # Where the tests run in the background of a shell, they and their children would not hear it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("1 of 400: seed 0: balance ")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].splitlines()[-1] == "Cancelled."
    assert process.returncode == 130
    assert not list(tmp_path.iterdir())
