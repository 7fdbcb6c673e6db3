"""The styles that were used last, and a folder of one's own, remembered from one window to the next."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from plugin import jsonfile, locations

_MOST = 12
"""Styles that are remembered."""

_log = logging.getLogger("neural-style.recent")


@dataclass(frozen=True)
class Remembered:
    """``styles`` are URIs, the one used last first; ``folder`` is one, too, or empty."""

    styles: tuple[str, ...] = ()
    folder: str = ""


def load() -> Remembered:
    """What is remembered; nothing where the file is missing or means nothing."""
    try:
        found = jsonfile.read(locations.recent_styles())
    except FileNotFoundError:
        return Remembered()
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read: %s", locations.recent_styles(), error)
        return Remembered()
    told = found if isinstance(found, dict) else {}
    styles, folder = told.get("styles"), told.get("folder", "")
    return Remembered(
        tuple(filter(_is_text, styles))[:_MOST] if isinstance(styles, list) else (),
        folder if isinstance(folder, str) else "",
    )


def use(*styles: str) -> None:
    """Remember that these were used just now."""
    now = load()
    _save(Remembered(tuple(dict.fromkeys((*styles, *now.styles)))[:_MOST], now.folder))


def forget(style: str) -> None:
    """Remember a style no longer."""
    now = load()
    _save(Remembered(tuple(each for each in now.styles if each != style), now.folder))


def choose_folder(folder: str) -> None:
    """Remember the folder; an empty one forgets it."""
    _save(Remembered(load().styles, folder))


def _save(remembered: Remembered) -> None:
    """A memory that cannot be kept is no reason to keep anybody from painting."""
    try:
        jsonfile.write(locations.recent_styles(), {"styles": remembered.styles, "folder": remembered.folder})
    except OSError as error:
        _log.warning("%s cannot be written: %s", locations.recent_styles(), error)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
