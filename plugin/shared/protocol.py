"""The messages between the two processes and how they are framed.

A message on the pipe is a frame: two unsigned 32-bit big-endian numbers, the length of a JSON header and the number of
blobs, then the header, then each blob behind its own 64-bit length. The header says which message it is and carries
its plain fields; pixels and files travel as blobs, where they need no escaping. Standard output is the protocol's
alone; whatever else an engine has to say goes to standard error.

    client                          engine
    (starts it)                     Hello
    Submit(job)                     Progress, Progress, …
    Cancel(job's id), at any time   Result | Failure | Cancelled
    Stop(job's id), at any time     Result | Failure
    Sweep(job, vary)                Progress, …, Cell, Progress, …, Cell, …
                                    Swept | Failure | Cancelled
    Estimate, at any time           Estimated, at once
    (closes the pipe)               ends

Every field has the type that is declared for it here, every number but a :data:`Figure` is finite, and every text is
Unicode: anything else is no message, and for each side neither are its own. Nobody can tell what was meant by what is
no message, or who waits for it. So an engine to which it comes writes why into its log and ends, and a client ends the
engine from which it comes. A request is thus answered or followed by the end of the pipe, never by silence. What is a
message but cannot be done is answered: a job or a sweep with Failure, an Estimate with an Estimated without seconds.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import struct
import sys
import types
from dataclasses import dataclass, field
from typing import IO, Annotated, Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from plugin.shared.settings import Settings
from plugin.shared.sweep_grid import SCORES

VERSION = 3
"""Of the protocol. Both sides say theirs; they work together when it is the same."""

_LENGTHS = struct.Struct(">II")
_BLOB_LENGTH = struct.Struct(">Q")
_LONGEST_HEADER = 64 * 2**20
_MOST_BLOBS = 1024
_LARGEST_BLOB = 64 * 2**30
_CHUNK = 2**20
"""Bytes that are read at once: a length that is only claimed takes no memory."""

Blob: TypeAlias = bytes | bytearray | memoryview

Figure: TypeAlias = Annotated[float, "may be infinite, or no number"]
"""Of a painting: what a person has set may make it go anywhere."""


class ProtocolError(Exception):
    """What came through the pipe is no message of this protocol."""


class StreamEnded(ProtocolError):
    """The stream ended within a message."""

    def __init__(self) -> None:
        super().__init__("The stream ended within a message.")


@dataclass(frozen=True)
class Picture:
    """Pixels as they cross the pipe.

    ``pixels`` is float32 in native byte order, ``height × width × 4`` samples: rows from top to bottom, R'G'B'A
    interleaved, sRGB-encoded, 0 to 1, alpha not premultiplied.

    Raises:
        ValueError: the number of bytes does not fit the size.
    """

    width: int
    height: int
    pixels: Blob = field(repr=False)

    def __post_init__(self) -> None:
        _check_samples("picture", self.width, self.height, 16, self.pixels)


@dataclass(frozen=True)
class PictureFile:
    """A picture as it lies on disk, for the engine to decode: the file's name without its folder, and its bytes."""

    name: str
    data: Blob = field(repr=False)


@dataclass(frozen=True)
class Mask:
    """One sample a pixel as it crosses the pipe: float32 in native byte order, ``height × width``, 0 to 1.

    Raises:
        ValueError: the number of bytes does not fit the size.
    """

    width: int
    height: int
    samples: Blob = field(repr=False)

    def __post_init__(self) -> None:
        _check_samples("mask", self.width, self.height, 4, self.samples)


def _check_samples(name: str, width: int, height: int, each: int, samples: Blob) -> None:
    """Raise ValueError unless there is at least one pixel, and ``each`` bytes for every one."""
    if min(width, height) < 1:
        raise ValueError(f"A {name} needs pixels, and this one is {width} × {height}.")
    if len(memoryview(samples).cast("B")) != width * height * each:
        raise ValueError(f"A {name} of {width} × {height} needs {width * height * each} bytes.")


@dataclass(frozen=True)
class Style:
    """A style picture, and where in the content it is wanted: a mask of the content's size, or None for all of it."""

    picture: Picture | PictureFile
    region: Mask | None = None


@dataclass(frozen=True)
class Whole:
    """What a job's content is a detail of: its long side in pixels of the content, and its picture at any size."""

    long_side: int
    picture: Picture


@dataclass(frozen=True)
class Job:
    """Everything the engine needs to make one picture; the same job on the same device gives the same picture.

    ``styles`` has at least one; ``settings.blend`` says how much each of them counts. ``grey`` matches content and
    style in grey and returns a picture whose R', G' and B' are equal. ``preview_seconds`` is the time between two
    preview pictures; 0 sends none. ``report_every`` asks for a trace of every so many iterations, and for how like the
    result is to content and style; 0 leaves the first to the engine and the second out. ``whole`` is there where the
    content is a detail and shall look as it will in the whole picture: the settings are then about that.
    """

    id: int
    content: Picture
    styles: list[Style]
    settings: Settings = field(default_factory=Settings)
    grey: bool = False
    preview_seconds: float = 0.0
    report_every: int = 0
    whole: Whole | None = None


