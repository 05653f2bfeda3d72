"""What came out of a sweep: a table of its trials, a CSV file, and three pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from facelab.files import atomic_write
from facelab.plots import chart_alt_text, describe
from facelab.sweeps.objective import Objective
from facelab.sweeps.optuna_library import import_optuna
from facelab.sweeps.space import Space
from facelab.sweeps.trials import ERROR, finished_trials

if TYPE_CHECKING:
    from optuna import Study

_INCHES, _DPI = (12.8, 6.4), 100  # 1280 x 640 pixels


def trial_table(study: Study, space: Space) -> pd.DataFrame:
    """The trials that are done, the best first and those that failed at the end.

    Returns:
        Columns trial (its number), value (NaN where it failed), one for each parameter, error (empty where there was none).
    """
    rows = [
        {
            "trial": trial.number,
            "value": trial.value if trial.state.name == "COMPLETE" else math.nan,
            **{name: trial.params.get(name) for name in space},
            "error": "" if trial.state.name == "COMPLETE" else trial.user_attrs.get(ERROR, ""),
        }
        for trial in finished_trials(study)
    ]
    table = pd.DataFrame(rows, columns=["trial", "value", *space, "error"])
    maximize = study.direction.name == "MAXIMIZE"
    return table.sort_values("value", ascending=not maximize, kind="stable", na_position="last", ignore_index=True)


def write_report(study: Study, space: Space, objective: Objective, folder: Path) -> list[Path]:
    """Write ``trials.csv`` and the pictures that can be drawn into a folder.

    Args:
        study: with one complete trial at least.
        space: that was searched.
        objective: that was measured.
        folder: where to.

    Returns:
        The files. Trials that all measured the same have no picture but their history, and the importance of parameters needs
        two to compare.
    """
    path = folder / "trials.csv"
    with atomic_write(path) as partial:
        trial_table(study, space).to_csv(partial, index=False)
    complete = [trial for trial in finished_trials(study) if trial.state.name == "COMPLETE"]
    differ = len({trial.value for trial in complete}) > 1
    varied = [name for name in space if len({trial.params[name] for trial in complete}) > 1]
    pictures: dict[str, Callable] = {"history": _history}
    if differ and varied:
        pictures["parallel_coordinates"] = _parallel_coordinates
    if differ and len(varied) > 1:
        pictures["importance"] = _importance
    written = [path]
    # Optuna sets a style for the whole process; and the course's way of finding margins would overrule those of these pictures
    with plt.rc_context({"figure.constrained_layout.use": False}):
        for name, draw in pictures.items():
            figure = draw(study, objective.metric, varied)
            written.append(_save(figure, folder / f"{name}.png"))
    return written


def _save(figure: Figure, path: Path) -> Path:
    """As a PNG that carries its alternative text."""
    figure.set_size_inches(*_INCHES)
    with atomic_write(path) as partial:
        figure.savefig(
            partial, format="png", dpi=_DPI, facecolor="white", metadata={"Description": chart_alt_text(figure)}
        )
    plt.close(figure)
    return path


def _history(study: Study, metric: str, names: list[str]) -> Figure:
    axes = import_optuna().visualization.matplotlib.plot_optimization_history(study, target_name=metric)
    axes.get_lines()[0].set_drawstyle("steps-post")
    axes.xaxis.get_major_locator().set_params(integer=True)
    _whiten(axes, "What each trial measured, and the best so far")
    axes.legend(["a trial", "the best so far"], loc="best")
    return describe(axes.figure, "The best number so far goes in steps; no trial lies on its better side.")


def _importance(study: Study, metric: str, names: list[str]) -> Figure:
    optuna = import_optuna()
    # a forest of random trees: with a seed, so that the picture is the same on every call
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    axes = optuna.visualization.matplotlib.plot_param_importances(study, evaluator, params=names, target_name=metric)
    axes.set_title("", loc="left")
    axes.get_legend().remove()
    axes.set_xlabel(f"share of the variance of {metric} (fANOVA)")
    axes.set_ylabel("parameter")
    _whiten(axes, "How much of the differences between trials each parameter explains")
    return describe(axes.figure, "One bar a parameter, the longest at the top.")


def _parallel_coordinates(study: Study, metric: str, names: list[str]) -> Figure:
    axes = import_optuna().visualization.matplotlib.plot_parallel_coordinate(study, params=names, target_name=metric)
    figure = axes.figure
    # by default bad trials are white; the end that Optuna draws dark stays the good one
    lines = next(part for part in axes.collections if isinstance(part, LineCollection))
    lines.set_cmap("viridis_r" if lines.get_cmap().name == "Blues" else "viridis")
    texts = ["measured", *(text.get_text() for text in axes.get_xticklabels()[1:])]
    axes.set_xticks(axes.get_xticks(), texts, rotation=0 if len(names) < 8 else 30, ha="center")
    _whiten(axes, "Values of each trial, one line a trial")
    for one in figure.axes:
        one.grid(False)
        one.spines["right"].set(visible=True, color="0.6")
    figure.subplots_adjust(left=0.07, right=0.98, bottom=0.12, top=0.93)
    return describe(
        figure, "Lines run from the measured number through the value of each parameter; the darkest are the best."
    )


def _whiten(axes: Axes, title: str) -> None:
    axes.set_facecolor("white")
    for line in (*axes.get_xgridlines(), *axes.get_ygridlines()):
        line.set_color("0.85")
    axes.set_title(title, color="black")
    axes.figure.set_layout_engine("none" if len(axes.figure.axes) > 1 else "tight")
