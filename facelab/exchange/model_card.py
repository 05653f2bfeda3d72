"""The card of an exported model in the form of the Hugging Face Hub: YAML on top, then what a person must know.

Mitchell et al., Model Cards for Model Reporting, FAT* 2019: intended use, limits, data, results with intervals and by group.
Paths of the machine that trained it, and names of people, stand in no card.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from facelab.datasets.sources import Source, get_source, parse_joined_name
from facelab.errors import BadParameterError
from facelab.exchange.exported_model import ExportedModel
from facelab.extras import needs_extra
from facelab.records import Metric, Record
from facelab.terminal import printable
from facelab.whole_numbers import is_whole_number

_TASK = {"type": "image-feature-extraction", "name": "Image feature extraction"}  # the Hub's word for an embedding
_FIGURES = {
    "eer": "equal error rate",
    "auc": "area under the ROC curve",
    "silhouette": "silhouette of the people",
    "accuracy": "accuracy",
}
_SIZE = re.compile(r"@\d+.*")  # of FaceSet.source, behind the name of the data set
_OF_A_GROUP = re.compile(r"(^|/)(fmr|fnmr)[ /]")  # names of evaluation.fairness
_END = "<!-- written by facelab export, SHA-256 of what stands above: {} -->\n"

_INTENDED = """\
Teaching and research on representations of faces: comparing photographs of people who have agreed to it, and studying what such
a network learns, misses and gets wrong.
"""

_MUST_NOT = """\
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


def model_card(model: ExportedModel, records: Sequence[Record] = ()) -> str:
    """The text of a ``README.md``.

    Args:
        model: what is described.
        records: of its training, the first that names a data set as a parameter; and of what else was measured of it.

    Raises:
        FacelabError: PyYAML is missing.
    """
    architecture = model.config["architecture"]
    name = f"{architecture['method']} on {architecture['backbone']['name']}"
    training = next((record for record in records if isinstance(record.parameters.get("dataset"), str)), None)
    sources = [] if training is None else _sources(str(training.parameters["dataset"]))
    parts = [
        f"# {name}",
        _summary(model),
        f"## Intended use\n\n{_INTENDED}",
        f"### What it must not be used for\n\n{_MUST_NOT}",
        _limits(model, records),
        _training_data(sources, training),
        _training(model, training),
        _results(model, records),
        _groups(records),
        _usage(model),
        _preprocessing(model),
        _files(model),
    ]
    text = _front_matter(model, name, sources, records) + "\n\n".join(part.strip("\n") for part in parts) + "\n\n"
    return text + _END.format(_hash(text))


def was_edited(card: str) -> bool:
    """Whether a card is not, or no longer, as ``model_card`` wrote it."""
    start = _END.partition("{}")[0]
    text = card[: card.rfind(start)] if start in card else ""
    return card != text + _END.format(_hash(text))


