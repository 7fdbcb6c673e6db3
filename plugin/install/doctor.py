"""Looks at every part that has to work together and says what is found, what is wrong, and what to do."""

from __future__ import annotations

import hashlib
import math
import os
import re
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plugin import __version__
from plugin.install import engine_env, steps
from plugin.shared import engine_client, log, paths
from plugin.shared.protocol import Job, Picture, Result, Style
from plugin.shared.settings import Settings

WEIGHTS = Path(__file__).resolve().parents[1] / "engine" / "weights" / "vgg16_features.pt"
WEIGHTS_SHA256 = "ffd4ff0d19f78ae7a3c40a93c352b22ac5d591e000129f195e39e01bd23372ce"

_AGAIN = "run “python3 install.py” again"
_MODULES = "install GIMP's modules for Python (python3-gi and gir1.2-gimp-3.0 on Debian and Ubuntu)"
_GIMP_SECONDS, _PYTHON_SECONDS = 180.0, 60.0

SHEBANGS = ("#!/usr/bin/env python3", "#!/usr/bin/python3")
"""The first lines that the plug-in's file can have. The first one suits every GIMP that shares a profile, a Flatpak's
and an AppImage's as well, but depends on the PATH; the second one suits those that come with the system."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``remedy`` is empty where all is well."""

    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{'WRONG' if self.remedy else 'OK':5}  {self.subject:12} {self.found}"
        return f"{line}; {self.remedy}." if self.remedy else line


