"""A real engine process, spoken to through the client."""

from __future__ import annotations

import array
import dataclasses
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from plugin.engine import pictures
from plugin.engine.machine import devices
from plugin.shared import paths
from plugin.shared.engine_client import Engine, EngineError, JobCancelled
from plugin.shared.protocol import (
    Cell,
    Estimate,
    Job,
    Mask,
    Picture,
    PictureFile,
    Progress,
    Result,
    Style,
    Sweep,
    Swept,
    Whole,
)
from plugin.shared.settings import Settings

from .samples import PHOTO, STYLE, rgba


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("NEURAL_STYLE_ENGINE", f'"{sys.executable}" -m plugin serve')
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURAL_STYLE_ENGINE", f'"{sys.executable}" -m plugin serve')
        with Engine() as started:
            yield started


def job(number: int, **changes: object) -> Job:
    style = PictureFile(STYLE.name, STYLE.read_bytes())
    settings = Settings(quality="draft", size=64, device="cpu")
    plain = Job(number, pictures.to_wire(rgba(PHOTO, 64)), [Style(style)], settings, preview_seconds=0.01)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def result(engine: Engine, wanted: Job) -> Result:
    last = list(engine.run(wanted))[-1]
    assert isinstance(last, Result)
    return last


def lacking(engine: Engine) -> str:
    """A kind of device that this computer has not; no computer has all of them."""
    return next(kind for kind in ("mps", "xpu", "cuda") if kind not in engine.hello.devices)


