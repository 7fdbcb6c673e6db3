"""The client and engines that are none, or fail: nothing waits for ever, and one sentence tells why."""

from __future__ import annotations

import fcntl
import struct
import subprocess
import sys
import termios
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from plugin.shared import paths, threads
from plugin.shared.engine_client import Engine, EngineError, EngineMissing
from plugin.shared.protocol import Estimate, Job, Picture, Style, Sweep

PICTURE = Picture(2, 1, bytes(32))
JOB = Job(1, PICTURE, [Style(PICTURE)])

Start = Callable[[str], None]


@pytest.fixture(autouse=True)
def _own_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Start:
    """Let the engine be this program."""

    def choose(text: str) -> None:
        file = tmp_path / "engine.py"
        file.write_text(f"{BEGINNING}\n{text}")
        monkeypatch.setenv("NEURAL_STYLE_ENGINE", f'"{sys.executable}" "{file}"')

    return choose


BEGINNING = f"""
import os, struct, sys, time
sys.path.insert(0, {str(paths.PLUG_IN_ROOT)!r})
from plugin import __version__
from plugin.shared import protocol
from plugin.shared.protocol import *
out = sys.stdout.buffer
def hello(): protocol.write(out, Hello(protocol.VERSION, __version__, {{"cpu": "Scripted"}}))
def read(): return protocol.read(sys.stdin.buffer)
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "protocol.write(out, Hello(protocol.VERSION, '0.0.1', {})); sys.stdin.read()",
            "engine is version 0.0.1 and the plug-in .* run “python3 install.py” again",
        ),
        ("print('Traceback: no')", "sent something that is no message"),
        ("protocol.write(out, Cancel(3)); sys.stdin.read()", "sent something that is no message"),
        ("raise SystemExit(3)", r"NEURAL_STYLE_ENGINE names does not start \(exit status 3\); .*"),
        ("out.write(b'Ouch')", r"does not start \(exit status 0\)"),
    ],
    ids=["other version", "noise", "no answer", "does not start", "ends within a word"],
)
def test_a_wrong_engine_gets_one_sentence(script: Start, text: str, sentence: str) -> None:
    script(text)
    with pytest.raises(EngineError, match=rf"{sentence}.*; there is more in .*\.log\.$") as caught:
        Engine().wait_until_ready()
    assert "\n" not in str(caught.value)


def test_no_engine_gets_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NEURAL_STYLE_ENGINE", raising=False)
    monkeypatch.setenv("NEURAL_STYLE_ENGINE_DIR", str(tmp_path / "nothing"))
    with pytest.raises(EngineMissing, match=r"is not installed in .*nothing; run “python3 install.py”"):
        Engine()


def test_an_engine_that_has_lost_its_packages_says_how_to_repair_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As when the distribution goes on to the next Python: bin/python lives, its packages are another version's."""
    venv.create(tmp_path / "engine", with_pip=False)
    (library,) = (tmp_path / "engine").glob("lib/python3.*")
    library.rename(library.with_name("python3.0"))
    monkeypatch.delenv("NEURAL_STYLE_ENGINE", raising=False)
    monkeypatch.setenv("NEURAL_STYLE_ENGINE_DIR", str(tmp_path / "engine"))
    sentence = (
        r"engine does not start \(exit status 1\); run “python3 install.py” again to repair it; there is more in "
    )
    with pytest.raises(EngineError, match=sentence):
        Engine().wait_until_ready()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ('ssh "host', r"NEURAL_STYLE_ENGINE is “ssh \"host”, .* \(No closing quotation\); correct or remove it\.$"),
        ("   ", r"NEURAL_STYLE_ENGINE is “   ”, "),
        ("venv/bin/python -m plugin serve", "NEURAL_STYLE_ENGINE is “venv/bin/python .* path"),
        ("/nowhere/python -m plugin serve", r"NEURAL_STYLE_ENGINE names does not start \(No such file"),
    ],
    ids=["quote", "empty", "relative", "nowhere"],
)
def test_a_command_that_is_none_gets_a_sentence_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, command: str, sentence: str
) -> None:
    monkeypatch.setenv("NEURAL_STYLE_ENGINE", command)
    with pytest.raises(EngineError, match=sentence):
        Engine()


