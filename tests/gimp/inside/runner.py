"""Runs the tests of modules inside GIMP and writes what became of each: a traceback, or nothing."""

from __future__ import annotations

import importlib
import json
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gi.repository import Gegl, Gimp

import plugin.gimp  # noqa: F401  it asks for the versions of GTK and the others


def run(modules: Sequence[str], report: str) -> None:
    """``report`` is a file of JSON: for each test of each module its ``seconds`` and the ``failure``, or null."""
    Gegl.init(None)
    results: dict[str, dict[str, Any]] = {}
    for module in modules:
        print(f"\n===== {module}", flush=True)
        results[module] = {}
        for name, test in list(vars(importlib.import_module(f"tests.gimp.inside.{module}")).items()):
            if name.startswith("test_"):
                results[module][name] = _outcome(test)
                Path(report).write_text(json.dumps(results), encoding="utf-8")


def _outcome(test: Any) -> dict[str, Any]:
    before, start, failure = set(Gimp.get_images()), time.perf_counter(), None
    try:
        test()
    except Exception:
        failure = traceback.format_exc()
    for image in set(Gimp.get_images()) - before:
        image.delete()
    return {"seconds": round(time.perf_counter() - start, 2), "failure": failure}
