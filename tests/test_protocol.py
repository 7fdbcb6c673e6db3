"""Messages survive the pipe; what is no message is refused."""

import io
import struct

import pytest

from plugin import protocol
from plugin.protocol import (
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
from plugin.settings import Settings

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


def test_a_picture_has_as_many_bytes_as_its_size_says() -> None:
    with pytest.raises(ValueError, match="needs 32 bytes"):
        Picture(2, 1, b"\0" * 31)
