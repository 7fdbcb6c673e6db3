"""What a painted layer carries to tell how it was made, and to be made again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp, Gio

from plugin.gimp.image.layers import Box, Look, Refusal
from plugin.gimp.image.open_styles import Mark
from plugin.gimp.image.style_source import Source
from plugin.gimp.jobs.request import Order
from plugin.shared import formats
from plugin.shared.formats import Kind
from plugin.shared.i18n import _
from plugin.shared.protocol import Result
from plugin.shared.settings import Settings

NAME = "neural-style"


@dataclass(frozen=True)
class StyleTold:
    """A style as it was: its name, where its file lay or which open layer or image it was, and its region's name."""

    name: str
    uri: str | None
    sha256: str
    mark: Mark | None
    region: str | None


@dataclass(frozen=True)
class Told:
    """How a layer was made. ``box`` is what was painted of the source, which was of ``source_size`` then.

    ``unknown`` has the settings that this version does not know.
    """

    settings: Settings
    unknown: dict[str, Any]
    styles: list[StyleTold]
    source: str
    source_tattoo: int | None
    source_size: tuple[int, int]
    box: Box


def make(look: Look, order: Order, result: Result) -> Gimp.Parasite:
    """The parasite for a layer: JSON in ASCII, saved with the image, undone with the layer.

    It has the number of its format, and the engine's report: version, settings as they were given and those that are
    not known here, seed, λ, device as it was found, losses of each scale, likeness, and where it was stopped. Besides:
    ``source``, the layer's name, with ``source_tattoo``, GIMP's mark on it that is saved with the image, and
    ``source_size``; ``styles``, each with its name, the URI of its file or its :class:`Mark` where it was open, sha256
    and region's name; ``losses``, the last ones; ``box``, what was styled, in the layer's coordinates.
    """
    last = result.trace[-1] if result.trace else {}
    told = {
        **result.report,
        "settings": order.unknown | result.report["settings"],
        "source": look.name,
        "source_tattoo": look.tattoo,
        "source_size": [look.size.width, look.size.height],
        "styles": [
            {"name": style.name, **_address(style.source, order.image), "sha256": style.sha256, "region": where}
            for style, where in zip(order.styles, order.region_names, strict=True)
        ],
        "losses": {name: last[name] for name in ("total", "content", "style", "tv") if name in last},
        "box": [look.box.x, look.box.y, look.box.width, look.box.height],
    }
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    # The bytes are signed for GObject introspection; JSON in ASCII has none above 127.
    return Gimp.Parasite.new(NAME, flags, list(json.dumps(formats.numbered(Kind.PAINTED_LAYER, told)).encode("ascii")))


def read(layer: Gimp.Layer) -> Told:
    """What a layer tells of how it was made.

    Raises:
        Refusal: it was not made by this filter, or in a later version's format, or with a value that this version does
            not take, or what it tells is damaged.
    """
    name, parasite = layer.get_name(), layer.get_parasite(NAME)
    if parasite is None:
        sentence = _("“{layer}” was not painted by Neural Style Transfer; select a layer that was, or use that filter.")
        raise Refusal(sentence.format(layer=name))
    try:
        told = formats.migrate(Kind.PAINTED_LAYER, json.loads(bytes(byte % 256 for byte in parasite.get_data())))
        return _told(told, (layer.get_width(), layer.get_height()))
    except formats.Newer as newer:
        sentence = _("“{layer}” was painted by Neural Style {version}; install that version to restyle it.")
        raise Refusal(sentence.format(layer=name, version=formats.version_in(newer.told))) from newer
    except formats.WrongSetting as error:
        sentence = _("“{layer}”, painted by version {version}, cannot be restyled: {reason}")
        raise Refusal(sentence.format(layer=name, version=formats.version_in(told), reason=error)) from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        sentence = _("What “{layer}” tells of how it was painted is damaged; paint its source anew instead.")
        raise Refusal(sentence.format(layer=name)) from error


def _told(told: dict[str, Any], size: tuple[int, int]) -> Told:
    """Layers of before say neither their source's tattoo nor its size, which was theirs, nor their styles' URIs."""
    styles = [_style(style) for style in told["styles"]]
    tattoo = told.get("source_tattoo")
    width, height = map(int, told.get("source_size", size))
    box = Box(*map(int, told["box"]))
    if not styles or min(width, height, box.width, box.height) < 1:
        raise ValueError(told)
    return Told(
        *formats.settings_in(told["settings"]),
        styles,
        str(told["source"]),
        None if tattoo is None else int(tattoo),
        (width, height),
        box,
    )


def _style(told: dict[str, Any]) -> StyleTold:
    uri, region, mark = told.get("uri"), told.get("region"), told.get("open")
    return StyleTold(
        str(told["name"]),
        uri and str(uri),
        str(told.get("sha256")),
        mark and Mark.from_json(mark),
        region and str(region),
    )


def _address(source: Source, painted: Gimp.Image) -> dict[str, Any]:
    if isinstance(source, Gio.File):
        return {"uri": source.get_uri()}
    return {"uri": None, "open": Mark.of(source, painted).to_json()}
