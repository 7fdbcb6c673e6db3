"""What a new layer carries to tell how it was made, and to be made again."""

from __future__ import annotations

import json

from gi.repository import Gimp

from plugin import __version__
from plugin.gimp.layers import Look
from plugin.gimp.style import Style
from plugin.protocol import Result
from plugin.settings import Settings

NAME = "neural-style"


def make(look: Look, style: Style, settings: Settings, result: Result) -> Gimp.Parasite:
    """The parasite for a layer: JSON in ASCII, saved with the image, undone with the layer.

    ``settings`` as they were given, ``device`` as it was found; ``box`` is what was styled, in the layer's coordinates.
    """
    last = result.trace[-1] if result.trace else {}
    told = {
        "version": __version__,
        "source": look.name,
        "style": {"name": style.name, "sha256": style.sha256},
        "settings": settings.to_json(),
        "seed": settings.seed,
        "device": result.device,
        "seconds": round(result.seconds, 2),
        "losses": {name: last[name] for name in ("total", "content", "style", "tv") if name in last},
        "box": [look.box.x, look.box.y, look.box.width, look.box.height],
    }
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    # The bytes are signed for GObject introspection; JSON in ASCII has none above 127.
    return Gimp.Parasite.new(NAME, flags, list(json.dumps(told).encode("ascii")))
