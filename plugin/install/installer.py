"""Installs Neural Style, from a bare Python to a first painted picture, and takes it away again without a trace."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import shutil
import signal
import stat
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plugin import __version__
from plugin.install import doctor, engine_env, steps
from plugin.install.steps import StepError, say
from plugin.shared import engine_client, i18n, json_file, log, paths, starter_styles

MENU_ENTRY = "Filters ▸ Artistic ▸ Neural Style Transfer…"

CONTENT = paths.SHIPPED / "samples" / "chelsea.jpg"
STYLE = starter_styles.FOLDER / "hokusai_great_wave.jpg"

_QUALITY, _SIZE = "draft", 256
"""Of the first picture: enough to see that it is painted, soon enough on a computer without a graphics card."""

_NAME = paths.APPLICATION
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")
_log = logging.getLogger("neural-style.install")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the installer as from the command line and return its exit status."""
    i18n.can_be_printed_anywhere()
    options = _parser().parse_args(arguments)
    _let_every_signal_end_what_was_started()
    if options.engine_dir is not None:
        os.environ["NEURAL_STYLE_ENGINE_DIR"] = str(options.engine_dir.expanduser().resolve())
    try:
        steps.refuse_root_for_somebody()
        if options.doctor:
            return doctor.main()
        if options.uninstall:
            uninstall(options.plug_ins)  # without a log, which goes as well
        else:
            log.to_file()
            install(options.plug_ins, options.device, options.link)
    except StepError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; run this again to go on from here.", file=sys.stderr)
        return 130
    except Exception as error:
        log.to_file()
        _log.exception("the installer failed")
        sentence = str(engine_client.unexpected(error))
        if isinstance(error, OSError) and error.filename:
            sentence = f"{error.filename}: {error.strerror}; put that right and run this again."
        print(f"\n{sentence}", file=sys.stderr)
        return 1
    return 0


def install(plug_ins: Path | None, device: str, link: bool) -> None:
    """Bring the engine, the plug-in and the first picture about; what is there already stays.

    Raises:
        StepError: one sentence.
    """
    start = time.monotonic()
    say(f"Neural Style {__version__} for GIMP")
    engine = paths.engine_folder()
    say(f"The engine, in {engine}")
    _remember(engines=[engine])
    changed = engine_env.ensure(engine, device)
    _note_engine(paths.engine_record(), engine, only_if_unusual=True)
    gimp = paths.gimp_console()
    version = "" if gimp is None else doctor.gimp_version(gimp)
    if not version.startswith("3."):
        gimp = None  # GIMP 2 under that name, or something that does not run
    folders = [plug_ins.expanduser().resolve()] if plug_ins else plug_in_folders(gimp, version)
    for folder in folders:
        say(f"The plug-in, in {folder / _NAME}")
        _remember(plug_ins=[folder])
        changed |= _put_plug_in(folder, engine, link)
    if changed or not sample_picture().is_file():
        if gimp is not None and (python := doctor.interpreter(_first_line())).remedy:
            raise StepError(f"{python.found}; {python.remedy}.")
        _paint_sample(gimp, engine, plug_ins)
        print()
        say(f"Done in {time.monotonic() - start:.0f} s. The sample is {sample_picture()}.")
    else:
        print()
        say(f"Nothing was left to do. The sample is {sample_picture()}.")
        say("“python3 install.py --doctor” checks everything.")
    if gimp is None:
        say(f"GIMP 3 was not found on this computer; {_how_to_get_gimp()}.")
    if not folders:
        say("There is no profile of GIMP 3 yet to put the plug-in into: start GIMP once, then run this again.")
        return
    say(f"In GIMP the filter is {MENU_ENTRY}; a GIMP that is open now shows it after a restart.")


