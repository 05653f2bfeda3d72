"""A batch: which notebooks are to be run on which data sets under which seeds, written down once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from facelab.errors import BadParameterError, FacelabError, nearest_name
from facelab.files import read_json_object, write_json
from facelab.labs import batch as notebooks
from facelab.labs.notebook import record_path
from facelab.labs.parameters import declared_parameters, find_source, find_sources, run_label
from facelab.paths import runs_root
from facelab.records import Record, read_record

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SEEDS = re.compile(r"(\d+)(?:-(\d+))?")
_MOST_TASKS = 100_000  # beyond, a folder of states is what file systems of clusters dislike


@dataclass(frozen=True)
class Task:
    """One run of one of the course's notebooks.

    Attributes:
        notebook: its name: ``"02_cnn_mlp"``.
        parameters: all of them, defaults included.
    """

    notebook: str
    parameters: dict[str, object]

    @property
    def label(self) -> str:
        """Notebook, preset, data set, seed and whatever else differs from the defaults."""
        return f"{self.notebook} {run_label(find_source(self.notebook), self.parameters)}"

    def run(self) -> notebooks.BatchRun:
        """The run of the notebook."""
        source = find_source(self.notebook)
        return notebooks.BatchRun(source, self.parameters, run_label(source, self.parameters))

    def record(self) -> Record | None:
        """What the notebook recorded under these very parameters; None where there is no such record, or a damaged one."""
        path = record_path(self.notebook, self.parameters)
        try:
            record = read_record(path) if path.is_file() else None
        except FacelabError:  # damaged: the task is done again, and writes it anew
            return None
        return record if record is not None and record.parameters == self.parameters else None


@dataclass(frozen=True)
class Batch:
    """A plan of tasks that has a name.

    Attributes:
        name: of its folder below ``runs/batches``.
        tasks: in the order of their index, which counts from 0.
    """

    name: str
    tasks: tuple[Task, ...]

    @property
    def folder(self) -> Path:
        """Where its plan is, what became of its tasks, and the output of their jobs."""
        return _batches_folder() / self.name

    def task(self, index: int) -> Task:
        """A task by its index; BadParameterError where there is none."""
        if not 0 <= index < len(self.tasks):
            raise BadParameterError(
                f"The batch {self.name} has no task {index}.", f"Its tasks are 0 to {len(self.tasks) - 1}."
            )
        return self.tasks[index]

    def write(self) -> bool:
        """Write the plan, whole or not at all. False where this very plan is there already.

        Raises:
            BadParameterError: another plan has that name.
            FacelabError: the file cannot be written, or one is there that is damaged.
        """
        path = self.folder / "plan.json"
        if path.exists():
            there = read_batch(self.name)
            if there == self:
                return False
            raise BadParameterError(
                f"The batch {self.name} is there already with another plan, of {_count(len(there.tasks))}.",
                f"Choose another name, or remove {self.folder}.",
            )
        write_json(path, {"name": self.name, "tasks": [asdict(task) for task in self.tasks]})
        return True


def plan_batch(
    name: str, words: Sequence[str], values: Mapping[str, str], seeds: str = "0", datasets: Sequence[str] = ()
) -> Batch:
    """Every notebook on every data set under every seed, all of them checked; nothing is written.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``.
        words: numbers or names of the course's notebooks, or ``["all"]``.
        values: further parameters as text, as ``-p`` has them; each notebook must have them.
        seeds: ``"0-19"``, ``"0,3,7"``, or both together.
        datasets: their names; empty: of each notebook its own.

    Raises:
        BadParameterError: a name, a seed, a parameter or a value that is not allowed, or a task that would be there twice.
        DataMissingError: a data set is not on this machine.
    """
    if not _NAME.fullmatch(name):
        raise BadParameterError(
            f"A batch cannot be called {name!r}.", "Use letters, digits, '.', '_' and '-', 64 at most."
        )
    for given, option in (("seed", "--seeds"), ("dataset", "--datasets")):
        if given in values:
            raise BadParameterError(
                f"A batch takes its {given}s from {option}.", f"Give {option} instead of -p {given}=."
            )
    numbers, sources = parse_seeds(seeds), find_sources(list(words))
    of_dataset = [{"dataset": dataset} for dataset in datasets] or [{}]
    size = len(sources) * len(of_dataset) * len(numbers)
    if size > _MOST_TASKS:
        raise BadParameterError(f"The batch would have {size:,} tasks.", f"Make several, of at most {_MOST_TASKS:,}.")
    tasks, located = [], set()
    for source in sources:
        planned = set()
        for dataset in of_dataset:
            # the seed decides nothing of what is allowed but itself: one check serves for all
            run = notebooks.plan_source(source, {**values, **dataset, "seed": str(max(numbers))}, parse=True)
            read = run.parameters["dataset"]  # as in records: folder:faces and folder:./faces are one absolute path
            if read in planned:
                raise BadParameterError(f"The data set {read!r} is named twice.", "Name each once.")
            planned.add(read)
            if read not in located:
                notebooks.prepare(run)
                located.add(read)
            tasks += [Task(source.stem, run.parameters | {"seed": seed}) for seed in numbers]
    return Batch(name, tuple(tasks))


def parse_seeds(text: str) -> list[int]:
    """``"0-3,7"`` to ``[0, 1, 2, 3, 7]``.

    Raises:
        BadParameterError: it is not of that form, or names a seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SEEDS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise BadParameterError(f"--seeds {text!r} names no seeds.", "Write 0-19, or 0,3,7.")
        if last - first >= _MOST_TASKS:
            raise BadParameterError(f"--seeds {text!r} are too many.", f"Give at most {_MOST_TASKS:,}.")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise BadParameterError(f"--seeds {text!r} names a seed twice.", "Name each once.")
    return seeds


def read_batch(name: str) -> Batch:
    """A batch that was made before.

    Raises:
        BadParameterError: none has that name, or a notebook of it is gone or has other parameters since.
        FacelabError: its plan is damaged.
    """
    path = _batches_folder() / name / "plan.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = sorted(plan.parent.name for plan in _batches_folder().glob("*/plan.json"))
        remedy = f"There are: {', '.join(known)}." if known else "Make one: facelab batch make."
        raise BadParameterError(f"No batch is called {name!r}.{nearest_name(name, known)}", remedy)
    try:
        tasks = tuple(Task(**task) for task in read_json_object(path)["tasks"])
        if not all(isinstance(task.notebook, str) and isinstance(task.parameters, dict) for task in tasks):
            raise TypeError("a task is not a notebook with its parameters")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FacelabError(
            f"{path} is not the plan of a batch ({error}).", f"Remove {path.parent}, and make the batch again."
        ) from error
    for notebook in dict.fromkeys(task.notebook for task in tasks):
        declared = declared_parameters(find_source(notebook))
        if any(set(task.parameters) != set(declared) for task in tasks if task.notebook == notebook):
            raise BadParameterError(
                f"{notebook} has other parameters than when the batch {name} was made.",
                "Make a batch of another name: facelab batch make.",
            )
    return Batch(name, tasks)


def _batches_folder() -> Path:
    return runs_root().resolve() / "batches"


def _count(tasks: int) -> str:
    return "one task" if tasks == 1 else f"{tasks} tasks"
