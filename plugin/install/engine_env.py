"""The engine's virtual environment: which PyTorch fits this computer, making it, checking it, repairing it."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import importlib.util
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plugin.install import steps
from plugin.install.steps import StepError
from plugin.shared import json_file, paths

REQUIREMENTS = Path(__file__).resolve().parents[1] / "engine" / "requirements.txt"

BUILDS = ("auto", "cpu", "cuda", "rocm", "xpu", "mps")
"""What can be asked for; auto looks at the computer."""

_MARK = "neural-style-engine.json"
"""The file that tells one of our environments from a folder that is somebody else's."""

_INDEX = "https://download.pytorch.org/whl/"
_TOGETHER = ("torch", "torchvision")
"""These two only work when they come from the same place: they share compiled code."""

_ANSWER_SECONDS = 20.0

_log = logging.getLogger("neural-style.install")


@dataclass(frozen=True)
class Build:
    """A build of PyTorch.

    ``kind`` is one of :data:`BUILDS` but auto; ``index`` is the part of PyTorch's index that has it, None where the
    default registry does; ``reason`` says why it was chosen; ``gigabytes`` is the disk space it takes while it is
    installed.
    """

    kind: str
    index: str | None
    reason: str
    gigabytes: int


def choose_build(kind: str) -> Build:
    """The build of PyTorch for this computer, or of the given kind.

    Raises:
        StepError: there is no such build for this operating system.
    """
    if sys.platform == "darwin":
        return Build("mps", None, "a Mac", 3)
    if kind == "mps":
        raise StepError("MPS is the graphics processor of a Mac, and this is none; leave out --device.")
    nvidia = _nvidia_driver() if kind in ("auto", "cuda") else None
    if nvidia or kind == "cuda":
        driver, capability = nvidia or (0, None)
        return _cuda_build(driver, capability)
    rocm = _rocm_version() if kind in ("auto", "rocm") else None
    if rocm or kind == "rocm":
        index = "rocm6.4" if rocm and rocm < 7 else "rocm7.2"
        return Build("rocm", index, f"AMD ROCm {rocm}" if rocm else "as asked", 25)
    if kind == "xpu" or (kind == "auto" and _has_intel_gpu()):
        return Build("xpu", "xpu", "an Intel graphics card" if kind == "auto" else "as asked", 12)
    return Build("cpu", "cpu", "as asked" if kind == "cpu" else "no graphics card that PyTorch knows", 4)


def _cuda_build(driver: int, capability: float | None) -> Build:
    """The newest CUDA that an NVIDIA driver's major version runs and that still knows the card."""
    if driver and driver < 525:
        return Build("cpu", "cpu", f"NVIDIA's driver {driver} is too old for PyTorch; 525 is the first that works", 4)
    reason = f"NVIDIA driver {driver}" if driver else "as asked"
    if driver >= 580 and (capability is None or capability >= 7.5):
        return Build("cuda", "cu130", reason, 12)
    if driver >= 570 and (capability is None or capability >= 7.5):
        return Build("cuda", "cu128", reason, 12)
    return Build("cuda", "cu126", reason, 12)


def _nvidia_driver() -> tuple[int, float | None] | None:
    """The major version of NVIDIA's driver and the first card's compute capability; None where there is no card."""
    query = ["nvidia-smi", "--query-gpu=driver_version,compute_cap", "--format=csv,noheader"]
    for line in _output(query).splitlines():
        if found := re.match(r"(\d+)\.[\d.]+, *(\d+\.\d+)?", line):
            return int(found[1]), float(found[2]) if found[2] else None
    try:
        version = Path("/proc/driver/nvidia/version").read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"\s(\d{3})\.\d+", version)
    return (int(found[1]), None) if found and any(Path("/proc/driver/nvidia/gpus").glob("*")) else None


def _rocm_version() -> int | None:
    """The major version of ROCm, where there is an AMD card for it."""
    if not Path("/dev/kfd").exists():
        return None
    for file in (Path("/opt/rocm/.info/version"), *Path("/opt").glob("rocm-*/.info/version")):
        if file.is_file() and (found := re.match(r"\d+", file.read_text(errors="replace"))):
            return int(found[0])
    return 6 if "gfx" in _output(["rocminfo"]) else None