def uninstall(plug_ins: Path | None) -> None:
    """Remove everything that installing and using Neural Style has put on this computer, and nothing else."""
    known = _remembered()
    folders = {*map(Path, known["plug_ins"]), *(profile / "plug-ins" for profile in paths.gimp_profiles())}
    for folder in folders | ({plug_ins.expanduser().resolve()} if plug_ins else set()):
        _remove_plug_in(folder)
    for engine in {*map(Path, known["engines"]), paths.engine_folder(), paths.data_folder() / "engine"}:
        if engine_env.is_ours(engine):
            _remove(engine)
    _remove_from(paths.cache_folder(), "clock.json", ".clock.json.*", "peers", "bench")
    _remove_from(paths.log_folder(), f"{_NAME}*.log*")
    _remove_from(paths.data_folder(), "installed.json", "sample.png", "sample.unfinished.png")
    paths.engine_record().unlink(missing_ok=True)
    presets, recent = paths.presets_folder(), paths.recent_styles().name
    if any(presets.glob("*")):
        _remove(paths.recent_styles())
        say(f"Your own presets are still in {presets}.")
    else:
        _remove_from(paths.config_folder(), recent, f".{recent}.*", presets.name)
    say("Neural Style is no longer on this computer; your own pictures and GIMP's settings are untouched.")


def sample_picture() -> Path:
    """Where the installer's first picture is."""
    return paths.data_folder() / "sample.png"


def _let_every_signal_end_what_was_started() -> None:
    """Make a plain kill and a closed terminal interrupt us as Ctrl+C does: the steps' programs do not hear them."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores the latter
            signal.signal(number, signal.default_int_handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Installs Neural Style for GIMP; run it again to repair or upgrade.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--doctor", action="store_true", help="check everything and say what is wrong")
    what.add_argument("--uninstall", action="store_true", help="remove everything that was installed")
    parser.add_argument(
        "--engine-dir", type=Path, metavar="DIR", help="where the engine's environment goes (1 to 12 GB)"
    )
    parser.add_argument(
        "--plug-ins", type=Path, metavar="DIR", help="the plug-ins folder, instead of every GIMP profile's"
    )
    parser.add_argument(
        "--device",
        choices=engine_env.BUILDS,
        default="auto",
        help="the build of PyTorch, instead of the one that fits",
    )
    parser.add_argument(
        "--link", action="store_true", help="link to this folder instead of copying it, for development"
    )
    return parser


def plug_in_folders(gimp: Path | None, version: str) -> list[Path]:
    """The plug-ins folder of every GIMP 3 profile, and that of the GIMP found here even if it has never run.

    None is made before GIMP's own: GIMP sets up a new profile, perhaps from an older GIMP's, only where no folder is in
    the way.
    """
    profiles = paths.gimp_profiles()
    if gimp is not None and "GIMP3_DIRECTORY" not in os.environ:
        own = paths.default_gimp_profile(".".join(version.split(".")[:2]))
        profiles = [*profiles, *([] if own in profiles else [own])]
    if gimp is not None and not all(profile.is_dir() for profile in profiles):
        steps.run(
            "Starting GIMP for the first time",
            [gimp, "-i", "--quit"],
            advice="start GIMP once by hand and see what it says, then run this again",
            timeout=300,
        )
    return [profile / "plug-ins" for profile in profiles]


def _how_to_get_gimp() -> str:
    if paths.has_sandboxed_gimp():
        return "there is a Flatpak or snap of it, in whose sandbox the engine may not start: take your distribution's"
    return "get it from https://www.gimp.org/downloads/"


def _put_plug_in(folder: Path, engine: Path, link: bool) -> bool:
    """Put the plug-in into a plug-ins folder, whole or not at all; return whether it was not there like this before."""
    target, new, old = folder / _NAME, folder / f".{_NAME}.new", folder / f".{_NAME}.old"
    if os.path.lexists(target) and not _is_ours(target):
        raise StepError(f"{target} holds another plug-in; move it elsewhere and run this again.")
    _discard(new)
    new.mkdir(parents=True)
    root = paths.PLUG_IN_ROOT
    entry, first_line = new / f"{_NAME}.py", _first_line(doctor.shebang(target / f"{_NAME}.py"))
    if link:
        try:
            if first_line == doctor.SHEBANGS[0]:
                entry.symlink_to(root / "gimp_entry.py")
            else:
                _write_entry(entry, first_line)
            (new / "plugin").symlink_to(root / "plugin", target_is_directory=True)
        except OSError as error:
            _discard(new)
            raise StepError(f"Links cannot be made in {folder} ({error.strerror}); install without --link.") from error
    else:
        _write_entry(entry, first_line)
        shutil.copytree(root / "plugin", new / "plugin", ignore=_NOT_COPIED)
        shutil.copy2(root / "LICENSE", new)
        _note_engine(new / "engine.json", engine)
    if _contents(new) == _contents(target):
        _discard(new)
        return False
    _discard(old)
    if os.path.lexists(target):
        target.rename(old)
    new.rename(target)
    _discard(old)
    return True


def _write_entry(entry: Path, first_line: str) -> None:
    """Write the file that GIMP runs.

    It gets a new date: GIMP asks a plug-in for its arguments again only when this file is newer than before.
    """
    _, _, rest = (paths.PLUG_IN_ROOT / "gimp_entry.py").read_text(encoding="utf-8").partition("\n")
    entry.write_text(f"{first_line}\n{rest}", encoding="utf-8", newline="\n")
    entry.chmod(entry.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _first_line(present: str = "") -> str:
    """The first line for the plug-in's file with which GIMP gets a Python that has its modules: the present one if it
    does that, and the most general one if none does."""
    candidates = sorted(doctor.SHEBANGS, key=lambda line: line != present)
    return next((line for line in candidates if not doctor.interpreter(line).remedy), doctor.SHEBANGS[0])


def _is_ours(folder: Path) -> bool:
    """Whether a folder of our name has our plug-in in it, whatever its version and even if parts of it are gone."""
    entry = folder / f"{_NAME}.py"
    if entry.is_symlink() and entry.readlink().name == "gimp_entry.py":  # perhaps into a checkout that is gone
        return True
    for file, mark in (
        (entry, "from plugin.gimp import"),
        (folder / "plugin" / "__init__.py", "Neural Style for GIMP"),
    ):
        with contextlib.suppress(OSError, ValueError):
            if mark in file.read_text(encoding="utf-8"):
                return True
    return folder.is_dir() and not any(folder.iterdir())


def _contents(folder: Path) -> dict[str, bytes | str | tuple[bytes, int]]:
    """Everything in a plug-in's folder that matters, to tell whether two are the same."""
    found: dict[str, bytes | str | tuple[bytes, int]] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and "__pycache__" not in path.parts:
            found[name] = (path.read_bytes(), path.stat().st_mode & stat.S_IXUSR)
    return found


