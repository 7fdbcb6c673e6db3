"""Which build of PyTorch the installer takes for which computer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plugin.install import engine_env

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in for nvidia-smi is a shell script")


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for NVIDIA's tool: it prints what a test writes into the file ``says``."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat {tmp_path}/says\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "says"


@pytest.mark.parametrize(
    ("says", "kind", "index"),
    [
        ("580.95.05, 8.9", "cuda", "cu130"),
        ("580.95.05, 6.1", "cuda", "cu126"),  # CUDA 13 no longer knows this card
        ("570.172.08, 12.0", "cuda", "cu128"),
        ("535.247.01, 7.5", "cuda", "cu126"),
        ("580.95.05, [N/A]", "cuda", "cu130"),
        ("470.256.02, 7.5", "cpu", "cpu"),
    ],
)
def test_an_nvidia_card_gets_the_newest_cuda_that_its_driver_and_itself_run(
    nvidia: Path, says: str, kind: str, index: str
) -> None:
    nvidia.write_text(says + "\n")
    build = engine_env.choose_build("auto")
    assert (build.kind, build.index) == (kind, index)


def test_what_is_asked_for_wins_over_what_is_found(nvidia: Path) -> None:
    nvidia.write_text("580.95.05, 8.9\n")
    assert engine_env.choose_build("cpu").index == "cpu"
    assert engine_env.choose_build("rocm").kind == "rocm"
    assert engine_env.choose_build("xpu").index == "xpu"


def test_a_broken_nvidia_smi_is_no_card(nvidia: Path) -> None:
    nvidia.write_text("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")
    driver_is_there = Path("/proc/driver/nvidia").exists()  # where it is, the card is found without the tool
    assert engine_env.choose_build("cuda").kind == "cuda"
    assert (engine_env.choose_build("auto").kind == "cuda") == driver_is_there


def test_a_tool_that_says_something_that_is_not_utf_8_is_understood_all_the_same(nvidia: Path) -> None:
    nvidia.write_bytes(b"caf\xe9 \xff\n580.95.05, 8.9\n")
    assert engine_env.choose_build("auto").index == "cu130"


@pytest.mark.parametrize(
    ("installed", "is_missing"),
    [("2.7.1", True), ("2.8.0+cu130", False), ("2.14.1", False), ("2.15.0", True), ("10.0", True), (None, True)],
)
def test_a_package_of_a_version_outside_of_the_bounds_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: str | None, is_missing: bool
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# why\ntorch[some] >= 2.8, < 2.15\n")
    monkeypatch.setattr(engine_env, "REQUIREMENTS", requirements)
    packages = tmp_path / "lib/python3.12/site-packages"
    packages.mkdir(parents=True)
    if installed:
        (packages / f"torch-{installed}.dist-info").mkdir()
        (packages / f"torch-{installed}.dist-info/METADATA").write_text(f"Name: torch\nVersion: {installed}\n")
    assert engine_env.missing(tmp_path) == (["torch[some] >= 2.8, < 2.15"] if is_missing else [])
