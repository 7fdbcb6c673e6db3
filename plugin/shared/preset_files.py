"""A person's own presets: settings under a name, one file of JSON each.

A file has the preset's name, its format, the version that wrote it, the settings that differ from their defaults and
those that are not known to this version. The file's own name is made from the preset's so that any name will do; where
the two differ, what is in the file counts.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plugin import __version__
from plugin.shared import formats, json_file, paths
from plugin.shared.formats import Kind
from plugin.shared.i18n import _
from plugin.shared.settings import TABLE, Settings

BELONGS_TO_THE_STYLES = "blend"
"""The one setting that means nothing without the styles it was made for, and is in no preset."""

_LONGEST_NAME = 100
"""Characters."""

_DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
"""Names that Windows has given to devices, whatever comes after a dot."""


class PresetError(Exception):
    """One sentence for a person: what is wrong with a preset, and what can be done."""


@dataclass(frozen=True)
class Preset:
    """Settings under a name. All of them have a value; ``blend`` has its default.

    ``unknown`` has those of another version that this one does not know, to be kept.
    """

    name: str
    settings: Settings
    unknown: dict[str, Any] = field(default_factory=dict)


def clean_name(text: str) -> str:
    """A name as it is shown in one line; empty where there is nothing to show."""
    return " ".join(text.split())[:_LONGEST_NAME].strip()


def file_name(name: str) -> str:
    """A file's name for a preset that is allowed on every system; two names may have the same."""
    readable = re.sub(r"[^\w -]", "", name)[:40].strip()
    return f"{readable or 'preset'}{'_' * bool(_DEVICE.fullmatch(readable))}.json"


def read(file: Path) -> Preset:
    """The preset in a file, from this folder or from anywhere.

    Raises:
        PresetError: it cannot be read, or a setting has a value that this version does not take.
    """
    try:
        told = formats.migrate(Kind.PRESET, json_file.read(file))
        settings, unknown = formats.settings_in(told.get("settings"))
        if getattr(settings, BELONGS_TO_THE_STYLES):
            raise formats.WrongSetting(_("blend belongs to the styles and cannot be in a preset."))
    except OSError as error:
        reason = error.strerror or str(error)
        raise PresetError(
            _("The preset “{file}” cannot be read ({reason}).").format(file=file.name, reason=reason)
        ) from error
    except formats.Newer as newer:
        raise PresetError(
            _("The preset “{file}” was written by Neural Style {version}; install that version to use it.").format(
                file=file.name, version=formats.version_in(newer.told)
            )
        ) from newer
    except formats.WrongSetting as error:
        raise PresetError(
            _("The preset “{file}”, written by version {version}, cannot be used: {reason}").format(
                file=file.name, version=formats.version_in(told), reason=error
            )
        ) from error
    except ValueError as error:
        raise PresetError(
            _("“{file}” is no preset of Neural Style; choose a file that was exported here.").format(file=file.name)
        ) from error
    return Preset(_name(file, told), settings, unknown)


def write(preset: Preset, file: Path) -> None:
    """Put a preset into a file, in place of what was there.

    Raises:
        PresetError: it cannot be written.
    """
    changed = {
        setting.name: value
        for setting in TABLE
        if (value := getattr(preset.settings, setting.name)) != setting.default
        and setting.name != BELONGS_TO_THE_STYLES
    }
    told = {"preset": preset.name, "version": __version__, "settings": changed | preset.unknown}
    try:
        json_file.write(file, formats.numbered(Kind.PRESET, told))
    except OSError as error:
        raise PresetError(
            _("The preset cannot be saved in {folder} ({reason}).").format(
                folder=file.parent, reason=error.strerror or error
            )
        ) from error


def kept() -> dict[str, Path]:
    """The file of every preset in the folder, in the names' order, those that cannot be used included."""
    found = {}
    for file in sorted(paths.presets_folder().glob("*.json")):
        try:
            told = formats.migrate(Kind.PRESET, json_file.read(file))
        except formats.Newer as newer:
            told = newer.told
        except (OSError, ValueError):
            told = {}
        found[_name(file, told)] = file
    return {name: found[name] for name in sorted(found, key=str.casefold)}


def find(name: str) -> Path:
    """The file of a kept preset.

    Raises:
        PresetError: there is none of that name.
    """
    if (file := kept().get(name)) is None:
        raise PresetError(_("The preset “{name}” is not there any more.").format(name=name))
    return file


def save(preset: Preset) -> None:
    """Keep a preset in the folder, in place of one with its name.

    Raises:
        PresetError: it cannot be written.
    """
    # The names of files may not tell all names apart.
    own = f"{hashlib.sha256(preset.name.encode('utf-8')).hexdigest()[:8]} {file_name(preset.name)}"
    write(preset, kept().get(preset.name) or paths.presets_folder() / own)


def rename(old: str, new: str) -> None:
    """Give a kept preset another name; one that has it already is replaced.

    Raises:
        PresetError: it is not there, or cannot be read or written.
    """
    save(replace(read(find(old)), name=new))
    if new != old:
        delete(old)


def delete(name: str) -> None:
    """Remove a kept preset.

    Raises:
        PresetError: it is not there or cannot be removed.
    """
    file = find(name)
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise PresetError(
            _("The preset “{name}” cannot be deleted ({reason}).").format(name=name, reason=error.strerror or error)
        ) from error


def _name(file: Path, told: dict[str, Any]) -> str:
    """The name in a file, or else the file's own."""
    name = told.get("preset")
    if isinstance(name, str):
        name = name.encode("utf-8", "ignore").decode("utf-8")  # half a surrogate pair can be neither shown nor saved
    return clean_name(name if isinstance(name, str) else "") or clean_name(file.stem) or "?"
