"""How long work takes: what the clock makes of times that are known, what it keeps, and what a real job teaches it."""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from plugin.engine.machine import calibration, memory, work
from plugin.engine.machine import clock as clocks
from plugin.engine.machine.clock import Clock, Clocks, Countdown
from plugin.engine.machine.devices import Device
from plugin.engine.machine.work import KINDS, JobWork, Work
from plugin.engine.transfer.transfer import Step, StyleTransfer
from plugin.shared import formats
from plugin.shared.formats import Kind
from plugin.shared.settings import Settings
from tests.fixtures import OF_1_0_0

DEVICE = Device("cpu", "A processor", torch.float32)
RATES = dict(zip(KINDS, (1.5, 0.2, 0.1, 3.0, 0.02, 2.5, 0.3, 0.4, 2.0, 0.5, 9.0, 0.1), strict=True))
"""Seconds for 1 of each kind, on a computer that is like none that the clock knows."""


def job(quality: str, size: int, **settings: object) -> JobWork:
    wanted = Settings(quality=quality, size=size, **settings)  # type: ignore[arg-type]
    sizes = work.sizes(wanted, (2 * size, 3 * size // 2), [(800, 600)], grey=False)
    return work.of_painting(wanted, sizes, DEVICE, lambda pixels: memory.plan(pixels, 3, DEVICE, 64))


def truth(done: Work) -> float:
    return sum(RATES[kind] * amount for kind, amount in zip(KINDS, done.amounts, strict=True))


def teach(clock: Clock, jobs: Iterable[JobWork], noise: float = 0.0, factor: float = 1.0) -> None:
    generator = random.Random(0)
    for each in jobs:
        for scale in each.scales:
            for part in (scale.preparation + scale.step * 5, scale.step * (scale.steps - 5)):
                clock.learn(part, factor * truth(part) * generator.uniform(1 - noise, 1 + noise))


def test_other_sizes_qualities_and_measures_are_predicted_from_what_was_painted() -> None:
    clock = Clock(DEVICE)
    assert not clock.knows
    teach(clock, [job("draft", 128), job("normal", 256), job("gatys", 192)], noise=0.15)
    assert clock.knows
    for quality, size in (("normal", 512), ("gatys", 512), ("draft", 384), ("high", 768)):
        steps = job(quality, size).steps
        assert clock.seconds(steps) == pytest.approx(truth(steps), rel=0.2), (quality, size)


def test_one_small_picture_is_enough_for_the_level() -> None:
    """A computer a hundred times as fast as the known one, of which one preview was seen."""
    fast = Clock(DEVICE)
    known = Clock(DEVICE)
    preview, wanted = job("draft", 128), job("normal", 512)
    for scale in preview.scales:
        fast.learn(scale.whole, known.seconds(scale.whole) / 100)
    assert fast.seconds(wanted.whole) == pytest.approx(known.seconds(wanted.whole) / 100, rel=0.1)


def test_a_computer_that_has_become_slower_is_followed() -> None:
    clock = Clock(DEVICE)
    teach(clock, [job("draft", 128), job("normal", 256)])
    before = clock.seconds(job("normal", 256).whole)
    teach(clock, [job("draft", 128), job("normal", 256)] * 2, factor=2)
    assert clock.seconds(job("normal", 256).whole) == pytest.approx(2 * before, rel=0.15)


def test_no_rate_falls_below_zero_and_few_times_are_kept() -> None:
    clock = Clock(DEVICE)
    teach(clock, [job("draft", 128), job("gatys", 256)] * 20, noise=0.9)
    assert all(clock.seconds(Work(**{kind: 1})) > 0 for kind in KINDS)
    assert len(clock.to_json()) < 60


def test_what_was_learned_is_there_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clock.json"
    kept = Clocks(path)
    teach(kept.of(DEVICE), [job("draft", 128)])
    kept.save()
    other = Device("cpu", "A processor", torch.bfloat16)
    again = Clocks(path)
    assert again.of(DEVICE).seconds(job("draft", 256).whole) == kept.of(DEVICE).seconds(job("draft", 256).whole)
    assert not again.of(other).knows
    teach(again.of(other), [job("draft", 128)])
    again.save()
    assert Clocks(path).of(DEVICE).knows
    assert [file.name for file in path.parent.iterdir()] == ["clock.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "no JSON {",
        lambda text: "[]",
        lambda text: text.replace("networks", "nets"),
        lambda text: text.replace("[[", '[["slow", '),
        lambda text: text.replace("[[", "[[1.0, "),
        lambda text: text.replace("[[", "[[NaN], ["),
        lambda text: text.replace("[[", "[[0" + ", 0" * len(KINDS) + "], ["),
        lambda text: text.replace("[[", "[[1" + "0" * 400 + ", 0" * len(KINDS) + "], ["),
        lambda text: "[" * 100_000,
        lambda text: text.replace('"format": ', '"format": -'),
    ],
    ids=[
        *("no JSON", "other JSON", "other kinds", "a word", "too long", "not a number", "no time"),
        *("too large", "too deep", "no format"),
    ],
)
def test_a_broken_file_is_as_if_it_were_not_there(tmp_path: Path, change: object) -> None:
    path = tmp_path / "clock.json"
    kept = Clocks(path)
    teach(kept.of(DEVICE), [job("draft", 128)])
    kept.save()
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    broken = Clocks(path)
    assert not broken.of(DEVICE).knows
    teach(broken.of(DEVICE), [job("draft", 128)])
    broken.save()
    assert Clocks(path).of(DEVICE).knows


def test_what_1_0_0_learned_is_known_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clock.json"
    shutil.copy(OF_1_0_0 / "clock.json", path)
    key, times = next(iter(json.loads(path.read_text())["times"].items()))
    kept = Clocks(path)
    assert not kept.of(DEVICE).knows
    teach(kept.of(DEVICE), [job("draft", 128)])
    kept.save()
    told = json.loads(path.read_text())
    assert told["format"] == formats.current(Kind.CLOCK)
    assert told["times"][key] == times
    monkeypatch.setattr(clocks, "_key", lambda device: key)
    assert Clocks(path).of(DEVICE).knows
    assert Clocks(path).of(DEVICE).to_json() == times


def test_what_a_later_version_learned_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("neural-style"), "propagate", True)
    path = tmp_path / "clock.json"
    later = json.dumps({"format": 99, "kinds": list(KINDS), "times": {}})
    path.write_text(later)
    kept = Clocks(path)
    assert "later version" in caplog.text
    teach(kept.of(DEVICE), [job("draft", 128)])
    kept.save()
    assert kept.of(DEVICE).knows
    assert path.read_text() == later


def test_where_nothing_can_be_written_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Clocks(tmp_path / "file" / "clock.json")
    teach(kept.of(DEVICE), [job("draft", 128)])
    kept.save()
    assert kept.of(DEVICE).knows


def test_the_rest_goes_as_the_scale_did_up_to_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a computer that has become four times as slow since the clock was taught."""
    now = 0.0
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now)
    clock, wanted = Clock(DEVICE), job("normal", 128)
    teach(clock, [wanted])
    (scale,) = wanted.scales
    countdown, left = Countdown(clock, wanted), []
    with countdown.scale(0):
        now += 4 * truth(scale.preparation)
        for iteration in range(1, scale.steps + 1):
            now += 4 * truth(scale.step)
            countdown.step(iteration)
            left.append(countdown.seconds_left(iteration, scale.steps))
    assert left[0] == pytest.approx(truth(scale.step) * (scale.steps - 1), rel=0.1)
    late = scale.steps * 3 // 4
    assert left[late - 1] == pytest.approx(4 * truth(scale.step) * (scale.steps - late), rel=0.1)
    assert left[-1] < truth(scale.step)
    assert countdown.fraction(scale.steps, scale.steps) == 1


@pytest.fixture(scope="module")
def painter() -> StyleTransfer:
    """A real one that was calibrated."""
    transfer = StyleTransfer(DEVICE)
    calibration.calibrate(transfer)
    return transfer


def test_calibration_ends_when_the_device_is_wanted() -> None:
    transfer, answers = StyleTransfer(DEVICE), iter((False, True))
    calibration.calibrate(transfer, is_over=lambda: next(answers))
    assert next(answers, None) is None, "it went on"
    assert transfer.clock.knows  # of what was done by then


def test_a_real_job_is_foreseen_from_the_calibration(painter: StyleTransfer) -> None:
    """Only that it is of the right size: other programs on this computer come and go."""
    from .test_transfer import task

    wanted = task(size=128, iterations=20)
    assert painter.clock.knows
    foreseen = painter.clock.seconds(painter.work(wanted.settings, wanted.sizes).whole)
    steps: list[Step] = []
    painter.paint(wanted, steps.append)
    assert foreseen / 5 < steps[-1].seconds < foreseen * 5
    assert steps[0].seconds_left > steps[-1].seconds_left > 0
    assert json.dumps(painter.clock.to_json())