def main() -> int:
    """Print the report; the exit status is 1 when something is wrong."""
    try:
        steps.refuse_root_for_somebody()
    except steps.StepError as error:
        print(error, file=sys.stderr)
        return 1
    log.to_file()
    print(f"Neural Style {__version__} for GIMP")
    wrong = 0
    for finding in findings():
        print(finding, flush=True)
        wrong += bool(finding.remedy)
    print(f"The log is {log.file()}.")
    if wrong:
        print(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
    return 1 if wrong else 0


def findings() -> Iterator[Finding]:
    """Every check in turn, the ones that others depend on first."""
    gimp = paths.gimp_console()
    yield _gimp(gimp)
    yield from _plug_ins(gimp)
    if gimp is not None:
        yield _menu_entry(gimp)
    folder = paths.engine_folder()
    yield _weights()
    there = _environment(folder)
    yield there
    if not there.remedy:
        yield _torch(folder)
        yield from _engine()


def gimp_version(gimp: Path) -> str:
    """What a GIMP executable says of itself: ``3.0.4``; empty where it says nothing."""
    try:
        said = steps.ask([gimp, "--version"], timeout=_GIMP_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+\.\d+\.\d+\S*", said.stdout)
    return found[0] if found else ""


def gimp_environment(gimp: Path) -> dict[str, str]:
    """The variables with which :func:`gimp_batch` works.

    GIMP's own Python plug-ins run in the first ``python3`` of the PATH; what interprets our code is one of them.
    """
    variables = engine_client.environment()
    variables["PATH"] = os.pathsep.join([str(gimp.parent), variables.get("PATH", "")])
    return variables


def shebang(entry: Path) -> str:
    """The first line of the plug-in's file that GIMP runs; empty where it cannot be read."""
    try:
        return entry.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def interpreter(line: str) -> Finding:
    """Whether the Python that a first line of the plug-in's file means can load the plug-in.

    On Linux GIMP leaves it to the system to run that file, in an environment that is GIMP's own; so nothing of it is
    changed here, the PATH least of all, on which another python3 may come before the one that knows GIMP's modules.
    """
    if sys.platform in ("win32", "darwin"):
        return Finding("Python", "GIMP's own")
    command = line.removeprefix("#!").split()
    code = (
        "import sys; print(sys.executable, flush=True); sys.dont_write_bytecode = True; "
        "sys.version_info < (3, 10) and sys.exit('Error: it is older than 3.10'); "
        f"sys.path.insert(0, {str(paths.PLUG_IN_ROOT)!r}); import plugin.gimp.procedure"
    )
    try:
        asked = steps.ask([*command, "-c", code], stderr=subprocess.STDOUT, timeout=_PYTHON_SECONDS)
        said, is_fine = asked.stdout.splitlines(), asked.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, is_fine = [str(error)], False
    if is_fine:
        return Finding("Python", f"{said[0]} loads GIMP's modules")
    python = said[0] if len(said) > 1 else " ".join(command)
    reason = said[-1].partition(": ")[2] or said[-1] if said else "it ends without a word"
    found = f"GIMP would run the plug-in with {python}, which cannot load GIMP's modules ({reason})"
    gets_round = line != SHEBANGS[-1] and not interpreter(SHEBANGS[-1]).remedy
    return Finding("Python", found, _AGAIN if gets_round else _MODULES)


def gimp_batch(gimp: Path, code: str) -> list[str]:
    """The command line that runs code in GIMP without a window, with :mod:`plugin.gimp.self_check` imported."""
    root = str(paths.PLUG_IN_ROOT)
    batch = f"import sys; sys.path.insert(0, {root!r}); from plugin.gimp import self_check; {code}"
    return [str(gimp), "-i", "--quit", "--batch-interpreter=python-fu-eval", "-b", batch]


def _gimp(gimp: Path | None) -> Finding:
    if gimp is None:
        return Finding(
            "GIMP", "GIMP 3 is not on the PATH", "install it from https://www.gimp.org/downloads/ or your distribution"
        )
    version = gimp_version(gimp)
    if not version.startswith("3."):
        return Finding("GIMP", f"{gimp} says {version or 'nothing'}", "Neural Style needs GIMP 3")
    return Finding("GIMP", f"{version}, {gimp}")


def _plug_ins(gimp: Path | None) -> Iterator[Finding]:
    """For each profile, whether the plug-in is there, is this version, and gets the Python that it needs."""
    profiles = paths.gimp_profiles()
    if not profiles:
        yield Finding("Profile", "GIMP has no profile yet", _AGAIN)
    for profile in profiles:
        yield Finding("Profile", str(profile))
        folder = profile / "plug-ins" / paths.APPLICATION
        entry = folder / f"{paths.APPLICATION}.py"
        if not entry.is_file():
            yield Finding("Plug-in", f"not in {folder}", _AGAIN)
        elif sys.platform != "win32" and not os.access(entry, os.X_OK):
            yield Finding("Plug-in", f"{entry} is not executable, so GIMP passes it by", _AGAIN)
        elif shebang(entry) not in SHEBANGS:
            yield Finding("Plug-in", f"{entry} is of another version or damaged", _AGAIN)
        elif differing := _first_difference(folder / "plugin"):
            yield Finding("Plug-in", f"{folder / 'plugin' / differing} is of another version or damaged", _AGAIN)
        else:
            yield Finding("Plug-in", str(folder))
            if gimp is not None:
                yield interpreter(shebang(entry))


def _first_difference(installed: Path) -> str | None:
    """The first file of this package that an installed one lacks or has otherwise."""
    package = Path(__file__).resolve().parents[1]
    for path in sorted(package.rglob("*")):
        name = path.relative_to(package).as_posix()
        if path.is_file() and "__pycache__" not in path.parts:
            try:
                if (installed / name).read_bytes() != path.read_bytes():
                    return name
            except OSError:
                return name
    return None


def _menu_entry(gimp: Path) -> Finding:
    """Ask GIMP itself, as a person would start it, whether it knows the filter; in Script-Fu, which needs no Python."""
    question = f'(if (defined? \'plug-in-{paths.APPLICATION}) (display 1) (error "not loaded"))'
    command = [str(gimp), "-i", "--quit", "--batch-interpreter=plug-in-script-fu-eval", "-b", question]
    try:
        asked = steps.ask(command, stderr=subprocess.STDOUT, timeout=_GIMP_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("In GIMP", f"GIMP does not start ({error})", "start it by hand and see what it says")
    if asked.returncode:
        not_loaded = "Error: not loaded" in asked.stdout
        reason = "GIMP started but did not load the filter" if not_loaded else asked.stdout.strip().rstrip(".")
        return Finding("In GIMP", reason or "GIMP failed without a word", _AGAIN)
    return Finding("In GIMP", "the filter is in the menu Filters ▸ Artistic")


def _environment(folder: Path) -> Finding:
    python = paths.python_of(folder)
    if not os.path.lexists(python):
        return Finding("Environment", f"nothing in {folder}", _AGAIN)
    if wrong := engine_env.fault(folder):
        return Finding("Environment", wrong, _AGAIN)
    if broken := engine_env.damaged(folder):
        return Finding("Environment", f"files of {', '.join(broken)} are missing or damaged", _AGAIN)
    return Finding("Environment", str(folder))


def _torch(folder: Path) -> Finding:
    found = engine_env.versions(folder)
    if lacking := engine_env.missing(folder):
        return Finding("PyTorch", f"the environment lacks {', '.join(lacking)}", _AGAIN)
    build = engine_env.installed_build(folder)
    return Finding("PyTorch", f"torch {found['torch']}, torchvision {found['torchvision']}, built for {build}")


def _weights() -> Finding:
    try:
        right = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == WEIGHTS_SHA256
    except OSError as error:
        return Finding("Weights", f"{WEIGHTS}: {error.strerror}", "get Neural Style anew")
    if not right:
        return Finding("Weights", f"{WEIGHTS} is not the published file", "get Neural Style anew")
    return Finding("Weights", "VGG-16, as published")


def _engine() -> Iterator[Finding]:
    """Start an engine and let it paint a small picture."""
    try:
        with engine_client.Engine() as engine:
            yield _device(engine.hello.devices)
            yield _round_trip(engine)
    except engine_client.EngineError as error:
        yield Finding("Engine", str(error).rstrip("."), _AGAIN)


def _device(devices: dict[str, str]) -> Finding:
    kind, name = next(iter(devices.items()))
    wanted = engine_env.choose_build("auto")
    if kind == "cpu" and wanted.kind in ("cuda", "rocm", "xpu"):
        remedy = f"update the graphics driver and {_AGAIN}"
        return Finding("Device", f"there is {wanted.reason}, but PyTorch only finds the CPU ({name})", remedy)
    return Finding("Device", f"{name} ({kind})")


def _round_trip(engine: engine_client.Engine) -> Finding:
    size = 64
    job = Job(0, _pattern(size, 5), [Style(_pattern(size, 3))], Settings(quality="draft", size=size))
    start = time.monotonic()
    result = next(event for event in engine.run(job) if isinstance(event, Result))
    pixels = array("f", bytes(result.picture.pixels))
    if not all(math.isfinite(value) and -0.01 <= value <= 1.01 for value in pixels):
        return Finding("Engine", "it painted something that is no picture", "try --device cpu")
    return Finding("Engine", f"painted {size} × {size} pixels in {time.monotonic() - start:.1f} s")


def _pattern(size: int, waves: int) -> Picture:
    """A small picture with something in it: soft colored waves."""
    pixels = array("f")
    for y in range(size):
        for x in range(size):
            angle = 2 * math.pi * waves / size
            pixels.extend(
                (
                    0.5 + 0.4 * math.sin(x * angle),
                    0.5 + 0.4 * math.sin(y * angle),
                    0.5 + 0.4 * math.sin((x + y) * angle),
                    1,
                )
            )
    return Picture(size, size, pixels.tobytes())
