"""Where trainings of experiments are kept: what was stopped goes on, what is done is read, and nothing else is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from facelab.datasets import FaceSet
from facelab.experiments.cells import code_digest, deciding_versions, plain_label
from facelab.files import try_lock_folder
from facelab.methods import Method
from facelab.paths import runs_root
from facelab.progress import progress_bar
from facelab.training import Plan


@contextmanager
def training_folder(experiment: str, label: str, method: Method, faces: FaceSet, plan: Plan) -> Iterator[Path]:
    """The folder of a training's checkpoint, kept to this process while the block lasts: of two cells that want the same
    training one waits for the other, and then reads it.

    It is another one for other weights to start from, photographs, plan, libraries or code of this package: what an earlier
    state of the code has learned is never taken for what this one learns. The price: a training that was stopped is not gone
    on with after a change of the code.

    Args:
        experiment: its folder holds this one, and whoever moves it away moves the trainings along with the cells.
        label: of the training, to be read by people, and another one for other settings of the method: of one with other
            settings ``fit`` refuses the checkpoint.
        method: untrained, or with the weights that it goes on from.
        faces, plan: of the training.

    Raises:
        FacelabError: it cannot be written.
    """
    digest = hashlib.sha256(json.dumps([asdict(plan), deciding_versions()], sort_keys=True).encode())
    digest.update(f"{faces.sha256} {code_digest()}".encode() + faces.identity.tobytes())
    for name, values in sorted(method.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().numpy().tobytes())
    name = f"{plain_label(label)}-{digest.hexdigest()[:16]}"
    folder = runs_root().resolve() / "experiments" / experiment / "trainings" / name
    with ExitStack() as held:
        if not held.enter_context(try_lock_folder(folder)):
            with progress_bar(f"Waiting for another process that trains {label}", 1):
                held.enter_context(try_lock_folder(folder, timeout=-1))
        yield folder