def without_paths(command: str) -> str:
    """A command line as one may publish it: what names files of a machine, and perhaps people, is ``PATH``."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    return shlex.join(map(_without_path, words))


def _without_path(word: str) -> str:
    family, colon, _ = word.partition(":")
    if colon and "/" not in family:
        return f"{family}:PATH"
    return "PATH" if "/" in word or "\\" in word or word.startswith("~") else word


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()


def _sources(dataset: str) -> list[Source | str]:
    """The data sets of a name for ``datasets.load``; one that is no published one as its family, without its path."""
    found: list[Source | str] = []
    for part in parse_joined_name(dataset):
        try:
            found.append(f"{part.partition(':')[0]}:PATH" if ":" in part else get_source(part))
        except BadParameterError:  # of another version of facelab
            found.append(part)
    return found


def _names(sources: Iterable[Source | str]) -> list[str]:
    return [source.name for source in sources if isinstance(source, Source)]


def _front_matter(model: ExportedModel, name: str, sources: list[Source | str], records: Sequence[Record]) -> str:
    with needs_extra("A model card", "exchange"):
        import yaml
    architecture = model.config["architecture"]
    results = [result for record in records if (result := _index_entry(model, record))["metrics"]]
    front = {
        "license": "other",
        "license_name": "terms-of-the-training-data",
        "license_link": "README.md",
        "library_name": "facelab",
        "pipeline_tag": _TASK["type"],
        "tags": ["face-recognition", architecture["method"], architecture["backbone"]["name"], "onnx", "safetensors"],
    }
    if _names(sources):
        front["datasets"] = _names(sources)
    if results:
        front["metrics"] = list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))
        front["model-index"] = [{"name": name, "results": results}]
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n\n"


def _index_entry(model: ExportedModel, record: Record) -> dict[str, object]:
    """A result of a model-index: what was measured of the model itself, and on what."""
    source = _measured_on(record)
    metrics = [
        {
            "type": printable(metric_name.partition("/")[0].partition("@")[0]),
            "value": metric.value,
            "name": printable(metric_name),
            "args": {"n": metric.n, "low": metric.low, "high": metric.high, "interval": printable(str(metric.method))},
        }
        for metric_name, metric in _own_metrics(model, record).items()
    ]
    return {"task": dict(_TASK), "dataset": {"type": _SIZE.sub("", source), "name": source}, "metrics": metrics}


def _measured_on(record: Record) -> str:
    """The data of a record in few words, as ``orl-wild@48``."""
    sources = [str(data.get("source", "")) for data in record.data.values() if isinstance(data, dict)]
    return printable(" and ".join(dict.fromkeys(map(_without_path, filter(None, sources)))) or record.name)


def _own_metrics(model: ExportedModel, record: Record) -> dict[str, Metric]:
    """Without those of the baselines, and of what else a training leaves in its folder."""
    trained = record.parameters.get("method")
    if not isinstance(trained, str):
        return record.metrics
    head = model.config["architecture"]["method"] != trained
    own = re.compile(re.escape(trained) + (r" \+ MLP.*" if head else r"(, .*)?"))
    return {name: metric for name, metric in record.metrics.items() if own.fullmatch(name.partition("/")[2])}


def _summary(model: ExportedModel) -> str:
    architecture = model.config["architecture"]
    backbone = architecture["backbone"]
    count = sum(parameter.numel() for parameter in model.parameters())
    return (
        f"A network that turns a face, cut out to {model.size} x {model.size} pixels, into {model.dimension} numbers: "
        "photographs of one person point in like directions, those of two people less so. "
        f"Trained by the method `{architecture['method']}` of facelab {model.config['facelab_version']} on photographs of "
        f"{architecture['classes']} people: a `{backbone['name']}` of width {backbone['width']}, {count:,} weights."
    )


def _limits(model: ExportedModel, records: Sequence[Record]) -> str:
    lines = [
        f"- It has seen {model.config['architecture']['classes']} people. How it does on people, cameras, light and ages that "
        "were not in the test, nobody has measured.",
        "- The figures below hold for crops that are made as those of its training were.",
        "- No threshold comes with it: set one on photographs of your own, at the rate of false matches that you can bear.",
    ]
    if not any(record.metrics for record in records):
        lines.append("- Nothing was measured of it yet.")
    if not any(_OF_A_GROUP.search(name) for record in records for name in record.metrics):
        lines.append(
            "- Whether it errs more often on some groups of people than on others was not measured; most networks do."
        )
    return "## Limits\n\n" + "\n".join(lines)


def _training_data(sources: list[Source | str], training: Record | None) -> str:
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
    used = [] if training is None else [_counts(data) for data in training.data.values() if isinstance(data, dict)]
    return "\n\n".join(
        ["## Training data and its terms", "\n".join(lines), *filter(None, used),
         _TERMS_OF_MODEL]
    )  # fmt: skip


def _counts(data: Mapping[str, object]) -> str:
    if "sha256" not in data or not all(is_whole_number(data.get(key)) for key in ("images", "people")):
        return ""
    source = _without_path(str(data.get("source")))
    return (
        f"In all {data['images']:,} photographs of {data['people']:,} people (`{printable(source)}`, SHA-256 of the pixels "
        f"`{printable(str(data['sha256']))}`), of which a part was kept for the test."
    )


def _training(model: ExportedModel, training: Record | None) -> str:
    options = model.config["architecture"]["options"]
    said = ", ".join(f"{name} {value}" for name, value in options.items()) or "the defaults"
    lines = [f"Options of the method: {said}."]
    command = "" if training is None else without_paths(training.command)
    if command:
        lines.append(f"```\n{printable(command)}\n```")
    weights = None if training is None else training.parameters.get("weights")
    if weights:
        lines.append(f"It began with the weights `{printable(_without_path(str(weights)))}`, whose terms hold as well.")
    return "## Training\n\n" + "\n\n".join(lines)


def _results(model: ExportedModel, records: Sequence[Record]) -> str:
    tables = []
    for record in records:
        own = _own_metrics(model, record)
        named = [(name, m) for name, m in record.metrics.items() if not _OF_A_GROUP.search(name)]
        rows = [(name, m) for name, m in named if name in own] + [(name, m) for name, m in named if name not in own]
        if rows:
            about = {"known": " Other photographs of the people it was trained on.",
                     "unseen": " People who were in no training."}.get(str(record.parameters.get("people")), "")  # fmt: skip
            tables += [f"On `{_measured_on(record)}`.{about}", _table(rows, own)]
    if not tables:
        return "## Results\n\nNone: nothing was measured. `facelab train ... --do test` measures a run; export it again then."
    tables.append("Bold: this model. The others, where there are any, are what it is held against on the same photographs. "
                  "The interval is one of 95 %; n is what it rests on.")  # fmt: skip
    return "## Results\n\n" + "\n\n".join(tables)


def _groups(records: Sequence[Record]) -> str:
    rows = [(name, m) for record in records for name, m in record.metrics.items() if _OF_A_GROUP.search(name)]
    if not rows:
        return "## Error rates by group\n\nNot measured. Measure them on the people whom you mean before any use beyond a lab."
    return (
        "## Error rates by group\n\n`fmr`: rate of false matches, `fnmr`: of false non-matches; all groups at one threshold.\n"
        "\n" + _table(rows, {})
    )


def _table(rows: Sequence[tuple[str, Metric]], bold: Mapping[str, Metric]) -> str:
    lines = ["| figure | value | interval | n | how |", "|---|---|---|---|---|"]
    for name, metric in rows:
        figure, slash, way = name.partition("/")
        shown = printable(f"{_figure(figure)}{': ' if slash else ''}{way}").replace("|", "\\|")
        interval = "" if metric.low is None else f"{metric.low:.3f} to {metric.high:.3f}"
        shown, value = (f"**{text}**" if name in bold else text for text in (shown, f"{metric.value:.3f}"))
        how = printable(str(metric.method)).replace("|", "\\|")
        lines.append(f"| {shown} | {value} | {interval} | {'' if metric.n is None else metric.n} | {how} |")
    return "\n".join(lines)


def _figure(name: str) -> str:
    rate = re.fullmatch(r"(tar|tmr)@(?:far=|fmr=)?(.+)", name)
    if rate:
        return f"true match rate at a false match rate of {rate[2]}"
    top = re.fullmatch(r"top(\d+)", name)
    return f"right person among the first {top[1]}" if top else _FIGURES.get(name, name)


def _usage(model: ExportedModel) -> str:
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


def _preprocessing(model: ExportedModel) -> str:
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


def _files(model: ExportedModel) -> str:
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
