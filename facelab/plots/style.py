"""The look of all figures of the course."""

from __future__ import annotations

import warnings

import matplotlib.pyplot as plt
import seaborn as sns

from facelab.plots.alt_text import add_alt_text_to_charts
from facelab.plots.text import installed_fallback_fonts

#: colours that stay apart for colour-blind readers and in grey print (Okabe and Ito)
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def hex_to_rgb(color: str) -> tuple[int, int, int]:
    """``"#RRGGBB"`` as three numbers, 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def use_course_style() -> None:
    """One look for all figures of the course, with fonts for the names of the whole world where the system has them.

    In a kernel every chart that is displayed carries its alternative text.
    """
    add_alt_text_to_charts()
    sns.set_theme(context="notebook", style="whitegrid", palette=list(COLORS))
    plt.rcParams.update(
        {
            "figure.dpi": 88,
            "figure.figsize": (7.5, 3.6),
            "figure.constrained_layout.use": True,
            "axes.titlesize": "medium",
            "font.family": ["sans-serif", *installed_fallback_fonts()],
        }
    )
    # a line a letter: plots.text says it once
    warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")
