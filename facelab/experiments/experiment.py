"""What an experiment is: one declaration, from which the runner, the list and the table of ``data/results`` are made.

    EXPERIMENTS = (
        Experiment(
            name="05_lars",
            notebook="05",
            shows="SimCLR on orl-wild by AdamW, SGD and LARS, in batches of 64 and 256",
            datasets=("orl-wild",),
            grid=lambda seeds: [Cell((name, seed), {"plan": ...}) for seed in range(seeds) for name in PLANS],
            run=run,                # Cell -> figures, in a process of its own
            summarise=summarise,    # all figures -> metrics of the record
            parameters=parameters,  # what the record says of its settings
            data=data,              # and of its photographs
        ),
    )
"""  # fmt: skip

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from facelab.records import Metric

Key = tuple[str | int | float, ...]
Figures = dict[str, object]  #: what one cell measured: numbers, or lists of them, as JSON has them
Results = Mapping[Key, Figures]  #: the key of each cell -> its figures, in the order of the grid


@dataclass(frozen=True)
class Cell:
    """One run of an experiment: a training, or whatever is measured at one point of its grid.

    Attributes:
        key: what tells it from the other cells: ``("SimCLR", 0.2, 0)``.
        settings: whatever else decides its figures, as JSON: plan, augmentation, options. A cell is computed again when they
            change.
    """

    key: Key
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """The key as text, ``SimCLR/0.2/0``: what ``--only`` is compared with."""
        return "/".join(f"{part:g}" if isinstance(part, float) else str(part) for part in self.key)


@dataclass(frozen=True)
class Experiment:
    """One record of ``data/results``, and how it is made; or cells that are kept as its are, without a record.

    Attributes:
        name: of the experiment and of its record, ``data/results/NAME.json``.
        notebook: number of the notebook that shows it.
        shows: what it shows, in half a sentence for the table.
        datasets: names of the data sets that it needs, as ``facelab data list`` has them.
        grid: number of seeds -> all cells; no data set is read for it.
        run: one cell -> its figures. It is called in another process, with one thread, and must draw everything random from
            the cell, so that figures do not depend on what else is run.
        summarise: figures of all cells -> metrics of the record. None: there is no record, and who runs it wants the cells.
        parameters: number of seeds -> what the record says of its settings.
        data: role -> ``FaceSet.describe()`` of the photographs, for the record; their hashes decide the cells too.
        seeds: how many are run where nothing is said; 0: the experiment draws nothing, and takes no ``--seeds``.
        least_seeds: fewer make no interval.
        alone: whether it measures time, so that nothing may run beside a cell.
        packages: further packages whose versions the record names.
        extra: of the installation, which brings those of them that facelab itself can do without.
    """

    name: str
    notebook: str
    shows: str
    datasets: tuple[str, ...]
    grid: Callable[[int], Sequence[Cell]]
    run: Callable[[Cell], Figures]
    summarise: Callable[[Results], dict[str, Metric]] | None = None
    parameters: Callable[[int], dict[str, object]] = lambda seeds: {}
    data: Callable[[], Mapping[str, Mapping[str, object]]] = dict
    seeds: int = 3
    least_seeds: int = 3
    alone: bool = False
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def module(self) -> str:
        """The file below ``facelab/experiments`` that declares it: ``imbalance/runs.py``."""
        return self.run.__module__.removeprefix("facelab.experiments.").replace(".", "/") + ".py"

    def command(self, seeds: int) -> str:
        """What to type to make the record again."""
        return f"facelab experiment run {self.name}" + (f" --seeds {seeds}" if self.seeds else "")
