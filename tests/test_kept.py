"""Work of many runs: what is kept, and that it can be stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest

_RUNS = """
import signal
import time
from facelab.experiments.grid import kept, over

def compute():
    time.sleep(0.5)
    return {"figure": 1.0}

def run(number):
    return kept("slow", str(number), {"number": number}, compute)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have set it aside for what it runs behind
    over(run, [(number,) for number in range(200)], "slow")
"""


@pytest.mark.skipif(os.name != "posix", reason="a terminal's Ctrl-C as POSIX sends it: to all processes of a group")
def test_an_interrupt_ends_it_without_another_run(tmp_path):
    script, folder = tmp_path / "slow.py", tmp_path / "runs" / "slow"
    script.write_text(_RUNS)
    surroundings = {**os.environ, "FACELAB_RUNS": str(tmp_path / "runs")}
    main = subprocess.Popen(
        [sys.executable, str(script)], env=surroundings, start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    try:
        while not list(folder.glob("*.json")):
            assert main.poll() is None, main.stderr.read()
            time.sleep(0.05)
        os.killpg(main.pid, signal.SIGINT)
        _, told = main.communicate(timeout=300)
    finally:
        if main.poll() is None:
            os.killpg(main.pid, signal.SIGKILL)
    assert main.returncode and "KeyboardInterrupt" in told
    kept = sorted(folder.iterdir())
    assert 1 <= len(kept) < 20, "200 were asked for"
    assert all(path.suffix == ".json" for path in kept), "nothing half written"
