"""A project of three small notebooks, in a clone of its own: of the package with which these tests run, so that other processes
see these notebooks too."""

from __future__ import annotations

import shutil
from pathlib import Path

from facelab.paths import project_root

SOURCE = """# %% tags=["parameters"]
preset: str = "laptop"  # smoke, laptop or paper
dataset: str = "orl"  # any source
seed: int = 0  # [0 ≤ seed ≤ 9] of everything

# %%
import json, os, signal, time
from pathlib import Path

runs = Path(os.environ["FACELAB_RUNS"])
with (runs / "{name}").open("a") as file:
    print(seed, file=file)

# %%
{code}

# %%
record = dict(name="{name}", command="a test", parameters=dict(preset=preset, dataset=dataset, seed=seed), wall_seconds=1.0)
record |= dict(data=dict(), metrics=dict(double=dict(value=2.0 * seed)), created="2026-01-01T00:00:00+00:00", versions=dict())
path = runs / "records" / "{name}" / f"{{preset}}-{{dataset}}-{{seed}}.json"
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(record | dict(schema=1)))
"""
#: Of the notebooks 95, 96 and 97: one that is well, one that raises, one whose kernel is killed as long as a file tells it to.
CODE = {
    "95_well": "1",
    "96_raises": "1 / 0",
    "97_killed": "if (runs / 'kill').exists():\n    os.kill(os.getpid(), signal.SIGKILL)",
}


def write_notebooks(folder: Path, code: dict[str, str] = CODE) -> None:
    """The sources of the notebooks, into ``notebooks/src``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in code.items():
        (folder / f"{name}.py").write_text(SOURCE.format(name=name, code=text))


def clone(folder: Path, code: dict[str, str] = CODE) -> Path:
    """A clone with these notebooks; to be put into PYTHONPATH."""
    shutil.copytree(project_root() / "facelab", folder / "facelab")
    (folder / "data").symlink_to(project_root() / "data", target_is_directory=True)
    write_notebooks(folder / "notebooks" / "src", code)
    return folder
