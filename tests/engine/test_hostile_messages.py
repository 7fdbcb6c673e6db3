"""Whatever comes through the pipe, an engine answers it or ends; it never falls silent."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import io
import json
import math
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from plugin.engine.machine import clock, devices
from plugin.engine.machine.work import Work
from plugin.engine.worker import Worker
from plugin.shared import paths, protocol
from plugin.shared.engine_client import Engine, EngineError, JobFailed
from plugin.shared.protocol import (
    Cancel,
    Cancelled,
    Cell,
    Estimate,
    Estimated,
    Failure,
    Hello,
    Job,
    Losses,
    Mask,
    Message,
    Picture,
    PictureFile,
    Progress,
    ProtocolError,
    Result,
    Stop,
    Style,
    Submit,
    Sweep,
    Swept,
    Whole,
)
from plugin.shared.settings import Settings

TINY = Picture(2, 1, bytes(32))
JOB = Job(
    3,
    TINY,
    [Style(PictureFile("style.png", b"\x89PNG"), Mask(2, 1, bytes(8))), Style(TINY)],
    Settings(device="cpu", iterations=1, size=32),
    grey=True,
    preview_seconds=0.5,
    report_every=10,
    whole=Whole(20, TINY),
)
"""Refused for its size, so that thousands are answered in seconds."""

MESSAGES: list[Message] = [
    Submit(JOB),
    Sweep(JOB, {"strength": [20.0, 80.0], "tileable": [True, False], "blend": ["60,40"]}, "style", [1, 0]),
    Cancel(3),
    Stop(3),
    Estimate(6, [[640, 480], [32, 32]], [[0, 0], [800, 600]], Settings(device="cpu", size=64), True, True),
    Estimate(7, [[640, 480]], [[300, 200]]),
    Hello(protocol.VERSION, "1.0", {"cpu": "A processor"}),
    Estimated(7, None, "cpu", "A processor"),
    Progress(3, 1, 5, 128, 96, 10, 200, 0.1, 1.0, 9.0, Losses(3.0, 1.0, 1.5, 0.5), TINY),
    Cell(3, [0], {}, Settings(), TINY, Losses(3.0, 1.0, 1.5, 0.5), 0.5, {"style": 0.5}, 2.0, {"likeness": None}),
    Failure(3, "It did not work."),
]

ENDS = (Result, Swept, Failure, Cancelled)


def taken_apart(message: Message) -> tuple[Any, list[bytes]]:
    """The header of a message as JSON, and its blobs."""
    stream = io.BytesIO()
    protocol.write(stream, message)
    stream.seek(0)
    length, count = struct.unpack(">II", stream.read(8))
    header = json.loads(stream.read(length))
    return header, [stream.read(*struct.unpack(">Q", stream.read(8))) for _ in range(count)]


def frame(header: Any, blobs: Sequence[bytes] = ()) -> bytes:
    """A message of a header, JSON or what is to become it."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    behind = b"".join(struct.pack(">Q", len(blob)) + blob for blob in blobs)
    return struct.pack(">II", len(data), len(blobs)) + data + behind


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in JSON, the outermost first."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield from places(item, (*here, name))


def at(value: Any, place: tuple[Any, ...]) -> Any:
    """What JSON has in a place."""
    return functools.reduce(lambda inside, name: inside[name], place, value)


def replaced(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """JSON with another value in one place."""
    if not place:
        return other
    changed = copy.copy(value)
    changed[place[0]] = replaced(value[place[0]], place[1:], other)
    return changed


APART = [taken_apart(message) for message in MESSAGES]

NUMBERS = [0, -1, 1, 2, 3, 64, 10**9, 10**18, -(10**18), 10**30, 10**4000]
FLOATS = [*NUMBERS, 0.5, -0.0, 1e-300, 1e308, math.nan, math.inf, -math.inf]
TEXTS = ["", "cpu", "mps", "bfloat16", "60,40", "relu1_1", "\x00", "\ud800", "“\U0001f408”", "9" * 4000]
TAGGED = [
    {"$": "blob", "place": 0},
    {"$": "blob", "place": 10**30},
    {"$": "blob"},
    {"$": "Settings", "seed": []},
    {"$": "Settings", "strength": 20},
    {"$": "Losses", "total": 1, "content": 1, "style": 1, "tv": 1},
    {"$": "Picture", "width": 2, "height": 1, "pixels": {"$": "blob", "place": 0}},
    {"$": "Cancel", "id": 3},
    {"$": "Surprise"},
    {"$": []},
    {"$": {"$": "$"}},
]
VALUES = st.sampled_from([None, False, True, *FLOATS, *TEXTS, *TAGGED, [], {}, [[]], [0, 0], {"": 0}])
NONSENSE = VALUES | st.recursive(
    VALUES | st.floats() | st.text(st.characters(exclude_categories=()), max_size=4),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(["$", "id", "place"]), inside),
    max_leaves=4,
)
LENGTHS = st.sampled_from([0, 1, 7, 2**20, 2**31, 2**34, 2**63])


