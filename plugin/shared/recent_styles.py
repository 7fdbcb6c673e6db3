"""The styles that were used last, and a folder of one's own, remembered from one window to the next."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from plugin.shared import formats, json_file, paths
from plugin.shared.formats import Kind

_MOST = 12
"""Styles that are remembered."""

_log = logging.getLogger("neural-style.recent")


@dataclass(frozen=True)
class Remembered:
    """``styles`` are URIs, the one used last first; ``folder`` is one, too, or empty."""

    styles: tuple[str, ...] = ()
    folder: str = ""


def load() -> Remembered:
    """What is remembered; nothing where the file is missing, means nothing or is a later version's."""
    return _read() or Remembered()


def use(*styles: str) -> None:
    """Remember that these were used just now."""
    _change(lambda now: Remembered(tuple(dict.fromkeys((*styles, *now.styles)))[:_MOST], now.folder))


def forget(style: str) -> None:
    """Remember a style no longer."""
    _change(lambda now: Remembered(tuple(each for each in now.styles if each != style), now.folder))


def choose_folder(folder: str) -> None:
    """Remember the folder; an empty one forgets it."""
    _change(lambda now: Remembered(now.styles, folder))


def _read() -> Remembered | None:
    """What is remembered; None where a later version wrote the file, which stays as it is then."""
    try:
        told = formats.migrate(Kind.RECENT_STYLES, json_file.read(paths.recent_styles()))
    except FileNotFoundError:
        return Remembered()
    except formats.Newer:
        _log.warning("%s was written by a later version and is left alone", paths.recent_styles())
        return None
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read: %s", paths.recent_styles(), error)
        return Remembered()
    styles, folder = told.get("styles"), told.get("folder", "")
    return Remembered(
        tuple(filter(_is_text, styles))[:_MOST] if isinstance(styles, list) else (),
        folder if isinstance(folder, str) else "",
    )


def _change(change: Callable[[Remembered], Remembered]) -> None:
    """A memory that cannot be kept is no reason to keep anybody from painting."""
    if (now := _read()) is None:
        return
    told = formats.numbered(Kind.RECENT_STYLES, vars(change(now)))
    try:
        json_file.write(paths.recent_styles(), told)
    except OSError as error:
        _log.warning("%s cannot be written: %s", paths.recent_styles(), error)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