@dataclass(frozen=True)
class Hello:
    """The engine's first message: what it is and what it can compute on."""

    protocol: int
    version: str
    devices: dict[str, str]
    """Every device that ``Settings.device`` may name here, with the name a person knows it by; the best one first."""


@dataclass(frozen=True)
class Submit:
    job: Job


@dataclass(frozen=True)
class Sweep:
    """A grid search: the job with every combination of the values in ``vary``, lists by the names of their settings.

    A cell whose size is 0 is painted at :data:`plugin.shared.sweep_grid.PROOF_SIZE`. ``score`` is the value of one of
    :data:`plugin.shared.sweep_grid.SCORES`. ``center`` is the place of the cell that is painted first, then come those
    around it; None paints them in their order. The sweep goes by the job's id.
    """

    job: Job
    vary: dict[str, list[Any]]
    score: str = SCORES[0].value
    center: list[int] | None = None


@dataclass(frozen=True)
class Cancel:
    """Ask the engine to give up a job or a sweep; it answers with Cancelled, or with its end if that came first."""

    id: int


@dataclass(frozen=True)
class Stop:
    """Ask the engine to end a job after the present iteration and to keep what is there; it answers with its Result.

    A sweep does not hear it: its finished cells have been sent, and Cancel takes none of them back.
    """

    id: int


@dataclass(frozen=True)
class Estimate:
    """Ask how long jobs will take, one after the other, which differ in their contents alone.

    ``contents`` and ``styles`` have width and height of each picture in pixels; a style of 0 × 0 is one that nobody has
    looked at yet. ``grey`` is that of the jobs, ``reported`` whether their ``report_every`` is above 0.
    """

    id: int
    contents: list[list[int]]
    styles: list[list[int]]
    settings: Settings = field(default_factory=Settings)
    grey: bool = False
    reported: bool = False


@dataclass(frozen=True)
class Estimated:
    """How long it will take; ``seconds`` is None as long as nothing is known of the device.

    ``kind`` is a value of ``Settings.device``, ``name`` the name a person knows the device by; both are empty where
    there is no device as the settings want it.
    """

    id: int
    seconds: float | None
    kind: str
    name: str


@dataclass(frozen=True)
class Losses:
    """The weighted parts of the objective at one iteration; ``total`` is their sum."""

    total: Figure
    content: Figure
    style: Figure
    tv: Figure


@dataclass(frozen=True)
class Progress:
    """How far a job has come. ``scale`` and ``iteration`` count from 1; seconds are the engine's own.

    In a sweep ``fraction``, ``seconds`` and ``seconds_left`` are the whole sweep's, all else is the present cell's.
    """

    id: int
    scale: int
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    fraction: float
    seconds: float
    seconds_left: float
    losses: Losses | None = None
    preview: Picture | None = None


@dataclass(frozen=True)
class Result:
    """A finished picture, of the content's size and with the content's alpha.

    ``trace`` holds, every so many iterations, an object ``{"scale", "width", "height", "iteration", "seconds",
    "total", "content", "style", "tv", "layers"}`` with the seconds counted from the first iteration and in ``layers``
    the loss of each one. ``seconds`` is the whole job's time. ``report`` is that of :mod:`plugin.engine.report`; its
    ``likeness``, how like the content (``before``) and the result (``after``) are to both pictures, is null unless
    ``Job.report_every`` asked for it. Its ``stopped`` tells where Stop came, and is null where the job ran to its end.
    """

    id: int
    picture: Picture
    device: str
    seconds: float
    trace: list[dict[str, Any]]
    report: dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep, as it was finished.

    ``place`` has one index for each axis, in the order of ``Sweep.vary``; ``changed`` the varied settings there and
    ``settings`` all of them. ``picture`` is what a job with these settings gives, ``report`` is that of
    :mod:`plugin.engine.report` with the likeness at the proofs' size, ``seconds`` is the painting's time. ``losses``
    are those of the last iteration, ``score`` is the one that was asked for among ``scores``.
    """

    id: int
    place: list[int]
    changed: dict[str, Any]
    settings: Settings
    picture: Picture
    losses: Losses
    score: Figure
    scores: dict[str, Figure]
    seconds: float
    report: dict[str, Any]


@dataclass(frozen=True)
class Swept:
    """A sweep's end; ``ranking`` has the places of all cells, the best one first."""

    id: int
    ranking: list[list[int]]
    seconds: float


@dataclass(frozen=True)
class Failure:
    """The end of a job or a sweep that failed: one sentence for a person. The traceback is in the engine's log."""

    id: int
    message: str


@dataclass(frozen=True)
class Cancelled:
    id: int


Request: TypeAlias = Submit | Sweep | Cancel | Stop | Estimate
"""What an engine reads."""

