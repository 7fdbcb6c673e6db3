"""Small files of JSON that a person could read, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """What is in the file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write(path: Path, value: Any, indent: int | None = 2) -> None:
    """Put ``value`` into the file in place of what was there; its folder is made where there is none.

    Without ``indent`` all of it is one line.

    Raises:
        OSError: it cannot be written, and is as it was.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False) + "\n"
    data = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes what JSON calls it, too
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
