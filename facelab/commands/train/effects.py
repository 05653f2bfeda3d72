"""Options of ``facelab train`` that would change nothing: each is refused, so that nobody believes it had an effect."""

from __future__ import annotations

from facelab.commands.train.settings import Settings
from facelab.errors import BadParameterError
from facelab.methods.registry import method_entry, parse_options
from facelab.training import Plan


def check_effects(settings: Settings, plan: Plan, do: str, devices: int | None, logger: str | None) -> None:
    """Raise BadParameterError where an option was given whose value nothing depends on.

    Args:
        settings: of the run; an option with its default counts as not given.
        plan: of its training.
        do: "train", "test" or "both".
        devices: how many processes were asked for; None: nothing was said.
        logger: the live log that was asked for; None: none.

    Raises:
        BadParameterError: the first such option, and why.
    """
    kind = method_entry(settings.method).method_class
    parts = kind.unused_options(parse_options(settings.method, settings.options))
    reasons = {
        "--head-epochs": settings.head == "none" and settings.head_epochs != Settings.head_epochs
        and "there is no --head",
        "--momentum": plan.optimizer == "adamw" and plan.momentum != Plan.momentum and "adamw has its own",
        "--chunk": plan.chunk >= plan.batch_size and f"a batch has {plan.batch_size} photographs",
        "--per-class": plan.per_class > plan.batch_size and f"a batch has {plan.batch_size} photographs",
        "--devices": do == "test" and (devices or 1) > 1 and "one process measures",
        "--logger": do == "test" and logger is not None and "nothing is trained",
        **{f"-p {name}": "the method's other options leave it aside" for name in parts},
    }  # fmt: skip
    for option, reason in reasons.items():
        if reason:
            raise BadParameterError(f"{option} changes nothing here: {reason}.", "Leave it out.")