def test_hello_names_the_devices(engine: Engine) -> None:
    assert engine.hello.devices["cpu"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_idle_engine_keeps_no_memory_of_its_pictures(engine: Engine, precision: str) -> None:
    """Of whatever size they were; but the statistics of their styles it keeps, 3 MiB for each scale."""

    def resident() -> int:
        pages = int(Path(f"/proc/{engine.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def least() -> int:
        """In the half second after a result; the engine cleans up when that is on its way."""
        end, seen = time.monotonic() + 0.5, resident()
        while time.monotonic() < end:
            time.sleep(0.02)
            seen = min(seen, resident())
        return seen

    def paint(size: int) -> tuple[int, int]:
        """How much it took at most, and in how many scales."""
        settings = Settings(quality="draft", size=size, iterations=1, device="cpu", precision=precision)
        *progress, _last = [(resident(), event) for event in engine.run(job(size, settings=settings))]
        scales = {event.scale for _, event in progress if isinstance(event, Progress)}
        return max(taken for taken, _ in progress), len(scales)

    paint(64)
    before = least()
    taken, scales = paint(448)
    assert taken > before + 150 * 2**20
    for size in range(160, 224, 16):
        scales += paint(size)[1]
    assert least() < before + (3.5 * scales + 40) * 2**20


def test_several_jobs_in_one_process_give_progress_previews_and_results(engine: Engine) -> None:
    finished = []
    for number in (1, 2):
        events = list(engine.run(job(number)))
        progress = [event for event in events if isinstance(event, Progress)]
        assert progress[-1].fraction == 1
        assert any(event.preview for event in progress)
        assert all(event.losses and event.losses.total > 0 for event in progress)
        assert isinstance(events[-1], Result)
        finished.append(events[-1])
    assert bytes(finished[0].picture.pixels) == bytes(finished[1].picture.pixels)
    assert (finished[0].picture.width, finished[0].picture.height) == (64, job(1).content.height)
    assert finished[0].trace[-1]["total"] < finished[0].trace[0]["total"]


def test_a_report_has_every_nth_iteration_each_scale_and_the_likeness(engine: Engine) -> None:
    done = result(engine, job(10, settings=Settings(quality="draft", size=64, iterations=7), report_every=3))
    assert [line["iteration"] for line in done.trace] == [1, 3, 6, 7]
    assert done.report["scales"][-1] == done.trace[-1]
    layers = done.trace[-1]["layers"]
    assert sum(layers.values()) == pytest.approx(done.trace[-1]["content"] + done.trace[-1]["style"], rel=1e-4)
    before, after = done.report["likeness"]["before"], done.report["likeness"]["after"]
    assert before["content"]["ssim"] == pytest.approx(1)
    assert after["content"]["ssim"] < 1
    assert after["style"]["euclidean"] < before["style"]["euclidean"]
    assert done.report["lambda"] > 0


def test_styles_cross_the_pipe_with_their_regions_and_their_blend(engine: Engine) -> None:
    style = PictureFile(STYLE.name, STYLE.read_bytes())
    height = job(1).content.height
    left = Mask(64, height, array.array("f", ([1.0] * 32 + [0.0] * 32) * height).tobytes())
    settings = Settings(quality="draft", size=64, iterations=5)
    everywhere, half = (
        result(engine, job(number, styles=[Style(style, region)], settings=settings))
        for number, region in ((11, None), (12, left))
    )
    assert bytes(everywhere.picture.pixels) != bytes(half.picture.pixels)
    with pytest.raises(EngineError, match="There are 1 styles and 2 numbers in “blend”"):
        result(engine, job(13, settings=dataclasses.replace(settings, blend="1,2")))


def test_a_detail_of_a_larger_picture_is_worked_at_its_part_of_the_size(engine: Engine) -> None:
    settings = Settings(quality="draft", size=96, iterations=2, device="cpu")
    whole = Whole(128, pictures.to_wire(rgba(PHOTO, 64)))
    events = list(engine.run(job(19, settings=settings, whole=whole)))
    assert isinstance(events[0], Progress)
    assert events[0].preview is not None, "the first iteration shows something"
    assert [(event.width, event.scales) for event in events if isinstance(event, Progress)][-1] == (48, 1)
    assert isinstance(events[-1], Result)
    assert events[-1].picture.width == 64


def test_cancel_stops_a_job_and_the_engine_goes_on(engine: Engine) -> None:
    events = engine.run(job(3, settings=Settings(quality="high", size=256, device="cpu")))
    seen = [next(events), next(events)]
    engine.cancel(3)
    with pytest.raises(JobCancelled):
        seen.extend(events)
    # One may have been on its way when the engine heard of it.
    assert len(seen) <= 4
    assert result(engine, job(4)).picture.width == 64


@pytest.mark.parametrize("scale", [1, 2])
def test_stop_keeps_what_is_there_and_tells_where(engine: Engine, scale: int) -> None:
    settings = Settings(size=160, iterations=40, device="cpu")
    transparent = rgba(PHOTO, 240)
    transparent[3, :, :100] = 0.25
    content = pictures.to_wire(transparent)
    done = None
    for event in engine.run(job(20 + scale, content=content, settings=settings, report_every=50)):
        if isinstance(event, Progress) and event.scale == scale:
            engine.stop(20 + scale)
        done = event
    assert isinstance(done, Result)
    stopped = done.report["stopped"]
    assert (stopped["scale"], stopped["scales"]) == (scale, 2)
    assert stopped["iteration"] < stopped["iterations"]
    last = done.trace[-1]
    assert (last["scale"], last["iteration"]) == (scale, stopped["iteration"])
    assert done.report["scales"][-1] == last
    assert done.report["likeness"]["after"] != done.report["likeness"]["before"]
    painted = pictures.from_wire(done.picture)
    assert painted.shape == transparent.shape
    assert bool((painted[3] == transparent[3]).all())
    assert float((painted[:3] - transparent[:3]).abs().mean()) > 0.01


def test_stop_after_the_end_or_of_another_job_changes_nothing(engine: Engine) -> None:
    engine.stop(30)
    engine.stop(99)
    assert result(engine, job(31)).report["stopped"] is None
    # An order that comes before its job still counts.
    assert result(engine, job(30)).report["stopped"]["iteration"] == 1


def test_how_long_jobs_will_take_is_told_while_one_is_running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And from then on by every engine: what one has learned of a device the others know."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # where nothing is known of either precision
    usual = devices.choose("cpu").dtype
    other_precision = "float32" if usual == torch.bfloat16 else "bfloat16"
    settings = Settings(quality="high", size=256, device="cpu")
    with Engine() as started:
        result(started, job(1))
        events = started.run(job(21, settings=settings))
        seen = [next(events), next(events)]
        small, large, two, unknown, nowhere = (
            started.estimate(Estimate(number, contents, [[0, 0]], wanted, reported=True))
            for number, (contents, wanted) in enumerate(
                [
                    ([[512, 384]], settings),
                    ([[512, 384]], dataclasses.replace(settings, size=512)),
                    ([[512, 384], [512, 384]], settings),
                    ([[512, 384]], dataclasses.replace(settings, precision=other_precision)),
                    ([[512, 384]], dataclasses.replace(settings, device=lacking(started))),
                ]
            )
        )
        assert isinstance(next(events), Progress), "the job did not go on"
        started.cancel(21)
        with pytest.raises(JobCancelled):
            seen.extend(events)
        assert small.seconds is not None and large.seconds is not None and two.seconds is not None
        assert small.seconds < large.seconds
        assert two.seconds == pytest.approx(2 * small.seconds, rel=0.5)
        assert [small.id, large.id, two.id] == [0, 1, 2]
        assert (small.kind, small.name) == ("cpu", started.hello.devices["cpu"])
        assert (unknown.seconds, unknown.name) == (None, small.name)
        assert (nowhere.seconds, nowhere.name) == (None, "")
    with Engine() as other:
        assert other.estimate(Estimate(1, [[512, 384]], [[0, 0]], settings)).seconds is not None


def test_an_idle_engine_finds_out_by_itself_how_fast_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    question = Estimate(1, [[512, 384]], [[800, 600]])
    with Engine() as started:
        assert started.estimate(question).seconds is None
        deadline = time.monotonic() + 120
        while started.estimate(question).seconds is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert started.estimate(question).seconds is not None
        while not list(tmp_path.rglob("clock.json")) and time.monotonic() < deadline:
            time.sleep(0.2)
    assert list(tmp_path.rglob("clock.json"))


def test_a_question_to_an_engine_that_died_is_answered_with_a_sentence() -> None:
    with Engine() as started:
        os.kill(started.process_id, 9)
        for _ in range(2):
            with pytest.raises(EngineError, match="stopped unexpectedly"):
                started.estimate(Estimate(1, [[64, 48]], []))


def test_a_sweep_sends_its_cells_as_they_finish_and_ranks_them(engine: Engine) -> None:
    settings = Settings(quality="draft", size=48, iterations=3, device="cpu")
    vary: dict[str, list[Any]] = {"tileable": [True, False], "strength": [20, 80]}
    events = list(engine.sweep(Sweep(job(11, settings=settings), vary, "style", [0, 1])))
    cells = [event for event in events if isinstance(event, Cell)]
    assert [cell.place for cell in cells] == [[0, 1], [0, 0], [1, 1], [1, 0]], "not from the center outwards"
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    first = next(place for place, event in enumerate(events) if isinstance(event, Cell))
    assert any(isinstance(event, Progress) for event in events[first:])
    for cell in cells:
        assert cell.changed == {name: getattr(cell.settings, name) for name in vary}
        assert cell.score == cell.scores["style"]
        assert cell.losses.total > 0
        assert cell.report["likeness"]["after"]["content"]["ssim"] == cell.scores["ssim"]
    plain = result(engine, job(12, settings=cells[1].settings))
    assert bytes(cells[1].picture.pixels) == bytes(plain.picture.pixels)
    end = events[-1]
    assert isinstance(end, Swept)
    assert end.ranking == [cell.place for cell in sorted(cells, key=lambda cell: -cell.score)]
    assert end.seconds >= sum(cell.seconds for cell in cells)


def test_cancel_stops_a_sweep_and_the_engine_goes_on(engine: Engine) -> None:
    settings = Settings(quality="high", size=256, device="cpu")
    events = engine.sweep(Sweep(job(13, settings=settings), {"strength": [20, 50, 80]}))
    seen = [next(events), next(events)]
    engine.cancel(13)
    with pytest.raises(JobCancelled):
        seen.extend(events)
    # One may have been on its way when the engine heard of it.
    assert len(seen) <= 4
    assert result(engine, job(14)).picture.width == 64


@pytest.mark.parametrize(
    ("vary", "score", "sentence"),
    [
        ({"strenght": [20]}, "balance", "There is no setting “strenght”"),
        ({"strength": [20, 300]}, "balance", r"strength is 300.0; it must lie between 0.0 and 100.0\."),
        ({"seed": list(range(401))}, "balance", "These are 401 cells, and a grid has at most 400"),
        ({}, "balance", "Nothing is varied"),
        ({"blend": ["60,40"]}, "balance", "2 numbers in “blend”; give one for each"),
        ({"strength": [20]}, "beauty", "There is no score “beauty”; choose one of balance, "),
    ],
)
def test_a_sweep_that_cannot_be_done_gets_one_sentence(
    engine: Engine, vary: dict[str, list[Any]], score: str, sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence) as caught:
        list(engine.sweep(Sweep(job(15), vary, score)))
    assert str(caught.value).count("\n") == 0


def bomb() -> bytes:
    """A PNG of 100 kB that says it holds a gigapixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 32768, 32768, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 10**8, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("notes.txt", b"not a picture at all, just words" * 9, "“notes.txt” is not a picture that can be opened"),
        ("empty.png", b"", "“empty.png” is not a picture that can be opened"),
        ("bomb.png", bomb(), "“bomb.png” would unpack to 32768 × 32768 pixels"),
        ("half.jpg", STYLE.read_bytes()[:20000], "“half.jpg” is damaged"),
    ],
)
def test_a_style_that_is_no_good_picture_gets_one_sentence(
    engine: Engine, name: str, data: bytes, sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence) as caught:
        result(engine, job(5, styles=[Style(PictureFile(name, data))]))
    assert str(caught.value).count("\n") == 0
    assert result(engine, job(6)).picture.width == 64


def test_a_picture_that_is_too_small_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match="31 × 40 pixels; choose one of at least 32 × 32"):
        result(engine, job(7, content=Picture(31, 40, bytes(31 * 40 * 16))))


def test_a_device_that_is_not_there_is_refused(engine: Engine) -> None:
    kind = lacking(engine)
    with pytest.raises(EngineError, match=f"This computer has no {kind} device"):
        result(engine, job(8, settings=Settings(device=kind)))


def test_the_end_of_input_ends_the_engine_in_the_middle_of_a_job() -> None:
    with Engine() as started:
        events = started.run(job(1, settings=Settings(quality="high", size=256, device="cpu")))
        next(events)
        process = started.process_id
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_an_engine_that_dies_is_reported_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine() as started:
        events = started.run(job(1, settings=Settings(quality="high", size=256, device="cpu")))
        next(events)
        os.kill(started.process_id, 9)
        with pytest.raises(EngineError, match=r"stopped unexpectedly \(exit status -9\); there is more in .*\.log"):
            list(events)


def test_an_engine_whose_owner_was_killed_does_not_stay(tmp_path: Path) -> None:
    owner = (
        "import sys, time; from plugin.shared.engine_client import Engine\n"
        "engine = Engine(); engine.wait_until_ready(); print(engine.process_id, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True, cwd=paths.PLUG_IN_ROOT)
    assert process.stdout is not None
    engine = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{engine}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{engine}").exists()
