"""The card of an exported model in the form of the Hugging Face Hub: YAML on top, then what a person must know.

Mitchell et al., Model Cards for Model Reporting, FAT* 2019: intended use, limits, data, results with intervals and by group.
Paths of the machine that trained it, and names of people, stand in no card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from facelab.datasets.sources import Source, get_source, parse_joined_name
from facelab.errors import BadParameterError
from facelab.exchange import card_sections as sections
from facelab.exchange.card_results import TASK, groups_section, index_entry, results_section
from facelab.exchange.exported_model import ExportedModel
from facelab.exchange.publishable import without_set_paths
from facelab.extras import needs_extra
from facelab.records import Record

_END = "<!-- written by facelab export, SHA-256 of what stands above: {} -->\n"


def model_card(model: ExportedModel, records: Sequence[Record] = ()) -> str:
    """The text of a ``README.md``.

    Args:
        model: what is described.
        records: of its training, the first that names a data set as a parameter; and of what else was measured of it.

    Raises:
        FacelabError: PyYAML is missing.
    """
    records = list(map(without_set_paths, records))
    architecture = model.config["architecture"]
    name = f"{architecture['method']} on {architecture['backbone']['name']}"
    training = next((record for record in records if isinstance(record.parameters.get("dataset"), str)), None)
    sources = [] if training is None else _sources(str(training.parameters["dataset"]))
    parts = [
        f"# {name}",
        sections.summary(model),
        f"## Intended use\n\n{sections.INTENDED_USE}",
        f"### What it must not be used for\n\n{sections.FORBIDDEN_USE}",
        sections.limits(model, records),
        sections.data(sources, training),
        sections.training(model, training),
        results_section(model, records),
        groups_section(records),
        sections.usage(model),
        sections.preprocessing(model),
        sections.files(model),
    ]
    text = _front_matter(model, name, sources, records) + "\n\n".join(part.strip("\n") for part in parts) + "\n\n"
    return text + _END.format(_hash(text))


def was_edited(card: str) -> bool:
    """Whether a card is not, or no longer, as ``model_card`` wrote it."""
    start = _END.partition("{}")[0]
    text = card[: card.rfind(start)] if start in card else ""
    return card != text + _END.format(_hash(text))


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
    results = [result for record in records if (result := index_entry(model, record))["metrics"]]
    front = {
        "license": "other",
        "license_name": "terms-of-the-training-data",
        "license_link": "README.md",
        "library_name": "facelab",
        "pipeline_tag": TASK["type"],
        "tags": ["face-recognition", architecture["method"], architecture["backbone"]["name"], "onnx", "safetensors"],
    }
    if _names(sources):
        front["datasets"] = _names(sources)
    if results:
        front["metrics"] = list(dict.fromkeys(metric["type"] for result in results for metric in result["metrics"]))
        front["model-index"] = [{"name": name, "results": results}]
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n\n"
