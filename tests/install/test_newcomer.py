"""The README's commands in a real GIMP 3, from the first one to uninstalling."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gimp_root import Gimp

DATA = ".local/share/neural-style"
PLUG_IN = ".config/GIMP/3.0/plug-ins/neural-style"

Done = subprocess.CompletedProcess


class Home:
    """A second newcomer's home. Its engine's environment shares the files of the first one's, until either changes."""

    def __init__(self, gimp: Gimp, checkout: Path) -> None:
        self.path = gimp.folder / "second home"
        self._gimp, self._checkout = gimp, checkout
        engine = self.path / DATA / "engine"
        engine.parent.mkdir(parents=True)
        subprocess.run(["cp", "-al", gimp.home / DATA / "engine", engine], check=True)

    def install(self, *arguments: str, **more: str) -> Done[str]:
        command = ["python3", "install.py", *arguments]
        environment = {"HOME": str(self.path)} | more
        return self._gimp.command(command, cwd=self._checkout, environment=environment, timeout=1200)

    def path_with_another_python(self) -> str:
        """A PATH that begins with a python3 which, as conda's and pyenv's, does not know GIMP's modules."""
        other = self.path / "another python"
        if not other.exists():
            self._gimp.command(["python3", "-m", "venv", "--without-pip", other]).check_returncode()
        before = self._gimp.command(["sh", "-c", "echo $PATH"]).stdout.strip()
        return f"{other}/bin:{before}"


@pytest.fixture(scope="module")
def home(gimp: Gimp, checkout: Path) -> Iterator[Home]:
    home = Home(gimp, checkout)
    yield home
    shutil.rmtree(home.path)


def difference(picture: Path, other: Path) -> float:
    """The mean difference of two pictures of one size, 0 to 255."""
    first, second = (np.asarray(Image.open(path).convert("RGB"), np.float32) for path in (picture, other))
    return float(np.abs(first - second).mean())


def test_one_command_ends_with_a_picture_painted_in_gimp(gimp: Gimp, checkout: Path, first_install: Done[str]) -> None:
    sample = gimp.home / DATA / "sample.png"
    assert "through gimp-console" in first_install.stdout
    assert f"The sample is {sample}." in first_install.stdout
    assert "Filters ▸ Artistic ▸ Neural Style Transfer…" in first_install.stdout
    assert difference(sample, checkout / "plugin/data/samples/chelsea.jpg") > 10


def test_the_doctor_finds_everything_well(gimp: Gimp, checkout: Path) -> None:
    report = gimp.command(["python3", "install.py", "--doctor"], cwd=checkout)
    assert report.returncode == 0, report.stdout + report.stderr
    assert {line.split()[0] for line in report.stdout.splitlines()[1:-1]} == {"OK"}
    for subject in (
        "GIMP",
        "Profile",
        "Plug-in",
        "Python",
        "In GIMP",
        "Environment",
        "PyTorch",
        "Weights",
        "Device",
        "Engine",
    ):
        assert f"OK     {subject} " in report.stdout


def test_the_second_time_nothing_is_made_anew(gimp: Gimp, checkout: Path) -> None:
    made = [gimp.home / DATA / name for name in ("sample.png", "engine/pyvenv.cfg")]
    before = [path.stat().st_mtime_ns for path in made]
    again = gimp.command(["python3", "install.py"], cwd=checkout)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Nothing was left to do." in again.stdout
    assert [path.stat().st_mtime_ns for path in made] == before


def test_links_work_for_development(home: Home, checkout: Path) -> None:
    done = home.install("--link")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "through gimp-console" in done.stdout
    assert (home.path / PLUG_IN / "plugin").resolve() == checkout / "plugin"
    assert (home.path / PLUG_IN / "neural-style.py").resolve() == checkout / "gimp_entry.py"
    assert (home.path / DATA / "sample.png").is_file()


def test_a_python_that_hides_the_filter_is_named_by_the_doctor_and_got_round_by_the_installer(home: Home) -> None:
    path, entry = home.path_with_another_python(), home.path / PLUG_IN / "neural-style.py"
    (home.path / ".config/GIMP/3.0/pluginrc").unlink()  # or GIMP goes by what it has found with the other PATH
    report = home.install("--doctor", PATH=path)
    assert report.returncode == 1
    assert (
        f"WRONG  Python       GIMP would run the plug-in with {home.path}/another python/bin/python3, which cannot "
        "load GIMP's modules (No module named 'gi'); run “python3 install.py” again."
    ) in report.stdout
    assert "WRONG  In GIMP      GIMP started but did not load the filter; run" in report.stdout
    done = home.install("--link", PATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "through gimp-console" in done.stdout
    assert entry.read_text().startswith("#!/usr/bin/python3\n")
    assert (home.path / PLUG_IN / "plugin").is_symlink()
    report = home.install("--doctor", PATH=path)
    assert report.returncode == 0, report.stdout + report.stderr
    assert "OK     Python       /usr/bin/python3 loads GIMP's modules" in report.stdout
    assert "OK     In GIMP      the filter is in the menu" in report.stdout
    assert "Nothing was left to do." in home.install("--link").stdout


def test_a_damaged_environment_is_found_by_the_doctor_and_repaired_by_the_installer(home: Home) -> None:
    (packages,) = (home.path / DATA / "engine/lib").glob("python3*/site-packages")
    (packages / "torch/functional.py").unlink()
    (interrupted,) = packages.glob("filelock-*.dist-info")
    (interrupted / "RECORD").unlink()
    report = home.install("--doctor")
    assert report.returncode == 1
    assert "files of filelock, torch are missing or damaged; run “python3 install.py” again." in report.stdout
    repaired = home.install()
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert (packages / "torch/functional.py").is_file()
    (made_anew,) = packages.glob("filelock-*.dist-info")  # of a later version, if one has come out since
    assert (made_anew / "RECORD").is_file()


def test_an_old_or_damaged_plug_in_is_replaced(home: Home) -> None:
    plug_in = home.path / PLUG_IN
    assert not (plug_in / "plugin").is_symlink()
    old = plug_in / "plugin/of_an_older_version.py"
    old.write_text("")
    (plug_in / "plugin/shared/engine_client.py").unlink()
    report = home.install("--doctor")
    assert (
        f"{plug_in}/plugin/shared/engine_client.py is of another version or damaged; run “python3 install.py”"
        in report.stdout
    )
    repaired = home.install(PATH=home.path_with_another_python())
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "through gimp-console" in repaired.stdout
    assert (plug_in / "plugin/shared/engine_client.py").is_file()
    assert not old.exists()


def test_a_plug_ins_folder_that_gimp_does_not_search_is_said_so(home: Home) -> None:
    elsewhere = home.path / "elsewhere"
    shutil.rmtree(home.path / PLUG_IN)
    (home.path / DATA / "sample.png").unlink()
    done = home.install("--plug-ins", str(elsewhere))
    assert done.returncode == 1
    assert (elsewhere / "neural-style/neural-style.py").is_file()
    assert f"Does GIMP look into {elsewhere}? See Edit ▸ Preferences ▸ Folders ▸ Plug-ins." in done.stderr


def test_uninstalling_leaves_nothing(home: Home) -> None:
    own = home.path / ".config/GIMP/3.0/brushes/own.gbr"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("")
    shutil.rmtree(home.path / "another python")
    done = home.install("--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path for path in home.path.rglob("*") if "neural-style" in path.name] == []
    assert [path for path in home.path.rglob("*") if path.is_file() and "GIMP" not in path.parts] == []
    assert own.is_file()