def test_an_engine_that_talks_nonsense_is_ended_and_whoever_asks_is_told(script: Start) -> None:
    script("hello(); read(); out.write(b'what is that? ' * 9); out.flush(); time.sleep(600)")
    with Engine() as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="sent something that is no message"):
                engine.estimate(Estimate(1, [[64, 48]], []))
        for _ in range(2):
            with pytest.raises(EngineError, match="sent something that is no message"):
                list(engine.run(JOB))
        assert not engine.is_alive


def test_an_engine_that_dies_within_a_message_has_died(script: Start) -> None:
    script("hello(); read(); out.write(struct.pack('>II', 99, 0) + b'{'); out.flush(); os.kill(os.getpid(), 9)")
    with Engine() as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match=r"stopped unexpectedly \(exit status -9\)"):
                list(engine.run(JOB))


def test_an_engine_that_closes_its_output_is_ended(script: Start) -> None:
    script("hello(); read(); out.close(); os.close(1); time.sleep(600)")
    with Engine() as engine:
        with pytest.raises(EngineError, match=r"stopped unexpectedly \(exit status -9\)"):
            list(engine.run(JOB))
        assert not engine.is_alive


def test_a_request_that_cannot_be_sent_ends_the_engine(script: Start) -> None:
    """Nobody knows how much of it has arrived."""
    script("hello(); read()")
    with Engine() as engine:
        with pytest.raises(EngineError, match=r"failed unexpectedly \(TypeError: .*; there is more in .*\.log\.$"):
            list(engine.sweep(Sweep(JOB, {"strength": [object()]})))
        assert not engine.is_alive
        with pytest.raises(EngineError, match="failed unexpectedly"):
            list(engine.run(JOB))


def test_an_engine_that_reads_nothing_can_be_closed(script: Start) -> None:
    script("hello(); time.sleep(600)")
    large = Picture(1024, 1024, bytes(2**24))
    with Engine() as engine:
        errors: list[Exception] = []
        sending = threads.start(lambda: _run(engine, Job(1, large, [])), errors.append)
        _wait_until_full(engine)
    assert not engine.is_alive
    sending.join()
    assert isinstance(errors[0], EngineError)


def _run(engine: Engine, job: Job) -> None:
    list(engine.run(job))


def _wait_until_full(engine: Engine) -> None:
    """Until somebody waits for the engine to read on."""
    pipe, before = engine._process.stdin, -1
    assert pipe is not None
    while (there := struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]) < 1 or there != before:
        before = there


@pytest.mark.parametrize("of", ["picture", "noise"])
def test_what_does_not_fit_into_memory_is_not_waited_for(script: Start, of: str) -> None:
    """Neither a result of 256 MiB nor as much on standard error, in one line."""
    if of == "picture":
        script("hello(); read(); protocol.write(out, Result(1, Picture(4096, 4096, bytes(2**28)), '', 0.0, [], {}))")
    else:
        script("hello(); read(); os.write(2, bytes(2**28)); protocol.write(out, Failure(1, 'It went on.'))")
    painter = """
import resource
from pathlib import Path
from plugin.shared.engine_client import Engine, EngineError
from plugin.shared.protocol import Job, Picture
with Engine() as engine:
    most = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 2**27
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        list(engine.run(Job(1, Picture(2, 1, bytes(32)), [])))
    except EngineError as error:
        print(error, engine.is_alive)
"""
    done = subprocess.run(
        [sys.executable, "-c", painter], cwd=paths.PLUG_IN_ROOT, capture_output=True, text=True, timeout=300
    )
    if of == "picture":
        assert done.stdout.endswith(" memory; close other pictures or programs and try again. False\n"), done.stderr
    else:
        assert done.stdout == "It went on. True\n", done.stderr
