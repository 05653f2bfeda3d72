"""Too little memory is one line, whoever ran out of it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_faces, tiny_method
from torch import nn

from facelab.errors import OutOfMemoryError
from facelab.training import Plan, check_weights_fit, explain_memory_errors, fit

PLAN = Plan(epochs=1, batch_size=8, warmup_epochs=0)


def on_a_gpu():
    raise getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)(
        "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8.00 GiB.\nSee more."
    )


EXHAUSTED = {
    "torch": lambda: torch.empty(2**55),
    "more than 64 bits": lambda: torch.empty(2**40, 2**40),
    "numpy": lambda: np.empty(2**55),
    "python": lambda: bytearray(2**60),
    "gpu": on_a_gpu,
}


@pytest.mark.parametrize("where", EXHAUSTED)
def test_memory_that_runs_out_in_a_training_is_one_line(monkeypatch, where):
    method = tiny_method()
    monkeypatch.setattr(method, "training_step", lambda *_: EXHAUSTED[where]())
    with pytest.raises(OutOfMemoryError, match="does not fit into memory.*Lower the batch size") as error:
        fit(method, tiny_faces(), PLAN)
    assert "\n" not in str(error.value)
    assert ("20.00 GiB" in str(error.value)) == (where == "gpu")


@pytest.mark.parametrize(
    "fault", [RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory")]
)
def test_other_faults_stay_what_they_are(fault):
    with pytest.raises(type(fault)) as error, explain_memory_errors():
        raise fault
    assert error.value is fault


def test_weights_that_exceed_the_memory_are_refused_unbuilt():
    with torch.device("meta"):
        fits, exceeds = nn.Linear(100, 100), nn.Linear(10**7, 10**6)
    check_weights_fit(fits, torch.device("cpu"))
    with pytest.raises(OutOfMemoryError, match="160000.0 GB in a training.*are free. Lower"):
        check_weights_fit(exceeds, torch.device("cpu"))
    exceeds.weight.requires_grad = False  # frozen: no gradient and no moments
    with pytest.raises(OutOfMemoryError, match="40000.0 GB in a training"):
        check_weights_fit(exceeds, torch.device("cpu"))


def test_a_training_under_a_limit_of_memory(tmp_path):
    """32 MiB more than is in use, and the photographs of a step are 64 as numbers."""
    pytest.importorskip("resource")
    script = tmp_path / "limited.py"
    script.write_text(
        textwrap.dedent("""
        import resource, psutil, torch
        from tiny import tiny_faces, tiny_method
        from facelab.errors import OutOfMemoryError
        from facelab.training import Plan, fit
        torch.set_num_threads(1)
        method, faces = tiny_method(2), tiny_faces(people=2, shots=32, size=512)
        limit = psutil.Process().memory_info().vms + 2**25
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            fit(method, faces, Plan(epochs=1, batch_size=64, warmup_epochs=0))
        except OutOfMemoryError as error:
            print(error)
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    assert "does not fit into memory" in done.stdout, done.stderr[-2000:]
