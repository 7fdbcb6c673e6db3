"""A real engine process, spoken to through the client."""

from __future__ import annotations

import dataclasses
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin import locations, protocol
from plugin.client import Engine, EngineError, EngineMissing, JobCancelled
from plugin.engine import pictures
from plugin.protocol import Job, Picture, PictureFile, Progress, Result
from plugin.settings import Settings

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
    plain = Job(number, pictures.to_wire(rgba(PHOTO, 64)), style, settings, preview_seconds=0.01)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def result(engine: Engine, wanted: Job) -> Result:
    last = list(engine.run(wanted))[-1]
    assert isinstance(last, Result)
    return last


def test_hello_names_the_devices(engine: Engine) -> None:
    assert engine.hello.devices["cpu"]


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


def test_cancel_stops_a_job_and_the_engine_goes_on(engine: Engine) -> None:
    events = engine.run(job(3, settings=Settings(quality="high", size=256, device="cpu")))
    seen = [next(events), next(events)]
    engine.cancel(3)
    with pytest.raises(JobCancelled):
        seen.extend(events)
    # One may have been on its way when the engine heard of it.
    assert len(seen) <= 4
    assert result(engine, job(4)).picture.width == 64


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
        result(engine, job(5, style=PictureFile(name, data)))
    assert str(caught.value).count("\n") == 0
    assert result(engine, job(6)).picture.width == 64


def test_a_picture_that_is_too_small_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match="31 × 40 pixels; choose one of at least 32 × 32"):
        result(engine, job(7, content=Picture(31, 40, bytes(31 * 40 * 16))))


def test_a_device_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(EngineError, match="This computer has no mps device"):
        result(engine, job(8, settings=Settings(device="mps")))


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


def fake(tmp_path: Path, text: str) -> str:
    script = tmp_path / "engine.py"
    script.write_text(text)
    return f'"{sys.executable}" "{script}"'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "import sys; from plugin import protocol as p\n"
            "p.write(sys.stdout.buffer, p.Hello(p.VERSION, '0.0.1', {})); sys.stdin.read()",
            "engine is version 0.0.1 and the plug-in .* run “python3 install.py” again",
        ),
        ("print('Traceback: no')", "sent something that is no message"),
        ("raise SystemExit(3)", r"stopped unexpectedly \(exit status 3\)"),
    ],
    ids=["other version", "noise", "does not start"],
)
def test_a_wrong_engine_gets_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, sentence: str
) -> None:
    root = Path(protocol.__file__).parent.parent
    monkeypatch.setenv("NEURAL_STYLE_ENGINE", fake(tmp_path, f"import sys; sys.path.insert(0, {str(root)!r})\n{text}"))
    with pytest.raises(EngineError, match=sentence):
        Engine()


def test_no_engine_gets_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEURAL_STYLE_ENGINE")
    monkeypatch.setenv("NEURAL_STYLE_ENGINE_DIR", str(tmp_path / "nothing"))
    with pytest.raises(EngineMissing, match=r"is not installed in .*nothing; run “python3 install.py”"):
        Engine()


def test_an_engine_whose_owner_was_killed_does_not_stay(tmp_path: Path) -> None:
    owner = (
        "import sys, time; from plugin.client import Engine\n"
        "engine = Engine(); print(engine.process_id, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True, cwd=locations.PLUG_IN_ROOT
    )
    assert process.stdout is not None
    engine = int(process.stdout.readline())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{engine}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{engine}").exists()