def like(value: Any) -> st.SearchStrategy[Any]:
    """Other values of the same kind."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.sampled_from(NUMBERS) | st.integers()
    if isinstance(value, float):
        return st.sampled_from(FLOATS) | st.floats()
    if isinstance(value, str):
        return st.sampled_from(TEXTS)
    if isinstance(value, list):
        return st.sampled_from([[], value[:1], value[1:], value * 3])
    return st.sampled_from([value, {}])


@st.composite
def changed_messages(draw: st.DrawFn) -> bytes:
    """A message with something else in some places of its header, and perhaps with other blobs."""
    header, blobs = draw(st.sampled_from(APART))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(list(places(header))))
        header = replaced(header, place, draw(like(at(header, place)) if draw(st.booleans()) else NONSENSE))
    return frame(header, draw(st.sampled_from([blobs, blobs, blobs, blobs[1:], blobs[::-1], [b"", *blobs]])))


@st.composite
def broken_frames(draw: st.DrawFn) -> bytes:
    """A message whose lengths are wrong, or which ends too soon."""
    header, blobs = draw(st.sampled_from(APART))
    data = frame(header, blobs)
    place = draw(st.sampled_from([0, 4, 8 + len(json.dumps(header).encode())]))
    length = struct.pack(">Q", draw(LENGTHS)) if place > 4 else struct.pack(">I", draw(LENGTHS) % 2**32)
    return draw(
        st.sampled_from([data[:place] + length + data[place + len(length) :], data[: len(data) // 2], data[:-1]])
    )


DEEP = st.builds(
    lambda depth, around: around[0] * depth + b"1" + around[1] * depth,
    st.sampled_from([10, 300, 990, 5000, 200_000]),
    st.sampled_from([(b"[", b"]"), (b'{"$":"Cancel","id":', b"}")]),
)
KINDS = {
    changed_messages(): 10,
    broken_frames(): 2,
    NONSENSE.map(frame): 1,
    DEEP.map(frame): 1,
    st.binary(max_size=40).map(frame): 1,
    st.binary(max_size=40): 1,
}
STREAMS = (
    st.sampled_from([kind for kind, share in KINDS.items() for _each in range(share)])
    .flatmap(lambda kind: kind)
    .map(lambda data: data + frame(*APART[5]))
)
"""What comes through the pipe: a message, and a question that shows whether anybody is still there."""

EXACTLY = hypothesis.settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
)
"""The same messages on every machine, however fast it is."""


@pytest.fixture(scope="module")
def _known_device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """How fast the devices are is known, so that every Estimate can be answered with seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        clocks = clock.stored()
        for kind in devices.available():
            for precision in ("auto", "float32", "bfloat16"):
                clocks.of(devices.choose(kind, precision)).learn(Work(steps=1, painted=0.1), 1.0)
        clocks.save()
        yield


def messages_in(data: bytes, read: Any = protocol.read) -> list[Message]:
    """The messages at the beginning of a stream, up to what is none."""
    stream, found = io.BytesIO(data), []
    try:
        while (message := read(stream)) is not None:
            found.append(message)
    except ProtocolError:
        pass
    return found


@pytest.mark.usefixtures("_known_device")
@hypothesis.settings(EXACTLY, max_examples=4000)
@hypothesis.given(STREAMS)
def test_every_message_is_answered_or_ends_the_listener(data: bytes) -> None:
    sink = io.BytesIO()
    worker = Worker(io.BytesIO(data), sink)
    with contextlib.suppress(ProtocolError):  # which ends the process
        worker.listen()
    while worker.is_asked:
        worker.answer_next()
    asked, answers = messages_in(data, protocol.read_request), messages_in(sink.getvalue())
    questions = [message.id for message in asked if isinstance(message, Estimate)]
    assert [answer.id for answer in answers if isinstance(answer, Estimated)] == questions
    jobs = [message.job.id for message in asked if isinstance(message, (Submit, Sweep))]
    assert [answer.id for answer in answers if isinstance(answer, ENDS)] == jobs


