"""A style, from a file or from what is open in GIMP, as the engine can take it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, unquote

from gi.repository import Gegl, Gimp, Gio, GLib

from plugin.gimp.idle_tasks import Pieces, at_once
from plugin.gimp.image import layers
from plugin.gimp.image.layers import Box, Refusal, View
from plugin.shared import starter_styles
from plugin.shared.i18n import _
from plugin.shared.protocol import Picture, PictureFile

Source: TypeAlias = Gio.File | Gimp.Layer | Gimp.Image
"""Where a style comes from."""

PICTURE_ENDINGS = (
    *(".xcf", ".xcf.gz", ".xcfgz", ".xcf.bz2", ".xcfbz2", ".xcf.xz", ".xcfxz"),
    *(".psd", ".psb", ".ora", ".kra", ".exr", ".jxl", ".qoi", ".hdr", ".pfm", ".fits", ".ff"),
)
"""Of pictures that are none by their content type, at least in some years' lists of these."""

_ENGINE_READS = (
    *((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (0, b"GIF8"), (8, b"WEBP")),
    *((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
)
"""Marks and their places in a file of PNG, JPEG, GIF, WebP and TIFF. Whatever else it is GIMP opens."""

_OPEN = {"style-layer": Gimp.Layer, "style-image": Gimp.Image}
_REMEMBERED = "neural-style-open-{procedure}"
_GONE = "neural-style-gone:/"

PICTURE_ATTRIBUTES = "standard::type,standard::content-type,standard::display-name"

_HASHED = 1 << 24
"""Bytes that are hashed in one go while a window waits."""

_LARGEST_AREA = 200_000_000
"""Pixels of a style that GIMP reads: 3.2 GB on the pipe."""


@dataclass(frozen=True)
class Style:
    """A style picture and what tells it from others: the name of its file, layer or image, and its bytes' sha256."""

    name: str
    source: Source
    sha256: str
    picture: Picture | PictureFile


def chosen(config: Gimp.ProcedureConfig) -> list[Source | None]:
    """Where the styles among the arguments come from: what is open goes before ``style``, then ``more-styles``."""
    first = (config.get_property(name) for name in (*_OPEN, "style"))
    more = config.get_property("more-styles") or []
    sources = [next(filter(None, first), None), *map(Gio.File.new_for_commandline_arg, more)]
    return [present(source) if isinstance(source, Gio.File) else source for source in sources]


def present(file: Gio.File) -> Gio.File:
    """The file, or where it is now if it is a starter style and was chosen in an earlier version."""
    path = Path(file.get_path() or "")
    here = starter_styles.now(path)
    return file if here == path else Gio.File.new_for_path(str(here))


def choose(config: Gimp.ProcedureConfig, source: Source) -> None:
    """Let the arguments have this as the first style."""
    for name, kind in {"style": Gio.File, **_OPEN}.items():
        config.set_property(name, source if isinstance(source, kind) else None)


def remember_open(config: Gimp.ProcedureConfig) -> None:
    """Keep in mind, until GIMP is closed, which open layer or image was the style: GIMP's last values have none."""
    opened = {name: item.get_id() for name in _OPEN if (item := config.get_property(name)) is not None}
    Gimp.attach_parasite(Gimp.Parasite.new(_remembered(config), 0, list(json.dumps(opened).encode("ascii"))))


def recall_open(config: Gimp.ProcedureConfig) -> None:
    """Give the arguments that layer or image again where they have no style and it is still open."""
    parasite = Gimp.get_parasite(_remembered(config))
    if chosen(config)[0] is not None or parasite is None:
        return
    for name, number in json.loads(bytes(parasite.get_data())).items():
        if _OPEN[name].id_is_valid(number):
            config.set_property(name, _OPEN[name].get_by_id(number))


def _remembered(config: Gimp.ProcedureConfig) -> str:
    return _REMEMBERED.format(procedure=config.get_procedure().get_name())


def key(source: Source) -> str:
    """What tells a style from others for as long as GIMP runs."""
    return source.get_uri() if isinstance(source, Gio.File) else f"{type(source).__name__} {source.get_id()}"


def title(source: Source) -> str:
    """What a person knows a style by."""
    if isinstance(source, Gimp.Layer):
        return f"{source.get_name()} – {source.get_image().get_name()}" if source.is_valid() else _("Closed")
    if isinstance(source, Gimp.Image):
        return source.get_name() if source.is_valid() else _("Closed")
    if (path := source.get_path()) and (known := starter_styles.titles().get(Path(path))):
        return _(known)
    return _gone_name(source) or GLib.filename_display_name(source.get_basename() or "?")


def gone(name: str) -> Gio.File:
    """Stands for a style that was open in GIMP and is not any more; :func:`read` refuses it."""
    return Gio.File.new_for_uri(f"{_GONE}{quote(name, safe='')}")


def is_gone(file: Gio.File) -> bool:
    """Whether this is what :func:`gone` gave."""
    return file.get_uri().startswith(_GONE)


def _gone_name(file: Gio.File) -> str:
    return unquote(file.get_uri().removeprefix(_GONE)) if is_gone(file) else ""


def is_picture(info: Gio.FileInfo) -> bool:
    """Whether this may be a picture that can be read; the info has :data:`PICTURE_ATTRIBUTES`."""
    if info.get_file_type() != Gio.FileType.REGULAR:
        return False
    kind = info.get_content_type() or ""
    return Gio.content_type_is_a(kind, "image/*") or info.get_display_name().lower().endswith(PICTURE_ENDINGS)


def read(source: Source | None) -> Style:
    """Do :func:`reading` at once."""
    return at_once(reading(source))


def reading(source: Source | None) -> Pieces[Style]:
    """Read a style.

    Raises:
        Refusal: there is none, or it cannot be read; what is in a file that the engine reads only the engine sees.
    """
    if source is None:
        raise Refusal(_("No style is chosen; choose a picture whose style the layer shall have and try again."))
    if isinstance(source, Gio.File):
        return _read_file(source)
    return (yield from _reading_open(source))


def _read_file(file: Gio.File) -> Style:
    if is_gone(file):
        sentence = _("The style “{name}” was a layer or image that is not open any more; choose another style.")
        raise Refusal(sentence.format(name=_gone_name(file)))
    name = GLib.filename_display_name(file.get_basename() or "?")  # any bytes may be in it
    try:
        kind = file.query_file_type(Gio.FileQueryInfoFlags.NONE, None)
        if kind in (Gio.FileType.DIRECTORY, Gio.FileType.SPECIAL):
            sentence = _("The style “{name}” is not a file but a folder or a device; choose a picture.")
            raise Refusal(sentence.format(name=name))
        data = file.load_contents(None)[1]
        is_the_engines = any(data.startswith(mark, place) for place, mark in _ENGINE_READS)
        picture = PictureFile(name, data) if is_the_engines else _read_with_gimp(file, name)
    except GLib.Error as error:
        sentence = _("The style “{name}” cannot be read ({error}); choose another picture.")
        raise Refusal(sentence.format(name=name, error=error.message)) from error
    return Style(name, file, hashlib.sha256(data).hexdigest(), picture)


def _reading_open(source: Gimp.Layer | Gimp.Image) -> Pieces[Style]:
    if not source.is_valid():
        raise Refusal(_("The layer or image that is the style is not open any more; choose another style."))
    name = source.get_name()
    _check_area(name, source)
    if isinstance(source, Gimp.Image):
        scratch = source.duplicate()
        try:
            picture = yield from _reading_shown(scratch)
        finally:
            scratch.delete()
    else:
        try:
            look = yield from layers.reading(source.get_image(), source, whole=True)
        except Refusal as refusal:
            raise Refusal(_("The style cannot be used: {reason}").format(reason=refusal)) from refusal
        picture = yield from _converting(look.pixels, look.format, look.box)
    digest = hashlib.sha256()
    for start in range(0, len(picture.pixels), _HASHED):
        digest.update(memoryview(picture.pixels)[start : start + _HASHED])
        yield
    return Style(name, source, digest.hexdigest(), picture)


def _read_with_gimp(file: Gio.File, name: str) -> Picture:
    image, reason = _opened(file)
    if image is None:
        sentence = _("The style “{name}” cannot be opened by GIMP ({reason}); choose another picture.")
        raise Refusal(sentence.format(name=name, reason=reason))
    try:
        _check_area(name, image)
        return at_once(_reading_shown(image))
    finally:
        image.delete()


def _opened(file: Gio.File) -> tuple[Gimp.Image | None, str]:
    """A file as GIMP opens it, or why it cannot, which GIMP then does not say in a window of its own."""
    pdb, plug_in = Gimp.get_pdb(), Gimp.get_plug_in()
    handler = plug_in.get_pdb_error_handler()
    plug_in.set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
        reason = "" if image else pdb.get_last_error().strip()
        # GIMP 3.0 calls the procedures of some formats, PCX and others, with an argument that they do not take, and
        # names the procedure in what it says of that. PostScript's would wait for ever where there is no Ghostscript.
        found = re.search(r"\bfile-[a-z0-9-]+-load\b", reason)
        if found and found[0] not in ("file-ps-load", "file-eps-load"):
            loader = pdb.lookup_procedure(found[0])
            config = loader.create_config()
            config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
            config.set_property("file", file)
            values = loader.run(config)
            if values.index(0) == Gimp.PDBStatusType.SUCCESS:
                return values.index(1), ""
            reason = pdb.get_last_error().strip()
    finally:
        plug_in.set_pdb_error_handler(handler)
    return image, reason.rstrip(".")


def _check_area(name: str, drawn: Gimp.Layer | Gimp.Image) -> None:
    width, height = drawn.get_width(), drawn.get_height()
    if width * height > _LARGEST_AREA:
        sentence = _("The style “{name}” has {width} × {height} pixels; make it smaller and try again.")
        raise Refusal(sentence.format(name=name, width=width, height=height))


def _reading_shown(scratch: Gimp.Image) -> Pieces[Picture]:
    """What an image shows; it is spoilt."""
    whole = Box(0, 0, scratch.get_width(), scratch.get_height())
    pixels, format = yield from layers.showing(scratch)
    return (yield from _converting(pixels, format, whole))


def _converting(pixels: Gegl.Buffer, format: str, box: Box) -> Pieces[Picture]:
    yield from layers.warming(format)
    samples = bytearray()
    for strip in box.strips():
        samples += View(strip).get(pixels, layers.SENT)
        yield
    return Picture(box.width, box.height, samples)
