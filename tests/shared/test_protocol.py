"""Messages survive the pipe; what is no message is refused."""

import dataclasses
import io
import json
import math
import os
import struct
import tracemalloc
from typing import Any, get_args

import pytest

from plugin.shared import protocol
from plugin.shared.protocol import (
    Cancel,
    Cell,
    Estimate,
    Estimated,
    Hello,
    Job,
    Losses,
    Mask,
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
)
from plugin.shared.settings import Settings

PICTURE = Picture(2, 1, struct.pack("8f", *range(8)))
FILE = PictureFile("größe.png", b"\x00\xff{}")

MESSAGES: list[protocol.Message] = [
    Hello(1, "1.0", {"cpu": "A processor"}),
    Submit(Job(3, PICTURE, [Style(FILE, Mask(2, 1, bytes(8))), Style(FILE)], Settings(strength=1.5), True, 0.5, 10)),
    Submit(Job(4, PICTURE, [Style(PICTURE)])),
    Sweep(Job(5, PICTURE, [Style(PICTURE)]), {"strength": [20.0, 80.0], "tileable": [True, False]}, "style", [1, 0]),
    Cell(
        5,
        [0, 1],
        {"strength": 20.0},
        Settings(strength=20.0),
        PICTURE,
        Losses(3.0, 1.0, 1.5, 0.5),
        0.5,
        {"style": 0.5},
        2.0,
        {"likeness": {"after": {"style": {"ssim": 0.1}}}},
    ),
    Swept(5, [[0, 1], [0, 0]], 4.0),
    Cancel(3),
    Stop(3),
    Estimate(6, [[640, 480], [32, 32]], [[0, 0]], Settings(strength=1.5), True, True),
    Estimated(6, 12.5, "cpu", "A processor"),
    Estimated(7, None, "", ""),
    Progress(3, 1, 5, 128, 96, 10, 200, 0.1, 1.0, 9.0, Losses(3.0, 1.0, 1.5, 0.5), PICTURE),
    Result(3, PICTURE, "A processor", 12.5, [{"scale": 1, "iteration": 1, "seconds": 0.1, "total": 3.0}], {"seed": 3}),
    protocol.Failure(3, "It did not work."),
    protocol.Cancelled(3),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_survive_the_pipe(message: protocol.Message) -> None:
    stream = io.BytesIO()
    protocol.write(stream, message)
    protocol.write(stream, Cancel(99))
    stream.seek(0)
    assert protocol.read(stream) == message
    assert protocol.read(stream) == Cancel(99)
    assert protocol.read(stream) is None


@pytest.mark.parametrize("cut", [1, 9, 40, -1])
def test_a_stream_that_ends_within_a_message_is_an_error(cut: int) -> None:
    stream = io.BytesIO()
    protocol.write(stream, MESSAGES[1])
    with pytest.raises(ProtocolError):
        protocol.read(io.BytesIO(stream.getvalue()[:cut]))


@pytest.mark.parametrize(
    "data",
    [
        b"Traceback (most recent call last):\n  File",
        struct.pack(">II", 2, 0) + b"{}",
        struct.pack(">II", 17, 0) + b'{"$":"Surprise!"}',
        struct.pack(">II", 12, 0) + b"not json at ",
    ],
)
def test_what_is_no_message_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.read(io.BytesIO(data))


def frame(header: Any, *blobs: bytes) -> io.BytesIO:
    """A message of this header: JSON, or what is to become it."""
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    behind = b"".join(struct.pack(">Q", len(blob)) + blob for blob in blobs)
    return io.BytesIO(struct.pack(">II", len(data), len(blobs)) + data + behind)


def taken_apart(message: protocol.Message) -> tuple[Any, list[bytes]]:
    """The header of a message as JSON, and its blobs."""
    stream = io.BytesIO()
    protocol.write(stream, message)
    stream.seek(0)
    length, count = struct.unpack(">II", stream.read(8))
    header = json.loads(stream.read(length))
    return header, [stream.read(*struct.unpack(">Q", stream.read(8))) for _ in range(count)]


@pytest.mark.parametrize(
    ("message", "field", "nonsense"),
    [
        (Cancel(3), "id", []),
        (Cancel(3), "id", "3"),
        (Cancel(3), "id", True),
        (Cancel(3), "id", 3.0),
        (Cancel(3), "id", None),
        (Cancel(3), "id", {"$": "Cancel", "id": 3}),
        (MESSAGES[0], "devices", ["cpu"]),
        (MESSAGES[0], "devices", {"cpu": 1}),
        (MESSAGES[0], "version", "\ud800"),
        (MESSAGES[3], "vary", {"strength": 20}),
        (MESSAGES[3], "vary", {"\ud800": [20]}),
        (MESSAGES[3], "vary", {"blend": ["\udfff"]}),
        (MESSAGES[3], "center", [0.5, 1]),
        (MESSAGES[3], "job", {"$": "Cancel", "id": 3}),
        (MESSAGES[8], "contents", [["a", 480]]),
        (MESSAGES[8], "contents", [[math.nan, 480]]),
        (MESSAGES[8], "contents", 7),
        (MESSAGES[8], "settings", None),
        (MESSAGES[8], "settings", {"$": "Settings", "strength": math.nan}),
        (MESSAGES[8], "settings", {"$": "Settings", "strength": 10**400}),
        (MESSAGES[8], "grey", 1),
        (MESSAGES[9], "seconds", math.nan),
        (MESSAGES[9], "seconds", math.inf),
        (MESSAGES[9], "seconds", 10**400),
        (MESSAGES[11], "preview", {"$": "Losses", "total": 1, "content": 1, "style": 0, "tv": 0}),
        (MESSAGES[12], "trace", [1]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, get_args(protocol.Message)) else ascii(value)[:40],
)
def test_a_field_of_another_type_is_an_error(message: protocol.Message, field: str, nonsense: Any) -> None:
    header, blobs = taken_apart(message)
    assert field in header
    assert protocol.read(frame(header, *blobs)) == message
    with pytest.raises(ProtocolError):
        protocol.read(frame(header | {field: nonsense}, *blobs))


@pytest.mark.parametrize(
    "picture",
    [Picture, Mask],
)
def test_a_picture_without_pixels_is_an_error(picture: type) -> None:
    for width, height in ((0, 1), (-1, -1)):
        with pytest.raises(ValueError, match="needs"):
            picture(width, height, bytes(16 if picture is Picture else 4) * abs(width * height))


def test_a_painting_whose_loss_is_no_number_crosses_the_pipe() -> None:
    stream, sound = io.BytesIO(), MESSAGES[4]
    assert isinstance(sound, Cell)
    protocol.write(stream, dataclasses.replace(sound, losses=Losses(math.inf, 1.0, math.nan, 0.0), score=math.nan))
    stream.seek(0)
    cell = protocol.read(stream)
    assert isinstance(cell, Cell)
    assert math.isinf(cell.losses.total)
    assert math.isnan(cell.losses.style)
    assert math.isnan(cell.score)


@pytest.mark.parametrize(
    "nested", [b"[" * 200_000 + b"]" * 200_000, b'{"$":"Cancel","id":' * 200_000 + b"1" + b"}" * 200_000]
)
def test_a_header_that_is_nested_without_end_is_an_error(nested: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.read(frame(nested))


def test_a_length_that_is_only_claimed_takes_no_memory() -> None:
    claim = struct.pack(">II", 2, 1) + b"{}" + struct.pack(">Q", 60 * 2**30) + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="ended within"):
            protocol.read(io.BytesIO(claim))
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_name_that_is_no_text_still_crosses_the_pipe() -> None:
    """A file's name on Linux is bytes, which need not be UTF-8."""
    stream = io.BytesIO()
    protocol.write(stream, Submit(Job(1, PICTURE, [Style(PictureFile(os.fsdecode(b"caf\xe9.png"), b""))])))
    stream.seek(0)
    message = protocol.read(stream)
    assert isinstance(message, Submit)
    style = message.job.styles[0].picture
    assert isinstance(style, PictureFile)
    assert style.name == "caf?.png"


def test_a_picture_has_as_many_bytes_as_its_size_says() -> None:
    with pytest.raises(ValueError, match="needs 32 bytes"):
        Picture(2, 1, b"\0" * 31)
