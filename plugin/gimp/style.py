"""The style's file, as the engine can take it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from gi.repository import Gegl, Gimp, Gio, GLib

from plugin.gimp import layers
from plugin.gimp.layers import Refusal
from plugin.protocol import Picture, PictureFile
from plugin.words import _

_ONLY_GIMP_READS = (
    *(".xcf", ".xcf.gz", ".xcfgz", ".xcf.bz2", ".xcfbz2", ".xcf.xz", ".xcfxz"),
    *(".psd", ".psb", ".ora", ".kra", ".exr", ".jxl"),
)
"""What the engine's own readers leave to GIMP."""

_LARGEST_AREA = 200_000_000
"""Pixels of a style that GIMP reads: 3.2 GB on the pipe."""


@dataclass(frozen=True)
class Style:
    """A style picture, where it lies, and what tells it from others: its file's name without the folder, its sha256."""

    name: str
    uri: str
    sha256: str
    picture: Picture | PictureFile


def read(file: Gio.File | None) -> Style:
    """Read the style's file.

    Raises:
        Refusal: there is none, or it cannot be read; what is in it the engine looks at.
    """
    if file is None:
        raise Refusal(_("No style is chosen; choose a picture whose style the layer shall have and try again."))
    name = file.get_basename()
    try:
        kind = file.query_file_type(Gio.FileQueryInfoFlags.NONE, None)
        if kind in (Gio.FileType.DIRECTORY, Gio.FileType.SPECIAL):
            sentence = _("The style “{name}” is not a file but a folder or a device; choose a picture.")
            raise Refusal(sentence.format(name=name))
        data = file.load_contents(None)[1]
        picture: Picture | PictureFile = PictureFile(name, data)
        if name.lower().endswith(_ONLY_GIMP_READS):
            picture = _read_with_gimp(file, name)
    except GLib.Error as error:
        sentence = _("The style “{name}” cannot be read ({error}); choose another picture.")
        raise Refusal(sentence.format(name=name, error=error.message)) from error
    return Style(name, file.get_uri(), hashlib.sha256(data).hexdigest(), picture)


def _read_with_gimp(file: Gio.File, name: str) -> Picture:
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, file)
    if image is None:
        raise Refusal(_("The style “{name}” cannot be opened by GIMP; choose another picture.").format(name=name))
    try:
        width, height = image.get_width(), image.get_height()
        if width * height > _LARGEST_AREA:
            sentence = _("The style “{name}” has {width} × {height} pixels; make it smaller and try again.")
            raise Refusal(sentence.format(name=name, width=width, height=height))
        pixels = layers.visible(image).get_buffer()
        rectangle = Gegl.Rectangle.new(0, 0, width, height)
        return Picture(width, height, pixels.get(rectangle, 1.0, "R'G'B'A float", Gegl.AbyssPolicy.NONE))
    finally:
        image.delete()
