"""An engine with a fault, for what the real one cannot be made to do.

Usage: python3 faulty_engine.py FILE, where FILE holds the name of the fault, so that one GIMP can meet them all.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(_REPOSITORY))

from plugin import __version__  # noqa: E402
from plugin.shared import protocol  # noqa: E402
from plugin.shared.protocol import Hello, Losses, Progress, Result, Submit  # noqa: E402

_HELLO = Hello(protocol.VERSION, __version__, {"cpu": "Faulty"})


def main() -> None:
    fault, out = Path(sys.argv[1]).read_text().strip(), sys.stdout.buffer
    if fault == "dies at once":
        print("a library is missing", file=sys.stderr)
        sys.exit(3)
    if fault == "talks nonsense":
        out.write(b"Microsoft Windows [Version 10.0.19045.3803]\r\n")
        out.flush()
        sys.exit(0)
    if fault == "says nothing":
        time.sleep(600)
    if fault == "is of another version":
        protocol.write(out, dataclasses.replace(_HELLO, version="0.0.1"))
        sys.stdin.read()
    protocol.write(out, _HELLO)
    if fault == "does not read":
        time.sleep(600)
    if fault == "dies in the second job":
        for _ in range(2):
            message = protocol.read(sys.stdin.buffer)
            assert isinstance(message, Submit)
            job = message.job
            protocol.write(out, Progress(job.id, 1, 2, 40, 30, 1, 9, 0.1, 1.0, 9.0, Losses(3, 1, 1, 1)))
            if job.id == 1:
                os.kill(os.getpid(), 9)
            protocol.write(out, Result(job.id, job.content, "Faulty", 1.0, [], {"settings": {}}))


if __name__ == "__main__":
    main()