def _note_engine(record: Path, engine: Path, *, only_if_unusual: bool = False) -> None:
    """Write where the engine is into the file that tells the plug-in."""
    if only_if_unusual and engine == paths.data_folder() / "engine":
        with contextlib.suppress(OSError):
            record.unlink(missing_ok=True)
        return
    record.write_text(json.dumps({"engine_dir": str(engine)}), encoding="utf-8")


def _paint_sample(gimp: Path | None, engine: Path, plug_ins: Path | None) -> None:
    """Do the main job once, through GIMP where there is one."""
    out = sample_picture()
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name("sample.unfinished.png")
    start = time.monotonic()
    if gimp is not None:
        say(f"A first picture, through {gimp.name}")
        code = f"self_check.paint({str(CONTENT)!r}, {str(STYLE)!r}, {str(unfinished)!r}, {_QUALITY!r}, {_SIZE})"
        _in_gimp(gimp, code, plug_ins)
    else:
        say("A first picture, through the engine alone")
        pictures: list[str | Path] = [CONTENT, STYLE, "-o", unfinished, "--quality", _QUALITY, "--size", str(_SIZE)]
        steps.run(
            "Painting",
            [paths.python_of(engine), "-m", "plugin", "stylize", *pictures],
            cwd=paths.PLUG_IN_ROOT,
            env=engine_client.environment() | {"NEURAL_STYLE_ENGINE_DIR": str(engine)},
            advice="run “python3 install.py --doctor” to see what is wrong",
            timeout=1800,
        )
    unfinished.replace(out)
    _log.info("the sample took %.1f s", time.monotonic() - start)


