"""The parts of a model card that tell what a model is, what it is for, whom it has seen, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facelab.datasets.sources import Source
from facelab.exchange.card_results import OF_A_GROUP
from facelab.exchange.exported_model import ExportedModel
from facelab.exchange.publishable import published_weights, without_path, without_paths
from facelab.records import Record
from facelab.terminal import printable
from facelab.whole_numbers import is_whole_number

INTENDED_USE = """\
Teaching and research on representations of faces: comparing photographs of people who have agreed to it, and studying what such
a network learns, misses and gets wrong.
"""

FORBIDDEN_USE = """\
- to find out who somebody is who has not agreed to it, or to follow people: no search of strangers, no surveillance;
- to decide about people: access, money, work, school, police, borders;
- to guess sex, origin, age, health or feelings from a face;
- as a lock: nothing here tells a face from a picture of one;
- for anything that the terms of the training data forbid, which are below.
"""

_TERMS_OF_MODEL = (
    "No photograph is in these files, and nobody's name unless `labels.json` is there. What the terms of the data forbid, they "
    "forbid of a model of it too, where they say so. The code of facelab is MIT."
)

_WITH_ONNX = """\
```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("model.onnx")

def embed(path):
    crop = Image.open(path).convert("{mode}").resize(({side}, {side}), Image.Resampling.BILINEAR)
    pixels = np.asarray(crop, np.float32).reshape(1, {side}, {side}, {channels}).transpose(0, 3, 1, 2)
    vector = session.run(["embeddings"], {{"images": pixels}})[0][0]
    return vector / np.linalg.norm(vector)

print(embed("first.png") @ embed("second.png"))  # cosine: the higher, the more alike
```
"""


def summary(model: ExportedModel) -> str:
    """What the network does, how it was trained and how large it is."""
    architecture = model.config["architecture"]
    backbone = architecture["backbone"]
    count = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"A network that turns a face, cut out to {model.size} x {model.size} pixels, into {model.dimension} numbers: "
        "photographs of one person point in like directions, those of two people less so. "
        f"Trained by the method `{architecture['method']}` of facelab {model.config['facelab_version']} on photographs of "
        f"{architecture['classes']} people: a `{backbone['name']}` of width {backbone['width']}, {count:,} weights."
    )


def limits(model: ExportedModel, records: Sequence[Record]) -> str:
    """What is not known of it."""
    lines = [
        f"- It has seen {model.config['architecture']['classes']} people. How it does on people, cameras, light and ages that "
        "were not in the test, nobody has measured.",
        "- The figures below hold for crops that are made as those of its training were.",
        "- No threshold comes with it: set one on photographs of your own, at the rate of false matches that you can bear.",
    ]
    if not any(record.metrics for record in records):
        lines.append("- Nothing was measured of it yet.")
    if not any(OF_A_GROUP.search(name) for record in records for name in record.metrics):
        lines.append(
            "- Whether it errs more often on some groups of people than on others was not measured; most networks do."
        )
    return "## Limits\n\n" + "\n".join(lines)


def data(sources: list[Source | str], record: Record | None) -> str:
    """What it was trained on, under which terms.

    Args:
        sources: the data sets; a text for what is no published one.
        record: the record of the training, where there is one.
    """
    lines = []
    for source in sources:
        if isinstance(source, Source):
            lines.append(
                f"- `{source.name}`: {source.title}. {source.facts}.\n  - Terms: {source.license}.\n"
                f"  - Credit: {source.citation}."
            )
        else:
            lines.append(
                f"- `{source}`: no published data set. Its terms, and whether those on it have agreed, are the trainer's "
                "to say: write it here before you hand this model on."
            )
    if not lines:
        lines.append(
            "- Not known to this file: write here what it was trained on, under which terms, before you hand it on."
        )
    used = [] if record is None else [_counts(part) for part in record.data.values() if isinstance(part, dict)]
    return "\n\n".join(
        ["## Training data and its terms", "\n".join(lines), *filter(None, used),
         _TERMS_OF_MODEL]
    )  # fmt: skip


def _counts(data: Mapping[str, object]) -> str:
    if "sha256" not in data or not all(is_whole_number(data.get(key)) for key in ("images", "people")):
        return ""
    source = without_path(str(data.get("source")))
    return (
        f"In all {data['images']:,} photographs of {data['people']:,} people (`{printable(source)}`, SHA-256 of the pixels "
        f"`{printable(str(data['sha256']))}`), of which a part was kept for the test."
    )


def training(model: ExportedModel, record: Record | None) -> str:
    """Options, command and first weights."""
    options = model.config["architecture"]["options"]
    said = ", ".join(f"{name} {value}" for name, value in options.items()) or "the defaults"
    lines = [f"Options of the method: {said}."]
    command = "" if record is None else without_paths(record.command)
    if command:
        lines.append(f"```\n{printable(command)}\n```")
    weights = None if record is None else record.parameters.get("weights")
    if weights:
        lines.append(f"It began with the weights `{published_weights(str(weights))}`, whose terms hold as well.")
    return "## Training\n\n" + "\n\n".join(lines)


def usage(model: ExportedModel) -> str:
    """A few lines of Python that run."""
    mode = "L" if model.in_channels == 1 else "RGB"
    lines = [
        "## How to use it",
        "With facelab, in this folder:",
        '```python\nimport facelab\nembeddings = facelab.load_model(".").embed(crops)  # uint8 (N, H, W, '
        f"{model.in_channels}) to (N, {model.dimension})\n```",
        "With onnxruntime alone:",
        _WITH_ONNX.format(mode=mode, side=model.size, channels=model.in_channels).strip(),
        '`cv2.dnn.readNetFromONNX("model.onnx")` takes the same input.',
    ]
    if model.labels is not None:
        predict = '`facelab.load_model(".").predict(crops)` gives the probabilities of the people in `labels.json`.'
        lines.insert(3, f"It is a classifier, too: {predict}")
    return "\n\n".join(lines)


def preprocessing(model: ExportedModel) -> str:
    """What must be done to a photograph first, and what is done inside the model."""
    stated = model.config["preprocessing"]
    crop = {
        "dataset": "the square that its training's data set gives: a face with some room around it, as facelab cuts it",
        "arcface": "aligned to ArcFace's five points (112 x 112 pixels), then resized",
    }[stated["crop"]]
    numbers = [", ".join(f"{value:g}" for value in stated[name]) for name in ("mean", "std")]
    return (
        "## Preprocessing\n\n"
        f"- Crop: {crop}.\n"
        f"- Side: {stated['side']} pixels, {stated['channels']}, bilinear with antialiasing.\n"
        f"- Inside the model: (pixel / 255 - {numbers[0]}) / {numbers[1]}. `model.onnx` takes pixels as they are, float32 of "
        "0 to 255, (N, C, H, W).\n"
        f"- Out come {model.dimension} numbers, not normalised; compare them by the cosine."
    )


def files(model: ExportedModel) -> str:
    """The files of the folder, and what was left out of them."""
    lines = [
        "- `model.safetensors`: the weights, under the names that PyTorch gives them",
        "- `config.json`: what is needed to build the network again",
        "- `model.onnx`: the same for onnxruntime, OpenCV and others",
    ]
    if model.labels is not None:
        lines.append(
            "- `labels.json`: names of the people of its training: personal data, for those only who may have them"
        )
    left_out = "what served the training alone (heads, queues, class weights)"
    if model.labels is not None:
        left_out += ", but for the classifier"
    return (
        "## Files\n\n"
        + "\n".join(lines)
        + f"\n\nLeft out: {left_out}. Such vectors can be templates of the people trained on."
    )
