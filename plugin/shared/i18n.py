"""What people read, in their language.

The text in the code is English and the key to every translation; where there is none, it is what people read. The
language is GIMP's: what is chosen in its preferences it puts into ``LANGUAGE`` for itself and for the plug-ins that it
starts, and an engine inherits that.
"""

from __future__ import annotations

import gettext
import io
import os
import re
import subprocess
import sys

from plugin.shared import paths

DOMAIN = "neural-style"
CATALOGUES = paths.SHIPPED / "locale"

_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


def _languages() -> list[str] | None:
    """The languages a person reads, the best first; None where the environment says so, for gettext to look there.

    On macOS it says nothing to what was not started from a terminal.
    """
    if sys.platform != "darwin" or any(map(os.environ.get, _VARIABLES)):
        return None
    try:
        asked = subprocess.run(
            ["defaults", "read", "-g", "AppleLanguages"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError:
        return []
    # Simplified Chinese is zh-Hans-CN to Apple and zh_CN to gettext.
    tags = re.findall(r"[\w-]+", asked.stdout)
    return [re.sub(r"^zh-Hans.*", "zh_CN", tag).replace("-", "_") for tag in tags]


_catalogue = gettext.translation(DOMAIN, CATALOGUES, _languages(), fallback=True)


def _(text: str) -> str:
    """The translation of a constant text.

    One with values in it is translated first and then filled: ``_("{a} of {b}").format(…)``.
    """
    return _catalogue.gettext(text) if text else text  # to gettext an empty text means the catalogue's header


def can_be_printed_anywhere() -> None:
    """Let what standard output and standard error have no character for be a question mark there, and no error.

    A pipe on Windows and many a terminal are not in UTF-8, and the texts here have λ, ▸ and “ ”.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def without_mnemonic(label: str) -> str:
    """A label without the mark of its key: ``Stro_ke size``, and in Chinese ``笔触大小(_K)``."""
    return re.sub(r"\(_\w\)|_", "", label)