def _has_intel_gpu() -> bool:
    """Whether a card runs on Intel's driver for its discrete ones and the runtime that PyTorch needs is there."""
    drivers = (os.path.realpath(link) for link in Path("/sys/class/drm").glob("card*/device/driver"))
    runtime = any(
        any(Path(folder).glob("**/libze_intel_gpu.so*")) for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib64")
    )
    return any(Path(driver).name == "xe" for driver in drivers) and runtime


def _output(command: list[str]) -> str:
    try:
        return steps.ask(command, timeout=_ANSWER_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def is_ours(folder: Path) -> bool:
    """Whether a folder is an environment that this module made, finished or not."""
    return (folder / _MARK).is_file()


def ensure(folder: Path, kind: str) -> bool:
    """Make, repair or upgrade the environment; return whether anything had to be done.

    Raises:
        StepError: one sentence.
    """
    if folder.is_dir() and any(folder.iterdir()) and not is_ours(folder):
        raise StepError(f"{folder} holds something else; choose an empty or new folder with --engine-dir.")
    build = choose_build(kind)
    wrong = fault(folder)
    fresh = bool(wrong)
    if fresh:
        if os.path.lexists(paths.python_of(folder)):
            steps.say(f"  {wrong}; it is made anew.")
        _make(folder)
    broken = [] if fresh else damaged(folder)
    if broken:
        _take_out(folder, broken)
    lacking = missing(folder)
    other = installed_build(folder) not in (None, build.kind) and (
        build.kind in ("cuda", "rocm", "xpu") or (kind == "cpu" and _offers_torch(folder, _at(build)))
    )
    if not (lacking or broken or other):
        return fresh
    steps.say(f"  PyTorch for {build.kind.upper()}: {build.reason}.")
    if broken or other or any(_name(line) in _TOGETHER for line in lacking):
        _install_torch(folder, build, anew=other)
    pip(folder, "Installing what the engine needs", ["install", "-r", str(REQUIREMENTS)])
    _verify(folder)
    shutil.rmtree(_pip_cache(folder), ignore_errors=True)
    return True


def damaged(folder: Path) -> list[str]:
    """The packages of an environment that lack a file or have one of the wrong size."""
    return sorted(name for name, _version, info in _packages(folder) if not _is_whole(info))


def _is_whole(info: Path) -> bool:
    try:
        record = (info / "RECORD").read_text(encoding="utf-8")
        sizes = {path: size for path, _hash, size in csv.reader(record.splitlines())}
        return all(not size or _size(info.parent / path) == int(size) for path, size in sizes.items())
    except (OSError, ValueError, csv.Error):  # its installation was interrupted, or the file is garbage
        return False


def _packages(folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Name, version and description of every package in an environment, whatever the description has in it."""
    for site in site_packages(folder):
        for info in site.glob("*.dist-info"):
            name, _, version = info.stem.partition("-")
            if name := _name(name):  # pip renames what it is about to remove, to ~name
                yield name, version, info


def versions(folder: Path) -> dict[str, str]:
    """The version of every package in an environment, by its name in small letters with dashes."""
    return {name: version for name, version, _info in _packages(folder)}


def missing(folder: Path) -> list[str]:
    """The requirements, lines of the form ``name[extra]>=version,<version``, that an environment does not meet."""
    found = versions(folder)
    return [line for line in _requirements() if not _meets(found.get(_name(line)), line)]


def _meets(version: str | None, requirement: str) -> bool:
    if version is None:
        return False
    bounds = re.findall(r"(>=|<)\s*([\d.]+)", requirement)
    return all((_numbers(version) < _numbers(bound)) == (sign == "<") for sign, bound in bounds)


def python_version(folder: Path) -> str:
    """The version of an environment's Python: ``3.11``; empty where it does not run."""
    return _output([str(paths.python_of(folder)), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()


def site_packages(folder: Path) -> list[Path]:
    """The folders that an environment's packages are in."""
    if sys.platform == "win32":
        return [folder / "Lib" / "site-packages"]
    return list(folder.glob("lib/python3*/site-packages"))


def runs(folder: Path) -> bool:
    """Whether the environment's interpreter starts and finds the environment's own packages."""
    return not fault(folder)


def fault(folder: Path) -> str:
    """What keeps the environment's interpreter from the environment's packages, in words; empty where nothing does.

    The system may have put another version of Python into the place of the one that the environment was made with.
    """
    python = paths.python_of(folder)
    code = "import sysconfig; print(sysconfig.get_path('purelib'), flush=True); import pip"
    try:
        asked = steps.ask([python, "-c", code], timeout=_ANSWER_SECONDS)
    except OSError as error:
        return f"{python} does not run ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"{python} does not answer"
    if not (looks_into := asked.stdout.strip()):
        return f"{python} does not run"
    theirs = site_packages(folder)
    made_for, now = sorted(map(_its_python, theirs)), _its_python(Path(looks_into))
    if theirs and made_for != [now]:
        return f"{folder} was made for {' and '.join(made_for)} and runs {now} now"
    if asked.returncode or [path.resolve() for path in theirs] != [Path(looks_into).resolve()]:
        return f"{python} does not see the packages of {folder}"
    return ""


def _its_python(packages: Path) -> str:
    """What the name of a folder of packages says of its Python: ``Python 3.12``; nothing of use on Windows."""
    return packages.parent.name.replace("python", "Python ")


def _make(folder: Path) -> None:
    """Make an empty environment; one whose Python is gone or was replaced by another version is made anew."""
    if importlib.util.find_spec("ensurepip") is None:
        raise StepError(
            "This Python comes without its “venv” part; install it (“sudo apt install python3-venv” on Debian and "
            "Ubuntu) and run this again."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = {"python": sys.version.split()[0], "requirements": hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}
        json_file.write(folder / _MARK, mark)
    except OSError as error:
        raise StepError(f"{folder} cannot be written ({error.strerror}); choose another with --engine-dir.") from error
    for part in ("bin", "Scripts", "lib", "lib64", "Lib", "include", "Include", "pyvenv.cfg"):
        path = folder / part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    steps.run(
        "Making the engine's environment",
        [_base_python(), "-m", "venv", folder],
        advice="try another Python, 3.10 or later",
    )


def _base_python() -> str:
    """The interpreter to build on: not that of another virtual environment, which may be deleted."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _install_torch(folder: Path, build: Build, *, anew: bool) -> None:
    """Install torch and torchvision in one go from one index: PyTorch's where it can be reached, else the default."""
    wanted = [line for line in _requirements() if _name(line) in _TOGETHER]
    command = ["install", *(["--force-reinstall"] if anew else []), *wanted]
    if build.index is not None:
        index = _at(build)
        if _offers_torch(folder, index):
            _check_space(folder, build.gigabytes)
            try:
                pip(folder, "Installing PyTorch", [*command, *index], only_this_index=True)
                return
            except StepError:
                steps.say("  PyTorch's own index failed.")
        larger = "; the download is larger, about 3 GB" if build.kind == "cpu" and sys.platform == "linux" else ""
        steps.say(f"  PyTorch's own index cannot be used from here: taking it from the default registry{larger}.")
    _check_space(folder, 9 if sys.platform == "linux" else build.gigabytes)
    pip(folder, "Installing PyTorch", command)


def _at(build: Build) -> list[str]:
    """For pip: PyTorch's own index of a build."""
    return ["--index-url", f"{_INDEX}{build.index}"]


def _offers_torch(folder: Path, index: list[str]) -> bool:
    """Whether an index answers and has a torch for this Python; installing from a dead one would try for minutes."""
    question = [*_pip_command(folder), "index", "versions", "torch", *index, "--retries", "0", "--timeout", "15"]
    try:
        asked = steps.ask(
            question, env=_pip_environment(folder, only_this_index=True), stderr=subprocess.STDOUT, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired):
        _log.exception("no word from %s", index)
        return False
    _log.info("%s: %s", " ".join(question), asked.stdout.strip())
    return asked.returncode == 0


def _take_out(folder: Path, names: list[str]) -> None:
    """Delete damaged packages, so that installing brings them back; both of the pair if one is damaged."""
    steps.say(f"  Damaged, and made anew: {', '.join(names)}.")
    if "pip" in names:
        _make(folder)
        return
    if set(names) & set(_TOGETHER):
        names = [*names, *_TOGETHER]
    for site in site_packages(folder):
        for info in site.glob("*.dist-info"):
            if _name(info.name.partition("-")[0]) in names:
                _delete_recorded_files(info, folder)
                shutil.rmtree(info)


def _delete_recorded_files(info: Path, folder: Path) -> None:
    with contextlib.suppress(OSError, ValueError, csv.Error):  # the record is not there or garbage
        for path, *_ in csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines()):
            if (file := (info.parent / path).resolve()).is_relative_to(folder.resolve()):
                file.unlink(missing_ok=True)


def pip(folder: Path, title: str, arguments: list[str], *, only_this_index: bool = False) -> None:
    """Run pip in the environment as one step, with its progress condensed to one line."""
    command = _pip_command(folder)
    if "install" in arguments:
        arguments = [*arguments, "--cache-dir", str(_pip_cache(folder))]
        if _pip_version(folder) >= (24, 1):
            arguments += ["--progress-bar", "raw"]
    advice = "check the network connection and the free disk space, then run this again"
    if sys.version_info >= (3, 15):
        advice = "PyTorch may have no build for this Python yet: try an older one, 3.10 or later"
    environment = _pip_environment(folder, only_this_index=only_this_index)
    steps.run(title, [*command, *arguments], advice=advice, condense=_Condenser(), env=environment)


class _Condenser:
    """Turns pip's lines into the few words worth showing."""

    def __init__(self) -> None:
        self._download = ""

    def __call__(self, line: str) -> str | None:
        if found := re.match(r"\s*(?:Downloading|Using cached) (\S+?)-(\d\S*?)-\S+(?: \((.*)\))?", line):
            size = f" ({found[3]})" if found[3] else ""
            self._download = f"downloading {found[1].rpartition('/')[2]} {found[2]}{size}"
            return self._download
        if found := re.match(r"Progress (\d+) of (\d+)", line):
            return f"{self._download}, {100 * int(found[1]) // max(int(found[2]), 1)} %"
        if found := re.match(r"Collecting ([\w.-]+)", line):
            return f"looking for {found[1]}"
        if line.startswith("Installing collected packages:"):
            return f"unpacking {line.count(',') + 1} packages"
        return None


def _pip_command(folder: Path) -> list[str]:
    return [str(paths.python_of(folder)), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _pip_version(folder: Path) -> tuple[int, ...]:
    return _numbers(versions(folder).get("pip", "0"))


def _pip_cache(folder: Path) -> Path:
    """What was downloaded in full survives an interrupted installation here, and is deleted after a finished one.

    It is on the disk that was chosen for the environment, and may need as much of it.
    """
    return folder / "pip-cache"


def _pip_environment(folder: Path, *, only_this_index: bool) -> dict[str, str]:
    """The variables for pip. ``only_this_index`` hides every other place for packages that pip was configured with.

    Without that, a torch from one place could meet a torchvision from another.
    """
    temporary = _pip_cache(folder) / "tmp"  # the system's may be a small disk in memory
    temporary.mkdir(parents=True, exist_ok=True)
    ours = dict(os.environ) | {"PYTHONUNBUFFERED": "1", "PYTHONNOUSERSITE": "1"}
    ours |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    for name in ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV"):
        ours.pop(name, None)
    if not only_this_index:
        return ours
    for line in _output([*_pip_command(folder), "config", "list"]).splitlines():
        name, _, value = line.partition("=")
        if (option := name.rpartition(".")[2]) in ("proxy", "cert", "client-cert", "trusted-host"):
            ours["PIP_" + option.upper().replace("-", "_")] = " ".join(shlex.split(value))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT"):
        ours.pop(name, None)
    return ours | {"PIP_CONFIG_FILE": os.devnull}


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free / 1e9
    if free < needed:
        raise StepError(
            f"{folder} has {free:.0f} GB of free disk space and the engine needs about {needed} GB while it is "
            "installed; make room, or choose another folder with --engine-dir."
        )


def _verify(folder: Path) -> None:
    """Load everything once, and call what is compiled in both torch and torchvision."""
    code = (
        "import torch, torchvision, numpy, PIL, pyvips\n"
        "torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)\n"
        "print(torch.__version__, torchvision.__version__)\n"
    )
    steps.run(
        "Loading PyTorch",
        [paths.python_of(folder), "-c", code],
        advice="run “python3 install.py --uninstall” and then “python3 install.py” to begin anew",
    )


def _requirements() -> list[str]:
    lines = (line.strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _name(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def installed_build(folder: Path) -> str | None:
    """The kind of build that is installed, None where there is no torch."""
    for site in site_packages(folder):
        try:
            text = (site / "torch" / "version.py").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for name, kind in (("cuda", "cuda"), ("hip", "rocm"), ("xpu", "xpu")):
            if re.search(rf"^{name}\b.*=\s*'", text, re.MULTILINE):
                return kind
        return "mps" if sys.platform == "darwin" else "cpu"
    return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
