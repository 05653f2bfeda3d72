"""The work of one worker of a sweep: trial after trial, until all are done, whoever ran them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facelab.errors import FacelabError, PreemptedError
from facelab.progress import progress_bar
from facelab.sweeps.objective import Objective, ObjectiveError
from facelab.sweeps.optuna_library import import_optuna
from facelab.sweeps.space import Space, contains
from facelab.sweeps.trials import (
    ERROR,
    KILLS,
    Claim,
    DeathWatch,
    claim_trial,
    finished_trials,
    heartbeat,
    put_back,
    put_back_lost_trials,
    record_error,
    record_value,
)

if TYPE_CHECKING:
    from optuna import Study

MOST_ERRORS = 3  #: after so many failures and no success the sweep stops
_SECONDS_BETWEEN_LOOKS = (0.2, 5.0)  # at trials of others: the first, and the longest


def run_trials(
    study: Study,
    objective: Objective,
    space: Space,
    trials: int,
    folder: Path,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Run trials of a study until there are N, together with all other workers that do the same.

    It returns when every trial is done, also those of the others, so that a trial whose process is killed never is nobody's.
    With one worker the same trials come out however often it was stopped: what trial k tries follows from the seed, from k,
    and from the trials before it. Of several workers it depends on who is faster.

    Args:
        study: from ``open_study``.
        objective: what is measured.
        space: what is searched.
        trials: N, those of earlier calls included.
        folder: each trial has one of its own below it, ``trial-0000``, where it goes on if it was killed.
        say: called with a line that a person should read.

    Raises:
        ObjectiveError: no trial can be measured.
        FacelabError: the first three trials failed.
        PreemptedError: this process was asked to make room; its trial has been put back.
    """
    watch, pauses = DeathWatch(), _Pauses(say)
    with progress_bar("trials", trials) as progress:
        shown = 0
        while True:
            put_back_lost_trials(study, watch)
            done = len(finished_trials(study))
            progress.advance(done - shown)
            shown = done
            if done >= trials:
                return
            claim = claim_trial(study, trials)
            if claim is None:
                pauses.wait(
                    f"{done} of {trials} trials are done, the others run in other processes: waiting for them ..."
                )
                continue
            pauses.reset()
            _run(study, claim, objective, space, folder, say)
            _stop_if_all_fail(study)


class _Pauses:
    """Longer and longer pauses between two looks at the trials of others; what is waited for is said once, if it takes long."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said = say, False
        self.reset()

    def reset(self) -> None:
        self._seconds = _SECONDS_BETWEEN_LOOKS[0]

    def wait(self, line: str) -> None:
        time.sleep(self._seconds)
        longest = _SECONDS_BETWEEN_LOOKS[1]
        self._seconds = min(2 * self._seconds, longest)
        if self._seconds == longest and not self._said:
            self._said = True
            self._say(line)


def _run(
    study: Study, claim: Claim, objective: Objective, space: Space, folder: Path, say: Callable[[str], None]
) -> None:
    """One trial, to whatever end."""
    trial = claim.trial
    try:
        with heartbeat(trial):
            values = _draw(study, claim, objective, space)
            value = objective.measure(values, folder / f"trial-{claim.first:04d}")
    except (ObjectiveError, PreemptedError):
        _put_back_own(study, claim)
        raise
    except FacelabError as error:
        record_error(study, trial, str(error))
        say(f"trial {trial.number} failed: {error}")
    except BaseException:  # Ctrl-C, SIGTERM, a fault of ours: the trial is none the less for it
        _put_back_own(study, claim)
        raise
    else:
        if not record_value(study, trial, value):
            say(f"trial {trial.number} was given up by another process, and runs again; what it measured is not used")


def _put_back_own(study: Study, claim: Claim) -> None:
    own = next(trial for trial in study.get_trials(deepcopy=False) if trial.number == claim.trial.number)
    put_back(study, own, own.user_attrs.get(KILLS, 0))


def _draw(study: Study, claim: Claim, objective: Objective, space: Space) -> dict[str, object]:
    """The values of a trial: the start's for the first, those of the trial that was killed where it is that one again."""
    study.sampler = _sampler(objective, space, claim.rank)
    trial, values = claim.trial, {}
    for name, distribution in space.items():
        choices = getattr(distribution, "choices", None)
        if choices is not None:
            values[name] = trial.suggest_categorical(name, choices)
            continue
        suggest = trial.suggest_int if isinstance(distribution.low, int) else trial.suggest_float
        values[name] = suggest(name, distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    return values


def _sampler(objective: Objective, space: Space, rank: int) -> object:
    """Optuna's TPE with a seed that follows from the place of the trial, so that a sweep that is stopped goes on the same."""
    samplers = import_optuna().samplers
    seed = int(np.random.SeedSequence([objective.seed, rank]).generate_state(1)[0])
    # constant_liar: keep away from what other workers are trying at this moment
    base = samplers.TPESampler(seed=seed, multivariate=False, constant_liar=True)
    start: Mapping[str, object] = {
        name: value for name, value in objective.start.items() if name in space and contains(space[name], value)
    }
    return samplers.PartialFixedSampler(start, base) if rank == 0 and start else base


def _stop_if_all_fail(study: Study) -> None:
    """Raise FacelabError where the first trials have all failed: the others would too."""
    finished = finished_trials(study)
    if len(finished) >= MOST_ERRORS and all(ERROR in trial.user_attrs for trial in finished):
        raise FacelabError(
            f"The first {len(finished)} trials have all failed, the last with: {finished[-1].user_attrs[ERROR]}",
            "Mend that, and choose another --name.",
        )
