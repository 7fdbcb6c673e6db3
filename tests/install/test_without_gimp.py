"""The installer on a computer without GIMP."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import clone


class Newcomer:
    """Somebody with a clone of the project and an engine's environment, whose GIMPs are not on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        for version in ("2.10", "3.0", "3.2"):
            (self.home / ".config/GIMP" / version).mkdir(parents=True)
        self.checkout = clone(folder / "checkout")

    def python(self, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=self.checkout,
            env=self.variables(more),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def variables(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GIMP"))}
        return kept | {"HOME": str(self.home), "PATH": "/nonexistent"} | more


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    return Newcomer(tmp_path_factory.mktemp("newcomer"))


_NOWHERE = "http://127.0.0.1:9/"
NOTHING_TO_DOWNLOAD = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_INDEX_URL": _NOWHERE,
    "PIP_RETRIES": "0",
    "HTTPS_PROXY": _NOWHERE,
}
"""The variables that cut pip off from every place with packages."""


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """The variables for an installation without a network, and with a log of its own."""
    return NOTHING_TO_DOWNLOAD | {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture(scope="module")
def begun(newcomer: Newcomer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine's environment whose installation got no further than pip."""
    engine = tmp_path_factory.mktemp("begun") / "engine"
    newcomer.python("install.py", "--engine-dir", engine, **NOTHING_TO_DOWNLOAD)
    return engine


@pytest.fixture
def engine(begun: Path, tmp_path: Path) -> Path:
    """A copy of that environment."""
    return Path(shutil.copytree(begun, tmp_path / "engine", symlinks=True))


@pytest.fixture(scope="module")
def installed(newcomer: Newcomer) -> subprocess.CompletedProcess[str]:
    return newcomer.python("install.py")


def test_the_engine_alone_paints_the_first_picture(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str]
) -> None:
    assert installed.returncode == 0, installed.stdout + installed.stderr
    sample = newcomer.home / ".local/share/neural-style/sample.png"
    assert str(sample) in installed.stdout
    painted = np.asarray(Image.open(sample).convert("RGB"), np.float32)
    source = np.asarray(Image.open(newcomer.checkout / "plugin/data/samples/chelsea.jpg").convert("RGB"), np.float32)
    assert painted.shape == source.shape
    assert np.abs(painted - source).mean() > 10
    assert "Filters ▸ Artistic ▸ Neural Style Transfer…" in installed.stdout


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_the_profile_of_every_gimp_3_gets_the_plug_in(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str], version: str
) -> None:
    folder = newcomer.home / ".config/GIMP" / version / "plug-ins/neural-style"
    assert os.access(folder / "neural-style.py", os.X_OK)
    assert (folder / "plugin/engine/weights/vgg16_features.pt").is_file()
    assert (folder / "LICENSE").is_file()
    assert not list(folder.rglob("__pycache__"))
    assert "GIMP 3 was not found" in installed.stdout


def test_gimp_2_is_left_alone(newcomer: Newcomer, installed: subprocess.CompletedProcess[str]) -> None:
    assert not list((newcomer.home / ".config/GIMP/2.10").iterdir())


def test_no_profile_is_made_in_the_way_of_gimps_first_start(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    done = newcomer.python("install.py", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "There is no profile of GIMP 3 yet to put the plug-in into: start GIMP once" in done.stdout
    assert not (tmp_path / "GIMP").exists()


def test_a_gimp_on_the_path_that_is_no_gimp_3_is_none(newcomer: Newcomer, tmp_path: Path) -> None:
    gimp = tmp_path / "gimp-3.0"
    gimp.write_text("#!/bin/sh\necho GIMP version 2.10.38\n")
    gimp.chmod(0o755)
    done = newcomer.python("install.py", PATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GIMP 3 was not found" in done.stdout
    assert not list((newcomer.home / ".config/GIMP/2.10").iterdir())


def test_programs_that_say_something_that_is_not_utf_8_stop_neither_installer_nor_doctor(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    for name in ("nvidia-smi", "gimp-console-3.0"):
        (tmp_path / name).write_text("#!/bin/sh\nprintf 'caf\\351 \\377\\n'\n")
        (tmp_path / name).chmod(0o755)
    done = newcomer.python("install.py", PATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GIMP 3 was not found" in done.stdout
    report = newcomer.python("install.py", "--doctor", PATH=str(tmp_path))
    assert f"WRONG  GIMP         {tmp_path}/gimp-console-3.0 says nothing; Neural Style needs GIMP 3." in report.stdout
    assert "OK     Engine " in report.stdout


def test_what_gimp_says_when_it_fails_need_not_be_utf_8(newcomer: Newcomer, tmp_path: Path) -> None:
    gimp = tmp_path / "gimp-console-3.0"
    gimp.write_text("#!/bin/sh\nprintf 'caf\\351 3.0.4\\n'; test $1 = --version\n")
    gimp.chmod(0o755)
    report = newcomer.python("install.py", "--doctor", PATH=str(tmp_path))
    assert f"OK     GIMP         3.0.4, {gimp}" in report.stdout, report.stderr
    assert "WRONG  In GIMP      caf\ufffd 3.0.4; run" in report.stdout


def test_where_no_python_has_gimps_modules_the_installer_says_what_to_install(
    newcomer: Newcomer, tmp_path: Path
) -> None:
    gimp, python = tmp_path / "gimp-console-3.0", tmp_path / "python3"
    gimp.write_text("#!/bin/sh\necho 3.0.4; echo 'RuntimeError: It is not there.'; test $1 = --version\n")
    gimp.chmod(0o755)
    python.symlink_to(sys.executable)
    (tmp_path / "gi.py").write_text("raise ImportError('there is none')\n")
    home = tmp_path / "home"
    profile = home / ".config/GIMP/3.0"
    profile.mkdir(parents=True)
    variables = {"HOME": str(home), "PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    done = newcomer.python("install.py", **variables)
    wrong = f"GIMP would run the plug-in with {python}, which cannot load GIMP's modules (there is none)"
    remedy = "install GIMP's modules for Python (python3-gi and gir1.2-gimp-3.0 on Debian and Ubuntu)"
    assert done.returncode == 1
    assert done.stderr.strip() == f"{wrong}; {remedy}."
    assert f"WRONG  Python       {wrong}; {remedy}." in newcomer.python("install.py", "--doctor", **variables).stdout
    entry = profile / "plug-ins/neural-style/neural-style.py"
    assert entry.read_text() == (newcomer.checkout / "gimp_entry.py").read_text()


def test_the_doctor_says_that_gimp_is_missing_and_that_the_rest_is_well(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str]
) -> None:
    report = newcomer.python("install.py", "--doctor")
    wrong = [line for line in report.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 1, report.stdout + report.stderr
    assert "GIMP" in wrong[0]
    assert report.returncode == 1


def test_stylize_paints_from_any_python(
    newcomer: Newcomer, installed: subprocess.CompletedProcess[str], tmp_path: Path
) -> None:
    pictures = [
        "plugin/data/samples/chelsea.jpg",
        "plugin/data/styles/hokusai_great_wave.jpg",
        "-o",
        str(tmp_path / "out.png"),
    ]
    bare = getattr(sys, "_base_executable", sys.executable)
    command = [bare, "-m", "plugin", "stylize", *pictures, "--quality", "draft", "--size", "64", "--iterations", "5"]
    variables = dict(os.environ) | {"HOME": str(newcomer.home)}
    done = subprocess.run(
        command, cwd=newcomer.checkout, env=variables, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Image.open(tmp_path / "out.png").size == Image.open(newcomer.checkout / pictures[0]).size


def test_a_folder_that_holds_something_else_is_left_alone(newcomer: Newcomer, tmp_path: Path) -> None:
    treasure = tmp_path / "treasure.txt"
    treasure.write_text("mine")
    done = newcomer.python("install.py", "--engine-dir", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == f"{tmp_path} holds something else; choose an empty or new folder with --engine-dir."
    assert list(tmp_path.iterdir()) == [treasure]


def test_an_interrupted_installation_goes_on_the_next_time(
    newcomer: Newcomer, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    engine = tmp_path / "engine"
    command = [sys.executable, "install.py", "--engine-dir", str(engine)]
    process = subprocess.Popen(
        command,
        cwd=newcomer.checkout,
        env=newcomer.variables(nowhere),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background of a shell, they and their children would not hear it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while not (engine / "pyvenv.cfg").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl+C goes to all that run in a terminal, the maker of environments too
    assert "Interrupted; run this again to go on from here." in process.communicate(timeout=60)[1]
    assert process.returncode == 130
    again = newcomer.python("install.py", "--engine-dir", engine, **nowhere)
    assert "Making the engine's environment: done" in again.stdout
    assert "Installing PyTorch failed" in again.stderr


def test_a_failed_download_is_one_sentence_that_says_what_to_do(
    newcomer: Newcomer, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    done = newcomer.python("install.py", "--engine-dir", tmp_path / "engine", **nowhere)
    assert done.returncode == 1
    (log,) = (tmp_path / "state/neural-style").iterdir()
    assert done.stderr.strip() == (
        "Installing PyTorch failed; check the network connection and the free disk space, then run this again. "
        f"There is more in {log}."
    )
    assert "No matching distribution found for torch" in log.read_text()


def python_folder(engine: Path) -> Path:
    """The folder in an environment whose name says for which Python its packages are."""
    (folder,) = (engine / "lib").iterdir()
    return folder


@pytest.mark.parametrize("has_both", [False, True], ids=["replaced", "upgraded"])
def test_an_environment_whose_python_has_become_another_is_made_anew(
    newcomer: Newcomer, engine: Path, nowhere: dict[str, str], has_both: bool
) -> None:
    now = python_folder(engine)
    before = now.with_name("python3.9")
    if has_both:  # python3 -m venv --upgrade
        shutil.copytree(now, before)
    else:
        now.rename(before)
    config = (engine / "pyvenv.cfg").read_text()
    (engine / "pyvenv.cfg").write_text(re.sub("(?m)^version = .*", "version = 3.9.7", config))
    version = "{}.{}".format(*sys.version_info)
    made_for = f"Python {version} and Python 3.9" if has_both else "Python 3.9"
    sentence = f"{engine} was made for {made_for} and runs Python {version} now"
    report = newcomer.python("install.py", "--doctor", NEURAL_STYLE_ENGINE_DIR=str(engine))
    assert f"WRONG  Environment  {sentence}; run “python3 install.py” again." in report.stdout
    again = newcomer.python("install.py", "--engine-dir", engine, **nowhere)
    assert f"  {sentence}; it is made anew." in again.stdout
    assert "Making the engine's environment: done" in again.stdout
    assert python_folder(engine).name == f"python{version}"
    report = newcomer.python("install.py", "--doctor", NEURAL_STYLE_ENGINE_DIR=str(engine))
    assert f"OK     Environment  {engine}" in report.stdout


def test_an_environment_whose_python_is_gone_is_made_anew(
    newcomer: Newcomer, tmp_path: Path, engine: Path, nowhere: dict[str, str]
) -> None:
    python = engine / "bin/python"
    python.unlink()
    python.symlink_to(tmp_path / "python that is gone")
    report = newcomer.python("install.py", "--doctor", NEURAL_STYLE_ENGINE_DIR=str(engine))
    sentence = f"{python} does not run (No such file or directory)"
    assert f"WRONG  Environment  {sentence}; run “python3 install.py” again." in report.stdout
    again = newcomer.python("install.py", "--engine-dir", engine, **nowhere)
    assert f"  {sentence}; it is made anew." in again.stdout
    assert "Making the engine's environment: done" in again.stdout


def test_files_of_an_environment_that_are_garbage_are_found_and_made_anew(
    newcomer: Newcomer, engine: Path, nowhere: dict[str, str]
) -> None:
    packages = python_folder(engine) / "site-packages"
    for name, file in (("one", "METADATA"), ("two", "RECORD"), ("three", "RECORD")):
        (packages / f"{name}-1.0.dist-info").mkdir()
        (packages / f"{name}-1.0.dist-info" / file).write_bytes(
            b"\xff\xfe\x00,\n" if name != "three" else b"x,sha256=,7y"
        )
    (packages / "torch").mkdir()
    (packages / "torch/version.py").write_bytes(b"\xff")
    report = newcomer.python("install.py", "--doctor", NEURAL_STYLE_ENGINE_DIR=str(engine))
    assert "files of one, three, two are missing or damaged; run “python3 install.py” again." in report.stdout
    again = newcomer.python("install.py", "--engine-dir", engine, **nowhere)
    assert "Damaged, and made anew: one, three, two." in again.stdout
    assert not list(packages.glob("*-1.0.dist-info"))


def test_a_python_without_venv_says_what_to_install(newcomer: Newcomer, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ensurepip'] = None; from plugin.install import installer; sys.exit(installer.main())"
    )
    done = newcomer.python("-c", code, "--engine-dir", tmp_path / "engine")
    assert done.returncode == 1
    assert "sudo apt install python3-venv" in done.stderr
    assert not (tmp_path / "engine").exists()


def test_without_an_engine_the_command_line_says_how_to_get_one(newcomer: Newcomer, tmp_path: Path) -> None:
    nowhere = {"NEURAL_STYLE_ENGINE_DIR": str(tmp_path / "nowhere")}
    report = newcomer.python("install.py", "--doctor", **nowhere)
    assert report.returncode == 1
    assert f"nothing in {tmp_path / 'nowhere'}; run “python3 install.py” again." in report.stdout


class Leaver:
    """Somebody whose home is a copy of the newcomer's, and whose engine is an empty one of their own."""

    def __init__(self, newcomer: Newcomer, folder: Path) -> None:
        self._newcomer = newcomer
        self.home, self.engine = folder / "home", folder / "engine"
        shutil.copytree(newcomer.home, self.home, symlinks=True)
        self.engine.mkdir()
        (self.engine / "neural-style-engine.json").write_text("{}")
        self.record = self.home / ".local/share/neural-style/installed.json"
        self.record.write_text(json.dumps({"engines": [str(self.engine)], "plug_ins": []}))

    def plug_ins(self, version: str) -> Path:
        return self.home / ".config/GIMP" / version / "plug-ins"

    def install(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        mine = {"HOME": str(self.home), "NEURAL_STYLE_ENGINE_DIR": str(self.engine)}
        return self._newcomer.python("install.py", *arguments, **(mine | more))

    def files(self) -> set[str]:
        return {path.relative_to(self.home).as_posix() for path in self.home.rglob("*") if not path.is_dir()}


@pytest.fixture
def leaver(newcomer: Newcomer, installed: subprocess.CompletedProcess[str], tmp_path: Path) -> Leaver:
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return Leaver(newcomer, tmp_path)


def test_uninstalling_removes_what_is_ours_and_nothing_else(leaver: Leaver) -> None:
    """Other programs are called neural-style as well."""
    other = leaver.plug_ins("3.2") / "neural-style"
    shutil.rmtree(other)
    foreign = {
        ".config/GIMP/3.2/plug-ins/neural-style/neural-style.py": "#!/usr/bin/env python3\nimport gi\n",
        ".config/GIMP/3.2/plug-ins/neural-style/plugin/__init__.py": "",
        ".config/GIMP/3.2/plug-in-settings/plug-in-neural-style.last": "",
        ".config/GIMP/3.0/plug-in-settings/plug-in-old-neural-styles.last": "",
        ".local/share/neural-style/models/vgg19.pth": "",
        ".cache/neural-style/images/1.png": "",
        ".config/neural-style/config.toml": "",
        ".local/state/neural-style/history": "",
    }
    for name, text in foreign.items():
        (leaver.home / name).parent.mkdir(parents=True, exist_ok=True)
        (leaver.home / name).write_text(text)
    ours = [
        ".cache/neural-style/clock.json",
        ".config/neural-style/styles.json",
        ".local/share/neural-style/sample.png",
    ]
    ours += [".config/GIMP/3.0/plug-in-settings/plug-in-neural-style.last"]
    for name in ours:
        (leaver.home / name).parent.mkdir(parents=True, exist_ok=True)
        (leaver.home / name).touch()
    done = leaver.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert leaver.files() == set(foreign)
    assert not leaver.engine.exists()
    assert f"{other} is not this plug-in, and is left alone." in done.stdout
    for folder in (".local/share", ".cache", ".config", ".local/state"):
        assert f"{leaver.home / folder}/neural-style has something else in it, and is left." in done.stdout


def test_an_engine_folder_that_is_somebody_elses_is_not_removed(leaver: Leaver) -> None:
    (leaver.engine / "neural-style-engine.json").rename(leaver.engine / "settings.json")
    default = leaver.home / ".local/share/neural-style/engine"
    default.mkdir()
    (default / "start.sh").touch()
    done = leaver.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in leaver.engine.iterdir()] == ["settings.json"]
    assert leaver.files() == {".local/share/neural-style/engine/start.sh"}


def test_what_is_left_of_a_damaged_plug_in_is_ours(leaver: Leaver, tmp_path: Path) -> None:
    (leaver.plug_ins("3.0") / "neural-style/neural-style.py").unlink()
    linked = leaver.plug_ins("3.2") / "neural-style"
    shutil.rmtree(linked)
    linked.mkdir()
    for link, target in (("neural-style.py", "gimp_entry.py"), ("plugin", "plugin")):
        (linked / link).symlink_to(tmp_path / "deleted checkout" / target)
    interrupted = leaver.plug_ins("3.2") / ".neural-style.old/plugin"
    interrupted.mkdir(parents=True)
    (interrupted / "client.py").touch()
    done = leaver.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert leaver.files() == set()


def test_a_plug_in_of_the_same_name_is_not_replaced(leaver: Leaver, newcomer: Newcomer) -> None:
    other = leaver.plug_ins("3.2") / "neural-style"
    shutil.rmtree(other)
    other.mkdir()
    (other / "neural-style.py").write_text("#!/usr/bin/env python3\nimport gi\n")
    done = newcomer.python("install.py", HOME=str(leaver.home))
    assert done.returncode == 1
    assert done.stderr.strip() == f"{other} holds another plug-in; move it elsewhere and run this again."
    assert [path.name for path in other.iterdir()] == ["neural-style.py"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xfe",
        b'{"engines": [',
        b'{"engines": "abc", "plug_ins": {"": 1}, "engine_dir": 7}',
        b'{"engines": [1, null, "", "here", "/\\u0000", "/\\ud800"], "plug_ins": [[], "here", "/\\u0000", "/\\ud800"]}',
        b"[" * 200_000,
        b"7",
    ],
    ids=["no text", "cut off", "other types", "no paths", "nested", "a number"],
)
def test_files_that_cannot_be_understood_stop_neither_doctor_nor_uninstalling(
    newcomer: Newcomer, leaver: Leaver, garbage: bytes
) -> None:
    preset = leaver.home / ".config/neural-style/presets/broken.json"
    preset.parent.mkdir(parents=True)
    preset.write_bytes(garbage)
    (leaver.home / ".config/neural-style/styles.json").write_bytes(garbage)
    leaver.record.write_bytes(garbage)
    (leaver.engine / "neural-style-engine.json").write_bytes(garbage)
    (newcomer.checkout / "engine.json").write_bytes(garbage)
    assert leaver.install("--doctor", NEURAL_STYLE_ENGINE_DIR="").returncode == 1
    report = leaver.install("--doctor")
    assert "things are wrong." in report.stdout and "Traceback" not in report.stderr, report.stderr
    done = leaver.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Your own presets are still in {preset.parent}." in done.stdout
    assert leaver.files() == {preset.relative_to(leaver.home).as_posix()}
    assert not leaver.engine.exists()


@pytest.mark.parametrize(
    "what",
    [["install.py"], ["install.py", "--doctor"], ["install.py", "--uninstall"], ["plugin/__main__.py", "doctor"]],
)
@pytest.mark.parametrize("tool", ["SUDO_USER", "DOAS_USER", "PKEXEC_UID"])
def test_root_on_behalf_of_somebody_is_refused(newcomer: Newcomer, tmp_path: Path, what: list[str], tool: str) -> None:
    person = next(each for each in pwd.getpwall() if each.pw_uid)
    done = as_root(newcomer, tmp_path, what, **{tool: str(person.pw_uid) if tool == "PKEXEC_UID" else person.pw_name})
    name = {"SUDO_USER": "sudo", "DOAS_USER": "doas", "PKEXEC_UID": "pkexec"}[tool]
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Run this without {name}: it would look into root's home, and {person.pw_name}'s GIMP does not."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "variables",
    [{}, {"SUDO_USER": "root"}, {"PKEXEC_UID": "0"}, {"SUDO_USER": "nobody-of-that-name"}, {"PKEXEC_UID": "x"}],
)
def test_root_itself_is_a_person(newcomer: Newcomer, tmp_path: Path, variables: dict[str, str]) -> None:
    done = as_root(newcomer, tmp_path, ["install.py", "--uninstall"], **variables)
    assert done.returncode == 0, done.stdout + done.stderr


def as_root(newcomer: Newcomer, home: Path, what: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it in an empty home as root, or so that it takes itself for root."""
    code = (
        "import os, runpy, sys; os.geteuid = lambda: 0; del sys.argv[0]; runpy.run_path(sys.argv[0], None, '__main__')"
    )
    mine = {"HOME": str(home), "NEURAL_STYLE_ENGINE_DIR": str(home / "engine")}
    return newcomer.python("-c", code, *what, **(mine | variables))


@pytest.mark.parametrize("what", ["", "--uninstall"])
def test_a_failure_that_nobody_expected_is_one_sentence_and_a_log(
    newcomer: Newcomer, tmp_path: Path, what: str
) -> None:
    code = (
        "import sys; from plugin.install import installer; installer._remembered = lambda: 1 / 0; "
        f"sys.exit(installer.main({what.split()}))"
    )
    done = newcomer.python("-c", code, HOME=str(tmp_path), NEURAL_STYLE_ENGINE_DIR=str(tmp_path / "engine"))
    (log,) = (tmp_path / ".local/state/neural-style").iterdir()
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"Neural Style failed unexpectedly (ZeroDivisionError: division by zero); there is more in {log}."
    )
    assert "Traceback" in log.read_text()


def test_what_cannot_be_written_is_one_sentence(newcomer: Newcomer, tmp_path: Path) -> None:
    (tmp_path / ".local").touch()
    done = newcomer.python("install.py", HOME=str(tmp_path), XDG_STATE_HOME=str(tmp_path / "state"))
    assert done.returncode == 1
    assert done.stderr.strip() == (
        f"{tmp_path}/.local/share/neural-style: Not a directory; put that right and run this again."
    )
