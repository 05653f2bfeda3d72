"""``facelab verify``: an embedder, whoever trained it, judged by verification sets."""

from __future__ import annotations

import hashlib
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console, print_table
from facelab.errors import BadParameterError

if TYPE_CHECKING:
    from facelab.exchange.embedders import Embedder
    from facelab.protocols.pair_sets import PairSet
    from facelab.protocols.verification import Verification
    from facelab.records import Metric

_ONNX_OPTIONS = ("layout", "channels", "mean", "scale", "crop")


def verify(
    embedder: Annotated[
        str,
        typer.Argument(help="sface, a method.pt of facelab train, a folder of facelab export, or an .onnx file."),
    ],
    sets: Annotated[
        list[str],
        typer.Argument(
            metavar="SET...",
            help="PATH.bin; LIST@DATASET, such as pairs.txt@folder:PATH (LFW's form, or a CSV first,second,same); lfw; orl.",
        ),
    ],
    mirror: Annotated[bool, typer.Option("--mirror", help="Add the embedding of each mirror image.")] = False,
    cohort: Annotated[
        str | None,
        typer.Option(help="Data set of other people: scores on the scale of theirs (s-norm), not plain cosines."),
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The photographs of LIST@DATASET, or of the cohort, are aligned crops.")
    ] = False,
    search_side: Annotated[
        int, typer.Option(min=64, max=1024, help="Side in pixels at which whole photographs are searched for faces.")
    ] = 224,
    layout: Annotated[str | None, typer.Option(help="Of an .onnx file that does not say it: NCHW or NHWC.")] = None,
    channels: Annotated[str | None, typer.Option(help="Likewise: RGB, BGR or GRAY.")] = None,
    mean: Annotated[
        str | None, typer.Option(help="Likewise, of pixels of 0 to 255: a number, or three with commas.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Likewise: a pixel becomes (pixel - mean) / scale.")] = None,
    crop: Annotated[
        str | None,
        typer.Option(help="Likewise: arcface (aligned by five points; the default), or dataset (squares as they are)."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds that are drawn, of the cohort and of the intervals.")] = 0,
) -> None:
    """Judge an embedder: accuracy in ten folds, EER, and TAR at each FAR that a set can show, with intervals. One record."""
    from facelab import records
    from facelab.datasets.sources import absolute_name
    from facelab.exchange.embedders import new_embedder
    from facelab.exchange.onnx_input import OnnxInput
    from facelab.paths import absolute_path, runs_root
    from facelab.protocols.pair_sets import absolute_set_name
    from facelab.protocols.training_people import refuse_trained_people, training_settings
    from facelab.protocols.verification import embed_cohort, needs_search
    from facelab.protocols.verification import verify as verify_set

    started = time.perf_counter()
    if twice := [name for name in sets if sets.count(name) > 1]:
        raise BadParameterError(f"{twice[0]} is named twice.", "Name each set once.")
    words = dict(zip(_ONNX_OPTIONS, (layout, channels, mean, scale, crop), strict=True))
    typed = {name: value for name, value in words.items() if value is not None}
    network = new_embedder(embedder, OnnxInput.parse(typed) if typed else None)
    training = training_settings(embedder)

    loaded = [_load(name, network, search_side, aligned, seed) for name in sets]
    known = [refuse_trained_people(training, one.faces) for one in loaded]
    others = None
    if cohort is not None:
        cohort = absolute_name(cohort)
        others = embed_cohort(network, cohort, loaded, search_side, aligned=aligned, mirror=mirror, seed=seed)

    parameters = {
        "embedder": embedder if embedder == "sface" else str(absolute_path(embedder)),
        "fingerprint": network.fingerprint,
        "dataset": ", ".join(sets),
        "mirror": mirror,
        "cohort": cohort,
        "aligned": aligned,
        "search_side": search_side,
        "seed": seed,
        **words,
    }
    record = records.Record(
        _record_name(parameters), _command_line([absolute_set_name(name) for name in sets], parameters), parameters
    )
    for name, one, note in zip(sets, loaded, known, strict=True):
        found = verify_set(network, one, mirror=mirror, cohort=others, seed=seed)
        record.data[name] = one.faces.describe() | {"pairs": len(one.pairs), "folds": one.folds, "training": note}
        if found.undetected is not None:
            record.data[name]["undetected"] = found.undetected
        record.metrics |= {f"{figure}/{name}": metric for figure, metric in _metrics(found).items()}
        searched = needs_search(network, one.aligned)
        _print(one, found, [note, _framing(network, one, searched, search_side, found.undetected)])
    record.wall_seconds, record.versions = round(time.perf_counter() - started, 1), records.versions()
    digest = hashlib.sha256(f"{record.command} {network.fingerprint}".encode()).hexdigest()[:8]
    stem = "".join(char if char.isalnum() or char in "-_" else "_" for char in Path(embedder).stem)[:60]
    path = record.write(runs_root() / "records" / "verify" / f"{stem}-{digest}.json")
    console.print(f"record: {path}; facelab leaderboard shows it")


def _load(name: str, network: Embedder, search_side: int, aligned: bool, seed: int) -> PairSet:
    from facelab.protocols.pair_sets import load_pair_set

    return load_pair_set(
        name, network.side, search_side if network.crop == "arcface" else None, aligned=aligned, seed=seed
    )


def _command_line(sets: list[str], parameters: dict[str, object]) -> str:
    """The line to type for this call; what is off or as it is by itself is left out."""
    line = ["facelab", "verify", str(parameters["embedder"]), *sets]
    line += [f"--{name}" for name in ("mirror", "aligned") if parameters[name]]
    valued = ("cohort", "search_side", "seed", *_ONNX_OPTIONS)
    line += [f"--{name.replace('_', '-')}={parameters[name]}" for name in valued if parameters[name] is not None]
    return shlex.join(line)


def _record_name(parameters: dict[str, object]) -> str:
    """What the leaderboard tells judged networks apart by: a ``method.pt`` is called as its run is."""
    path = Path(str(parameters["embedder"]))
    name = f"verify {f'{path.parent.name}/{path.name}' if path.suffix else path.name}"
    name += ", mirror" if parameters["mirror"] else ""
    return name if parameters["cohort"] is None else f"{name}, cohort {parameters['cohort']}"


def _metrics(found: Verification) -> dict[str, Metric]:
    from facelab.records import Metric

    metrics = {"accuracy": Metric.from_estimate(found.accuracy.estimate)}
    metrics["standard error"] = Metric(found.accuracy.standard_error, len(found.accuracy.folds))
    return metrics | {name: Metric.from_estimate(one) for name, one in found.estimates.items()}


def _framing(network: Embedder, one: PairSet, searched: bool, search_side: int, undetected: int | None) -> str:
    """How the photographs became crops, in a line."""
    if searched:
        lost = f"on {undetected} none was found: their whole square was taken" if undetected else "found on all"
        return f"faces were searched for at {search_side} pixels and aligned; {lost}"
    if network.crop == "arcface":
        return "aligned crops, as the network learned from"
    if one.aligned:
        return "aligned crops, resized: the network learned from squares of its data set, so that the framing differs"
    return "squares as the data set gives them: no face was searched for"


def _print(one: PairSet, found: Verification, notes: list[str]) -> None:
    genuine = int(one.pairs.same.sum())
    people = f"{len(one.faces.people)} people" if one.people_known else "unknown people"
    console.print(
        f"{one.name}: {genuine:,} genuine and {len(one.pairs) - genuine:,} impostor pairs of {len(one.faces):,} photographs, "
        f"{people}",
        style="bold",
    )
    folds, accuracy = len(found.accuracy.folds), found.accuracy
    rows = [
        (
            f"accuracy, {folds} folds",
            f"{100 * accuracy.mean:.2f} % +- {100 * accuracy.standard_error:.2f} %",
            _interval(accuracy.estimate),
            f"{folds} folds",
        )
    ]
    rows += [
        (_title(name), f"{100 * estimate.value:.2f} %", _interval(estimate), f"{estimate.n} people")
        for name, estimate in found.estimates.items()
    ]
    print_table(("figure", "value", "95 % interval", "of"), rows, right=("of",))
    for note in (f"folds {one.folds}", *notes, *_people_note(one)):
        console.print(f"  {note}")


def _people_note(one: PairSet) -> list[str]:
    if one.people_known:
        return []
    return [
        "people are told by the genuine pairs alone: who is in several of them counts several times, and intervals are narrow"
    ]


def _title(name: str) -> str:
    return f"TAR at FAR {name.removeprefix('tar@')}" if name.startswith("tar@") else name.upper()


def _interval(estimate: object) -> str:
    return f"{100 * max(0, estimate.low):.2f} to {100 * min(1, estimate.high):.2f} %"
