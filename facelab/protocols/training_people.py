"""Who was in the training of a network, where ``facelab train`` left its record beside it: they are no verification set."""

from __future__ import annotations

from facelab.datasets import FaceSet, load
from facelab.datasets.leakage import assert_disjoint, original_sources
from facelab.errors import FacelabError, LeakageError, one_line
from facelab.exchange.training_record import record_of_run
from facelab.paths import user_path
from facelab.protocols.closed_set import people_with_photos
from facelab.protocols.unseen_people import split_unseen_people

_SETTINGS = ("dataset", "size", "people", "min_photos", "seed")


def training_settings(embedder: str) -> dict[str, object] | None:
    """Data set and split of the training of a ``method.pt``, from the ``record.json`` beside it; None where it is not there."""
    method = user_path(embedder)
    try:
        record = record_of_run(method.parent) if method.suffix == ".pt" else None
    except (FacelabError, OSError):  # somebody else's file, or a damaged one
        record = None
    if record is None or not record.name.startswith("train "):  # a run that was not measured says only its data set
        return None
    settings = {name: record.parameters.get(name) for name in _SETTINGS}
    return settings if isinstance(settings["dataset"], str) else None


def refuse_trained_people(settings: dict[str, object] | None, faces: FaceSet) -> str:
    """Prove that nobody of a verification set was in a training, where both show people of one source.

    Args:
        settings: of ``training_settings``.
        faces: of the verification set.

    Returns:
        What is known of that, in a line.

    Raises:
        LeakageError: somebody was.
    """
    if settings is None:
        return "whom the network learned from is not known here"
    trained = f"trained on {settings['dataset']}"
    if not original_sources(str(settings["dataset"])) & original_sources(faces.source):
        return f"{trained}, by its name another source: whether people are in both is not known"
    try:
        everybody = people_with_photos(load(str(settings["dataset"]), settings["size"]), settings["min_photos"])
        train = split_unseen_people(everybody, settings["seed"])[0] if settings["people"] == "unseen" else everybody
    except (FacelabError, TypeError) as error:  # not here now, or a record that somebody wrote by hand
        return f"{trained}, which cannot be looked at ({one_line(error)}): whether people are in both is not known"
    try:
        assert_disjoint(train, faces, kinds=("identity",))
    except LeakageError as error:
        raise LeakageError(error.problem, "Verify on other people, or train with --people unseen.") from error
    return f"{trained}, --people {settings['people']}: nobody of this set was in its training"
