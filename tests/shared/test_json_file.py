"""Small files: whole or not at all, whoever else writes them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plugin.shared import json_file
from tests.gimp_root import REPOSITORY

_WRITER = """
import sys
from pathlib import Path
from plugin.shared import json_file
for _ in range(50):
    json_file.write(Path(sys.argv[1]), [sys.argv[2]] * 2000)
"""


def test_of_two_processes_that_write_at_once_one_is_read_and_whole(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    json_file.write(file, ["0"] * 2000)
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, file, name], cwd=REPOSITORY) for name in "12"]
    while any(writer.poll() is None for writer in writers):
        found = json_file.read(file)
        assert len(found) == 2000 and len(set(found)) == 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    json_file.write(file, {"a": 1})
    with pytest.raises(TypeError):
        json_file.write(file, {"a": object()})
    assert json_file.read(file) == {"a": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_half_a_surrogate_pair_is_written_and_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    json_file.write(file, {"é\ud800": "\udfff水"})
    assert json_file.read(file) == {"é\ud800": "\udfff水"}
    assert "水" in file.read_text(encoding="utf-8")


_NOT_JSON = "utf-8|Expecting|nested"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\x00", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_is_one_kind_of_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=_NOT_JSON):
        json_file.read(file)
