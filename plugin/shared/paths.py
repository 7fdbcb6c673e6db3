"""Where things live on each operating system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from plugin.shared import json_file

APPLICATION = "neural-style"

PLUG_IN_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package: a checkout of the project, or the plug-in's folder in a GIMP profile."""

SHIPPED = PLUG_IN_ROOT / "plugin" / "data"
"""What comes with the plug-in and is no code: starter styles, samples, translations."""


def data_folder() -> Path:
    """The folder for what the installer puts on disk for this user.

    ``$XDG_DATA_HOME/neural-style``, ``%LOCALAPPDATA%\\neural-style`` or ``~/Library/Application Support/neural-style``.
    """
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / APPLICATION
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APPLICATION
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / APPLICATION


def cache_folder() -> Path:
    """The folder for what can be made again at any time."""
    if sys.platform == "win32":
        return data_folder() / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / APPLICATION
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / APPLICATION


def config_folder() -> Path:
    """The folder for what a person has made or chosen here."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / APPLICATION
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Preferences" / APPLICATION
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / APPLICATION


def presets_folder() -> Path:
    """The folder of the person's own presets."""
    return config_folder() / "presets"


def recent_styles() -> Path:
    """The file that remembers which styles were used."""
    return config_folder() / "styles.json"


def log_folder() -> Path:
    """The folder of the logs, one file a process: :func:`plugin.shared.log.file`."""
    if sys.platform == "win32":
        return data_folder() / "Logs"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Logs" / APPLICATION
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / APPLICATION


def engine_record() -> Path:
    """The file beside the plug-in in which the installer notes an engine folder that is not the default one."""
    return PLUG_IN_ROOT / "engine.json"


def engine_folder() -> Path:
    """The folder of the engine's virtual environment.

    ``$NEURAL_STYLE_ENGINE_DIR`` wins, then what the installer noted in :func:`engine_record`, then the default.
    """
    if chosen := os.environ.get("NEURAL_STYLE_ENGINE_DIR"):
        return Path(chosen).absolute()  # an engine is started in another folder than this one
    try:
        return Path(json_file.read(engine_record())["engine_dir"])
    except (OSError, ValueError, KeyError, TypeError):
        return data_folder() / "engine"


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment, whether it exists or not."""
    return environment / "Scripts" / "python.exe" if sys.platform == "win32" else environment / "bin" / "python"


def gimp_profiles() -> list[Path]:
    """Every GIMP 3 profile folder of this user, the newest version first; none where GIMP has not run yet."""
    if chosen := os.environ.get("GIMP3_DIRECTORY"):
        return [Path(chosen)]
    if not (base := _gimp_base()).is_dir():
        return []
    versions = [path for path in base.glob("3.*") if path.is_dir() and path.name[2:].isdigit()]
    return sorted(versions, key=lambda path: int(path.name[2:]), reverse=True)


def default_gimp_profile(version: str) -> Path:
    """The profile that a GIMP of a version, such as 3.0, will make when it runs for the first time."""
    return _gimp_base() / version


def gimp_console() -> Path | None:
    """GIMP 3's executable, the newest version and the one without a window first; None where there is none.

    The PATH comes first, then the places where the installers of macOS and Windows put it.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    if sys.platform == "darwin":
        folders += [Path("/Applications/GIMP.app/Contents/MacOS"), Path.home() / "Applications/GIMP.app/Contents/MacOS"]
    if sys.platform == "win32":
        programs = [
            os.environ.get("PROGRAMFILES", r"C:\Program Files"),
            os.environ.get("LOCALAPPDATA", "") + r"\Programs",
        ]
        folders += [Path(folder) / "GIMP 3" / "bin" for folder in programs]
    suffix = ".exe" if sys.platform == "win32" else ""
    unversioned = [""] if sys.platform == "darwin" else []  # elsewhere that name may be GIMP 2's
    for name in ("gimp-console", "gimp"):
        for version in ("-3.2", "-3.0", "-3", *unversioned):
            for folder in folders:
                if os.access(path := folder / f"{name}{version}{suffix}", os.X_OK):
                    return path
    return None


def has_sandboxed_gimp() -> bool:
    """Whether there is a GIMP in a sandbox, a Flatpak or a snap, with another Python than this computer's."""
    flatpaks = (Path("/var/lib/flatpak"), Path.home() / ".local" / "share" / "flatpak")
    return any(path.is_dir() for path in (*(each / "app" / "org.gimp.GIMP" for each in flatpaks), Path("/snap/gimp")))


def is_in_flatpak() -> bool:
    """Whether this process runs in a Flatpak's sandbox."""
    return Path("/.flatpak-info").exists()


def _gimp_base() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "GIMP"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "GIMP"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "GIMP"