NO_MESSAGES = {
    "a list where an id belongs": frame({"$": "Cancel", "id": []}),
    "nonsense in an Estimate": frame(APART[4][0] | {"contents": [["wide", "high"]]}),
    "no number in an Estimate": frame(APART[4][0] | {"contents": [[math.nan, 480]]}),
    "nested without end": frame(b"[" * 200_000 + b"]" * 200_000),
    "an answer instead of a request": frame(*APART[6]),
    "another program": b"Microsoft Windows [Version 10.0.19045.3803]\r\n",
}

LONGER_THAN_THE_MEMORY = struct.pack(">II", 2, 1) + b"{}" + struct.pack(">Q", 60 * 2**30) + bytes(100)

PATIENCE = 300
"""Seconds after which an engine is taken to have fallen silent."""


def last_words(data: bytes, input_ends: bool) -> tuple[int, bytes, str]:
    """With which status a real engine ends that is sent something, what it answers and what it writes into its log."""
    source, ours = os.pipe()
    engine = subprocess.Popen(
        [sys.executable, "-m", "plugin", "serve"],
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=paths.PLUG_IN_ROOT,
    )
    os.close(source)
    with os.fdopen(ours, "wb", buffering=0) as pipe:
        with contextlib.suppress(BrokenPipeError):
            pipe.write(data)
        if input_ends:
            pipe.close()
        try:
            output, log = engine.communicate(timeout=PATIENCE)
        finally:
            engine.kill()
    return engine.returncode, output, log.decode()


def test_a_real_engine_ends_and_says_why_when_no_message_comes() -> None:
    """Also while its input goes on, since whoever waits for an answer does not end it."""
    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(NO_MESSAGES, pool.map(functools.partial(last_words, input_ends=False), NO_MESSAGES.values())))
    for name, (status, output, log) in ended.items():
        assert status == 1, (name, log)
        assert "ProtocolError" in log, (name, log)
        assert [type(message) for message in messages_in(output)] == [Hello], name


def test_the_end_of_input_ends_a_real_engine_whatever_came_before() -> None:
    generated = []

    @hypothesis.settings(EXACTLY, max_examples=70)
    @hypothesis.given(STREAMS)
    def collect(data: bytes) -> None:
        generated.append(data)

    collect()
    streams = [LONGER_THAN_THE_MEMORY, *generated[10::10]]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(functools.partial(last_words, input_ends=True), streams))
    for data, (status, output, log) in zip(streams, ended):
        assert status == (1 if "plugin.shared.protocol." in log else 0), (data, log)
        assert isinstance(messages_in(output)[0], Hello), data


@pytest.mark.usefixtures("_known_device")
def test_a_real_engine_answers_what_it_cannot_tell_or_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURAL_STYLE_ENGINE", f'"{sys.executable}" -m plugin serve')
    picture = Picture(32, 32, struct.pack("f", 1) * (32 * 32 * 4))
    plain = Job(1, picture, [Style(picture)], Settings(device="cpu", size=32, iterations=1, quality="draft"))
    jobs = [
        dataclasses.replace(plain, styles=[]),
        dataclasses.replace(plain, styles=[Style(picture, Mask(1, 1, bytes(4)))]),
        *(dataclasses.replace(plain, whole=Whole(side, picture)) for side in (0, -7, 10**18)),
        dataclasses.replace(plain, report_every=-(10**30), preview_seconds=-1e308),
    ]
    sizes: list[list[list[int]]] = [[[]], [[0, 0]], [[-5, 7]], [[10**18, 1]], [[10**400, 1]], [[1, 2, 3]], []]
    with Engine() as engine:
        for contents in sizes:
            assert engine.estimate(Estimate(5, contents, [[-1, 0]])).id == 5
        for job in jobs:
            with contextlib.suppress(JobFailed):
                assert isinstance(list(engine.run(job))[-1], Result)
        assert isinstance(list(engine.run(plain))[-1], Result), "it does not go on"


@pytest.mark.usefixtures("_known_device")  # so that it does not calibrate meanwhile
def test_a_picture_for_which_an_engine_has_no_memory_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURAL_STYLE_ENGINE", f'"{sys.executable}" -m plugin serve')
    large = Picture(4096, 4096, bytes(2**28))
    with Engine() as engine:
        pages = int(Path(f"/proc/{engine.process_id}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + 2**27
        resource.prlimit(engine.process_id, resource.RLIMIT_AS, (most, most))
        with pytest.raises(EngineError, match=r"stopped unexpectedly \(exit status 1\)"):
            list(engine.run(Job(1, large, [Style(large)])))