def _in_gimp(gimp: Path, code: str, plug_ins: Path | None) -> None:
    """Run the sample in GIMP; where that fails, find the sentence in what GIMP said.

    Raises:
        StepError: that sentence.
    """
    output: list[str] = []

    def keep(line: str) -> None:
        output.append(line)

    try:
        steps.run(
            "Painting",
            doctor.gimp_batch(gimp, code),
            env=doctor.gimp_environment(gimp),
            condense=keep,
            advice="run “python3 install.py --doctor” to see what is wrong",
            timeout=1800,
        )
    except StepError as error:
        reasons = [line.partition("RuntimeError: ")[2] for line in output if line.startswith("RuntimeError: ")]
        if not reasons:
            raise
        advice = ""
        if plug_ins is not None:
            advice = f" Does GIMP look into {plug_ins}? See Edit ▸ Preferences ▸ Folders ▸ Plug-ins."
        raise StepError(f"{reasons[-1]}{advice} There is more in {log.file()}.") from error


def _remember(**found: list[Path]) -> None:
    """Keep in mind what was put where, for uninstalling."""
    known = _remembered()
    for kind, folders in found.items():
        known[kind] = sorted({*known[kind], *map(str, folders)})
    record = paths.data_folder() / "installed.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(known), encoding="utf-8")


def _remembered() -> dict[str, list[str]]:
    """What was put where; what cannot be understood is passed over."""
    try:
        known = json_file.read(paths.data_folder() / "installed.json")
    except (OSError, ValueError, RecursionError):
        known = {}
    return {kind: _paths(known.get(kind) if isinstance(known, dict) else None) for kind in ("engines", "plug_ins")}


def _paths(value: Any) -> list[str]:
    """Those of some values that can be paths in full."""
    found = []
    for path in value if isinstance(value, list) else []:
        with contextlib.suppress(TypeError, ValueError):
            if Path(path).is_absolute() and b"\0" not in os.fsencode(path):
                found.append(path)
    return found


def _remove_plug_in(folder: Path) -> None:
    """Remove the plug-in from a plug-ins folder, GIMP's memory of its settings, and what is empty without it."""
    target, new, old = folder / _NAME, folder / f".{_NAME}.new", folder / f".{_NAME}.old"
    for unfinished in (new, old):
        _discard(unfinished)
    if os.path.lexists(target) and not _is_ours(target):
        say(f"  {target} is not this plug-in, and is left alone.")
        return
    if os.path.lexists(target):
        target.rename(old)  # so that it is known as ours even if this is interrupted
        say(f"  Removing {target}")
        _discard(old)
    for procedure in (f"plug-in-{_NAME}", f"plug-in-{_NAME}-restyle"):
        for remembered in (folder.parent / "plug-in-settings").glob(f"*{procedure}.*"):
            _remove(remembered)
    for empty in (folder, folder.parent, folder.parent.parent):
        if not empty.is_dir() or any(empty.iterdir()):
            break
        empty.rmdir()


def _remove_from(folder: Path, *ours: str) -> None:
    """Remove what is ours from a folder of our name, and that too unless another program of this name uses it."""
    for pattern in ours:
        for path in sorted(folder.glob(pattern)):
            _discard(path)
    if folder.is_dir() and any(folder.iterdir()):
        say(f"  {folder} has something else in it, and is left.")
    else:
        _remove(folder)


def _remove(path: Path) -> None:
    if path.exists() or path.is_symlink():
        say(f"  Removing {path}")
        _discard(path)


def _discard(path: Path) -> None:
    """Delete a file, a link or a folder, whether it is there or not."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
