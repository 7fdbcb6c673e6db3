"""What the tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["LANGUAGE"] = "en"  # the tests read English, whatever the language here; set before anything is said

from tests import gimp_root
from tests.gimp_root import REPOSITORY, Gimp

for _behind_root in ("SUDO_USER", "DOAS_USER", "PKEXEC_UID"):  # whoever made us root does not count in homes of our own
    os.environ.pop(_behind_root, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gimp", choices=["auto", "none"], default="auto", help="none leaves out the tests in GIMP")


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The fast parts first; the tests in GIMP last or, when asked, not at all.

    Where the tests run in several processes those in GIMP are in one, since they share it and its home, and the others
    in another, since they share what they have painted.
    """
    items.sort(key=_uses_gimp)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("gimp" if _uses_gimp(item) else "others"))
    if config.getoption("--gimp") == "none":
        left_out = [item for item in items if _uses_gimp(item)]
        items[:] = [item for item in items if not _uses_gimp(item)]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = [item for item in terminalreporter.stats.get("deselected", []) if _uses_gimp(item)]
    if left_out and config.getoption("--gimp") == "none":
        terminalreporter.write_line(f"The {len(left_out)} tests in GIMP were left out, as asked with --gimp none.")


def _uses_gimp(item: pytest.Item) -> bool:
    return bool({"bare_gimp", "gimp"} & set(getattr(item, "fixturenames", ())))


@pytest.fixture(scope="session")
def bare_gimp() -> Iterator[Gimp]:
    """A GIMP 3 whose home has no profile and no plug-in, only, perhaps, the engine of the run before."""
    gimp = gimp_root.find()
    for leftover in (".config/GIMP", ".cache/gimp"):
        shutil.rmtree(gimp.home / leftover, ignore_errors=True)
    yield gimp
    gimp.close()


@pytest.fixture(scope="session")
def checkout(bare_gimp: Gimp) -> Path:
    """A clone of the project as a newcomer has it: what git knows or would add, nothing else."""
    return clone(bare_gimp.folder / "checkout")


@pytest.fixture(scope="session")
def first_install(bare_gimp: Gimp, checkout: Path) -> subprocess.CompletedProcess[str]:
    """The README's install command, as a newcomer types it."""
    return bare_gimp.command(["python3", "install.py"], cwd=checkout, timeout=1200)


@pytest.fixture(scope="session")
def gimp(bare_gimp: Gimp, first_install: subprocess.CompletedProcess[str]) -> Gimp:
    """GIMP 3 with the plug-in and its engine installed."""
    assert first_install.returncode == 0, first_install.stdout + first_install.stderr
    return bare_gimp


def clone(target: Path) -> Path:
    """Copy the project's files, also those not yet committed, into a new folder."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, copy = REPOSITORY / name, target / name
        if source.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)
    return target
