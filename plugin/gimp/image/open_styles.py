"""What is open in GIMP and can be a style: all of it, and one layer or image of it again later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from gi.repository import Gimp

from plugin.gimp.image import layers, style_source
from plugin.gimp.image.layers import Refusal

Open: TypeAlias = Gimp.Layer | Gimp.Image

_SESSION = "neural-style-session"


@dataclass(frozen=True)
class Mark:
    """What tells an open layer or image from others.

    ``layer`` or ``image`` is its id, which means another one when GIMP was closed since ``session``. ``tattoo`` is
    saved with the image; a layer has it here where it is in the image that was painted.
    """

    session: str
    layer: int | None = None
    image: int | None = None
    tattoo: int | None = None

    @classmethod
    def of(cls, source: Open, painted: Gimp.Image) -> Mark:
        """The mark of a style with which a layer of that image is painted."""
        if isinstance(source, Gimp.Image):
            return cls(_session(), image=source.get_id())
        tattoo = source.get_tattoo() if source.get_image() == painted else None
        return cls(_session(), layer=source.get_id(), tattoo=tattoo)

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Mark:
        """Read what :meth:`to_json` made.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: it is something else.
        """
        numbers = {name: int(told[name]) for name in ("layer", "image", "tattoo") if name in told}
        return cls(str(told["session"]), **numbers)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it, without what is None."""
        return {name: value for name, value in vars(self).items() if value is not None}


def everything() -> Iterator[Open]:
    """Each image as it is shown, if that is more than its only layer, and its layers."""
    for image in Gimp.get_images():
        within = list(layers.every_layer(image))
        if len(within) > 1:
            yield image
        yield from within


def find(name: str, sha256: str, mark: Mark | None, image: Gimp.Image) -> Open | None:
    """A style that was open when a layer of this image was painted, if it still is.

    Without its id it is what has the same name and the same pixels, or else, since it may have been painted on, the
    layer of this image that has the same name and tattoo.
    """
    if mark is not None and mark.session == _session():
        if mark.layer is not None and Gimp.Layer.id_is_valid(mark.layer):
            return Gimp.Layer.get_by_id(mark.layer)
        if mark.image is not None and Gimp.Image.id_is_valid(mark.image):
            return Gimp.Image.get_by_id(mark.image)
    images = Gimp.get_images()
    within = (layer for each in images for layer in layers.every_layer(each))
    named = [source for source in (*images, *within) if source.get_name() == name]
    for source in named:
        if _sha256(source) == sha256:
            return source
    tattoo = None if mark is None else mark.tattoo
    marked = None if tattoo is None else image.get_layer_by_tattoo(tattoo)
    return marked if marked in named else None


def _sha256(source: Open) -> str | None:
    try:
        return style_source.read(source).sha256
    except Refusal:
        return None


def _session() -> str:
    """What no other run of GIMP has, the same for all of this one."""
    known = Gimp.get_parasite(_SESSION)
    if known is None:
        known = Gimp.Parasite.new(_SESSION, 0, list(uuid.uuid4().hex.encode("ascii")))
        Gimp.attach_parasite(known)
    return bytes(known.get_data()).decode("ascii")
