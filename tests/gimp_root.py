"""A real GIMP 3 for the tests: the one on the PATH, or one in a Debian 13 root that this module makes.

Every command in the root runs in a mount namespace of its own, so no mount is ever seen outside and none is left
behind, whatever ends the tests; the root's folder on disk holds plain files only and can be deleted at any time.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plugin.shared import paths

REPOSITORY = Path(__file__).resolve().parent.parent

NEWCOMER_PACKAGES = ["gimp", "python3-venv"]
"""What the README asks of a newcomer."""

TEST_PACKAGES = [
    *("ca-certificates", "dbus", "procps", "xvfb", "xdotool", "imagemagick", "fonts-dejavu-core"),
    *("locales", "fonts-wqy-microhei", "at-spi2-core", "gir1.2-atspi-2.0"),
]

_DEBOOTSTRAP = ("debootstrap", "debian-archive-keyring")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NoGimpError(Exception):
    """One sentence: there is no GIMP 3 here and none can be made."""


def cache() -> Path:
    """Where the tests keep what takes long to make; may be deleted at any time."""
    return paths.cache_folder().with_name(f"{paths.APPLICATION}-tests")


def home() -> Path:
    """The home folder of the newcomer who installs the plug-in in the tests."""
    return cache() / "home"


class Gimp:
    """GIMP 3 with a home of its own, in which the plug-in can be installed as by a newcomer.

    ``home`` and ``folder`` have the same path for the tests and for the commands run here. ``home`` keeps what was
    installed from one run of the tests to the next; ``folder`` is for work files and begins empty.
    """

    def __init__(self, root: Path | None, executable: str) -> None:
        self.root = root
        self.executable = executable
        self.home = home()
        self.folder = cache() / "work"
        shutil.rmtree(self.folder, ignore_errors=True)
        for path in (self.home, self.folder):
            path.mkdir(parents=True, exist_ok=True)
        self._shared = [self.home, self.folder, REPOSITORY]
        self.screen = "1600x1200"
        """Pixels of the virtual display, when it is started."""
        self._environment = self._make_environment()
        self._display: subprocess.Popen[str] | None = None

    def command(
        self,
        arguments: Sequence[str | Path],
        *,
        timeout: float = 600,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command beside GIMP and capture its output as text; options are those of ``subprocess.run``."""
        defaults: dict[str, Any] = {
            "timeout": timeout,
            "capture_output": True,
            "text": True,
            "errors": "replace",
            "check": False,
        }
        line, variables = self._line(arguments, environment, cwd)
        done = subprocess.run(line, env=variables, **(defaults | options))
        done.args = list(arguments)  # without the mounts around them, which nobody wants to read in a failed test
        return done

    def popen(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a command beside GIMP; its process id is the command's own."""
        line, variables = self._line(arguments, environment, cwd)
        return subprocess.Popen(line, env=variables, **options)

    def python(
        self, code: str, *, timeout: float = 600, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Python code inside GIMP's console, under the virtual display; ``stdout`` is all of its output.

        The return code is not 0 when the code raised.
        """
        script = self.folder / f"batch-{time.monotonic_ns()}.py"
        script.write_text(code, encoding="utf-8")
        batch = f"exec(compile(open({str(script)!r}, encoding='utf-8').read(), {str(script)!r}, 'exec'), globals())"
        arguments = [self.executable, "-i", "--quit", "--batch-interpreter=python-fu-eval", "-b", batch]
        variables = {"DISPLAY": self.display} | dict(environment or {})
        together: dict[str, Any] = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return self.command(arguments, timeout=timeout, environment=variables, **together)

    @property
    def display(self) -> str:
        """The name of a virtual X display, started when first asked for: ``:7``."""
        if self._display is None:
            reader, writer = os.pipe()
            self._display = self.popen(
                ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{self.screen}x24", "-nolisten", "tcp"],
                pass_fds=(writer,),
                stderr=subprocess.DEVNULL,
            )
            os.close(writer)
            with os.fdopen(reader, encoding="ascii") as answer:
                self._display_name = ":" + answer.readline().strip()
        return self._display_name

    def close(self) -> None:
        """End the virtual display."""
        if self._display is not None:
            self._display.terminate()
            self._display.wait(10)
            self._display = None

    def _make_environment(self) -> dict[str, str]:
        """The variables of a newcomer: nothing of ours but what pip needs to reach its registry from here."""
        ours = dict(os.environ)
        if self.root is None:
            hidden = ("XDG_", "GIMP", "NEURAL_STYLE_", "DISPLAY", "WAYLAND_DISPLAY", "VIRTUAL_ENV")
            kept = {name: value for name, value in ours.items() if not name.startswith(hidden)}
            return kept | {"HOME": str(self.home)}
        names = [name for name in ours if name.startswith("PIP_") or name.lower().endswith("_proxy")]
        kept = {name: ours[name] for name in [*names, "SSL_CERT_FILE"] if name in ours}
        values = [Path(value) for value in sorted(set(kept.values()))]
        self._shared += [path for path in values if path.is_absolute() and path.exists()]
        return kept | {"HOME": str(self.home), "PATH": _SYSTEM_PATH, "LANG": "C.UTF-8"}

    def _line(
        self, arguments: Sequence[str | Path], environment: Mapping[str, str] | None, cwd: Path | None
    ) -> tuple[list[str], dict[str, str]]:
        """The command line and the environment that run a command beside GIMP."""
        variables = self._environment | dict(environment or {})
        plain = [str(argument) for argument in arguments]
        folder = str(cwd or self.folder)
        if self.root is None:
            return ["env", "-C", folder, *plain], variables
        return _in_root(self.root, self._shared, ["env", "-C", folder, *plain]), variables


def find() -> Gimp:
    """GIMP 3 from the PATH, or from the Debian 13 root in :func:`cache`, which is made when it is not there.

    Raises:
        NoGimpError: neither can be had.
    """
    if (executable := paths.gimp_console()) is not None:
        return Gimp(None, str(executable))
    return Gimp(_debian_root(), "gimp-console-3.0")


def can_find() -> str | None:
    """None where :func:`find` has a way to a GIMP, else the sentence that says why not."""
    if paths.gimp_console() is not None:
        return None
    if sys.platform != "linux" or os.geteuid() != 0:
        return "There is no GIMP 3 on the PATH, and only root on Linux can make one for the tests."
    if not shutil.which("unshare") or not (shutil.which("debootstrap") or shutil.which("apt-get")):
        return "There is no GIMP 3 on the PATH, and making one for the tests needs unshare and debootstrap."
    return None


def _debian_root() -> Path:
    """The finished root; it gets its name only when everything is in it, so a half-made one is never used."""
    if reason := can_find():
        raise NoGimpError(reason)
    root = cache() / "debian-13"
    wanted = " ".join(NEWCOMER_PACKAGES + TEST_PACKAGES)
    list_of_packages = root / "etc" / "neural-style-tests"
    if list_of_packages.is_file() and list_of_packages.read_text() == wanted:
        return root
    _remove(root)
    partial = root.with_name("debian-13.partial")
    _remove(partial)
    partial.parent.mkdir(parents=True, exist_ok=True)
    if not shutil.which("debootstrap"):
        _run(["apt-get", "update", "-qq"])
        _run(["apt-get", "install", "-y", "-qq", *_DEBOOTSTRAP])
    _run(_private(["debootstrap", "--variant=minbase", "trixie", str(partial)]))
    unwanted = "".join(f"path-exclude=/usr/share/{folder}/*\n" for folder in ("doc", "man", "locale"))
    chinese = "path-include=/usr/share/locale/zh_CN/*\n"
    (partial / "etc/dpkg/dpkg.cfg.d/tests").write_text(f"force-unsafe-io\n{unwanted}{chinese}")
    (partial / "etc/locale.gen").write_text("zh_CN.UTF-8 UTF-8\n")
    (partial / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (partial / "usr/sbin/policy-rc.d").chmod(0o755)
    install = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {wanted} && apt-get clean"
    _run(_in_root(partial, [], ["env", "DEBIAN_FRONTEND=noninteractive", f"PATH={_SYSTEM_PATH}", "sh", "-c", install]))
    (partial / "etc/neural-style-tests").write_text(wanted)
    partial.rename(root)
    return root


def _in_root(root: Path, shared: Sequence[Path], arguments: Sequence[str]) -> list[str]:
    """A command line that runs another one in a root, with the shared paths in the same place as outside."""
    lines = ["set -e"]
    for path in (Path("/proc"), Path("/sys"), Path("/dev"), Path("/etc/resolv.conf"), *shared):
        inside = root / path.relative_to("/")
        make = f"mkdir -p {shlex.quote(str(inside))}"
        if path.is_file():
            make = f"mkdir -p {shlex.quote(str(inside.parent))}; touch {shlex.quote(str(inside))}"
        lines += [make, f"mount --rbind {shlex.quote(str(path))} {shlex.quote(str(inside))}"]
    lines.append(f'exec chroot {shlex.quote(str(root))} "$@"')
    return _private(["sh", "-c", "\n".join(lines), "sh", *arguments])


def _private(arguments: Sequence[str]) -> list[str]:
    """A command line that runs another one with mounts of its own, which end with it."""
    return ["unshare", "--mount", "--propagation", "private", "--", *arguments]


def _run(arguments: Sequence[str]) -> None:
    """Run one step of making the root; its output is shown only when it fails."""
    log = cache() / "debian-13.log"
    with log.open("a", encoding="utf-8") as output:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
    if done.returncode:
        print("\n".join(log.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
        raise NoGimpError(f"Debian 13 for the tests could not be made; the log is {log}.")


def _remove(folder: Path) -> None:
    """Delete a root that has no mounts in it, and refuse where something is mounted after all."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    if any(Path(line.split()[4]).is_relative_to(folder) for line in mounts):
        raise NoGimpError(f"Something is mounted inside {folder}; unmount it before the tests make it anew.")
    if folder.exists():
        shutil.rmtree(folder)