Answer: TypeAlias = Hello | Estimated | Progress | Result | Cell | Swept | Failure | Cancelled
"""What a client reads."""

Message: TypeAlias = Request | Answer

_COMPOUND: dict[str, type] = {
    kind.__name__: kind for kind in (*get_args(Message), Job, Whole, Style, Mask, Picture, PictureFile, Losses)
}


def write(stream: IO[bytes], message: Message) -> None:
    """Write one message and flush. Texts that are not Unicode, such as some files' names, get “?” where they are not.

    Raises:
        OSError: the other side is gone.
    """
    blobs: list[Blob] = []
    header = json.dumps(_pack(message, blobs), ensure_ascii=False).encode(errors="replace")
    stream.write(_LENGTHS.pack(len(header), len(blobs)))
    stream.write(header)
    for blob in blobs:
        stream.write(_BLOB_LENGTH.pack(len(blob)))
        stream.write(blob)
    stream.flush()


def read_request(stream: IO[bytes]) -> Request | None:
    """Read one message to an engine; None at the end of the stream.

    Raises:
        ProtocolError: the bytes are no such message, or the stream ended within one.
        MemoryError: there is no room for it.
    """
    message = read(stream)
    if message is not None and not isinstance(message, get_args(Request)):
        raise ProtocolError(f"{type(message).__name__} is nothing to tell an engine.")
    return message


def read_answer(stream: IO[bytes]) -> Answer | None:
    """Read one message of an engine; as :func:`read_request`."""
    message = read(stream)
    if message is not None and not isinstance(message, get_args(Answer)):
        raise ProtocolError(f"{type(message).__name__} is no answer of an engine.")
    return message


def read(stream: IO[bytes]) -> Message | None:
    """Read one message of either side; as :func:`read_request`."""
    lengths = stream.read(_LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < _LENGTHS.size:
        raise StreamEnded
    header_length, blob_count = _LENGTHS.unpack(lengths)
    if header_length > _LONGEST_HEADER or blob_count > _MOST_BLOBS:
        raise ProtocolError("What came is not a message.")
    header = _read_exactly(stream, header_length)
    blobs = []
    for _ in range(blob_count):
        (length,) = _BLOB_LENGTH.unpack(_read_exactly(stream, _BLOB_LENGTH.size))
        if length > _LARGEST_BLOB:
            raise ProtocolError("What came is not a message.")
        blobs.append(_read_exactly(stream, length))
    try:
        message = _unpack(json.loads(header.decode()), blobs)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise ProtocolError(f"A message could not be understood: {error}") from error
    if not isinstance(message, get_args(Message)):
        raise ProtocolError("What came is not a message.")
    return message


def _read_exactly(stream: IO[bytes], length: int) -> bytearray:
    data = bytearray()
    while len(data) < length:
        chunk = stream.read(min(length - len(data), _CHUNK))
        if not chunk:
            raise StreamEnded
        data += chunk
    return data


def _pack(value: Any, blobs: list[Blob]) -> Any:
    """``value`` as JSON: dataclasses tagged with their name, blobs moved into ``blobs`` and replaced by their place."""
    if isinstance(value, Settings):
        return {"$": "Settings", **value.to_json()}
    if dataclasses.is_dataclass(value):
        fields = {f.name: _pack(getattr(value, f.name), blobs) for f in dataclasses.fields(value)}
        return {"$": type(value).__name__, **fields}
    if isinstance(value, (bytes, bytearray, memoryview)):
        blobs.append(memoryview(value).cast("B"))
        return {"$": "blob", "place": len(blobs) - 1}
    if isinstance(value, list):
        return [_pack(item, blobs) for item in value]
    return value


def _unpack(value: Any, blobs: list[bytearray]) -> Any:
    """The reverse of :func:`_pack`; what the pipe brings is trusted in nothing."""
    if isinstance(value, str):
        value.encode()  # which JSON's escapes need not allow
    if isinstance(value, list):
        return [_unpack(item, blobs) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {_unpack(name, blobs): _unpack(item, blobs) for name, item in value.items()}
    tag = fields.pop("$", None)
    if tag is None:
        return fields
    if tag == "blob":
        return blobs[fields["place"]]
    if tag == "Settings":
        return Settings.from_json(fields)
    kind = _COMPOUND[tag]
    for name, hint in _hints(kind).items():
        if name in fields and not _is(fields[name], hint):
            raise TypeError(f"{kind.__name__}.{name} is not {hint}.")
    return kind(**fields)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _is(value: Any, hint: Any) -> bool:
    """Whether a value that came through the pipe has a type as the messages declare them."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if hint == Figure:
        return isinstance(value, float) or _is(value, float)
    if origin in (Union, types.UnionType):
        return any(_is(value, each) for each in arguments)
    if origin is list:
        return isinstance(value, list) and all(_is(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(_is(item, arguments[1]) for item in value.values())
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
