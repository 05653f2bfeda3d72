"""A page to play with: one HTML document that needs nothing else, in a frame of its own where somebody watches."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Image
from matplotlib.figure import Figure

from facelab.plots import as_jpeg, sprite
from facelab.terminal import printable

_FOLDER = Path(__file__).parent


def render(template: str, data: dict[str, object]) -> str:
    """The document of a template beside this file, with the style and the functions that all of them share.

    Args:
        template: name of the file.
        data: what JSON can hold, numbers finite; strings are text in the page, whatever is in them.
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    parts = {name: (_FOLDER / name).read_text(encoding="utf-8") for name in ("common.css", "common.js", template)}
    document = parts[template].replace("/* common.css */", parts["common.css"])
    document = document.replace("/* common.js */", parts["common.js"])
    return document.replace(
        "__DATA__", text.replace("<", "\\u003c")
    )  # so that no label can end the script it stands in


def frame(document: str, title: str, height: int) -> HTML:
    """The document in a frame of a notebook.

    The sandbox keeps the page from the notebook around it, and the notebook's styles from the page.

    Args:
        document: from ``render``.
        title: what a screen reader calls the frame.
        height: in pixels; a longer page scrolls.
    """
    return HTML(
        f'<div><iframe sandbox="allow-scripts" title="{html.escape(title)}" srcdoc="{html.escape(document)}" width="100%" '
        f'height="{height}" style="border: 0"></iframe></div>'
    )


def sheet(images: np.ndarray, side: int) -> dict[str, object]:
    """Faces as one picture, and what ``drawFace`` of the page needs to cut one out.

    Args:
        images: uint8 (N, S, S, C), grey or RGB, N >= 1.
        side: of each face in pixels; smaller photographs are not enlarged.
    """
    side = min(images.shape[1], side)
    picture = sprite(images, side)
    return {
        "side": side,
        "columns": picture.shape[1] // side,
        "sheet": "data:image/jpeg;base64," + base64.b64encode(as_jpeg(picture).data).decode(),
    }


def figure_image(figure: Figure, alt: str) -> Image:
    """A finished figure as a picture that a notebook displays, with what a screen reader says of it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    plt.close(figure)
    return Image(data=buffer.getvalue(), format="png", alt=alt)


def table_columns(table: pd.DataFrame) -> dict[str, list[str]]:
    """Labels as the page shows them: text in one line, empty where a value is missing."""
    return {
        printable(str(name)): ["" if pd.isna(value) else printable(str(value)) for value in table[name]]
        for name in table
    }
