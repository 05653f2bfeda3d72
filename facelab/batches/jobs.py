"""Calls submitted to an engine and watched until each has ended: jobs of Slurm, or processes of this machine.

Submitit asks Slurm's accounting what became of a job, and where there is none it waits for ever for one that died.
So this looks at the result that a call leaves behind, and at the queue.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from facelab.batches.local_jobs import end_local_job
from facelab.batches.slurm_queue import SlurmQueue, cancel_jobs
from facelab.errors import BadParameterError, FacelabError, nearest_name
from facelab.extras import needs_extra

if TYPE_CHECKING:
    from submitit import Executor, Job

ENGINES = ("local", "slurm", "debug")
SLURM_MINUTES = 240  #: the time limit of a job of Slurm where none is given
_SLURM_WORKERS = 256
_NO_LIMIT_MINUTES = 60 * 24 * 365
_SIGNAL_SECONDS = 120  # before its limit a job is told to make room
_ARRAY = 1000  # jobs of one array; Slurm takes 1001 where nobody configured more
_LOOK_SECONDS = 0.5
_GONE_SECONDS = 20.0  # that a job is in no queue before it counts as dead: a network's disk shows its result later
_SBATCH_NAME = re.compile(r"[a-z][a-z-]*")
_OURS = {"time": "--timeout", "array": "--workers"}  # options of sbatch that options of ours decide
_FIXED = ("signal", "output", "error", "open-mode", "requeue", "no-requeue")


@dataclass(frozen=True)
class Engine:
    """Where calls are made.

    Attributes:
        kind: ``local``, ``slurm``, or ``debug``: one after the other in this process.
        folder: where submitit keeps calls, results and the output of each job; of a cluster, on a disk that all nodes share.
        workers: jobs at a time, over all arrays.
        name: of the jobs, as Slurm shows them.
        minutes: time limit of a job; None: ``SLURM_MINUTES`` in Slurm, none elsewhere.
        sbatch: further options of sbatch, by their long names: ``{"partition": "gpu", "mem": "8G"}``.
        leave: whether jobs of Slurm go on where this process is stopped.
    """

    kind: str
    folder: Path
    workers: int
    name: str
    minutes: int | None = None
    sbatch: Mapping[str, str] = field(default_factory=dict)
    leave: bool = False

    @property
    def limit(self) -> str:
        """The time limit in words; empty where there is none."""
        minutes = self.minutes or (SLURM_MINUTES if self.kind == "slurm" else None)
        return f"its time limit of {minutes} minutes" if minutes else "its time limit"


@dataclass(frozen=True)
class JobEnd:
    """A call that has ended.

    Attributes:
        index: of the call.
        result: what it returned; None where it did not.
        problem: why not, in one line.
    """

    index: int
    result: object = None
    problem: str = ""


def make_engine(
    kind: str,
    folder: Path,
    name: str,
    workers: int | None = None,
    minutes: int | None = None,
    sbatch: Sequence[str] = (),
    *,
    leave: bool = False,
) -> Engine:
    """An engine from what a person typed.

    Args:
        kind, folder, name, minutes, leave: as ``Engine`` has them.
        workers: None: 1 on this machine, 256 jobs of Slurm.
        sbatch: options of sbatch, as ``parse_sbatch`` takes them.

    Raises:
        BadParameterError: no such engine, or an option that it has no use for.
    """
    if kind not in ENGINES:
        raise BadParameterError(
            f"--on {kind!r} is no engine.{nearest_name(kind, ENGINES)}", f"Give {', '.join(ENGINES)}."
        )
    if kind == "local" and os.name == "nt":
        raise BadParameterError("Tasks side by side need Linux or macOS.", "Give --on debug: one after the other.")
    if sbatch and kind != "slurm":
        raise BadParameterError("--slurm is for jobs of Slurm.", "Give --on slurm too, or leave it out.")
    if kind == "debug" and (workers or minutes):
        raise BadParameterError(
            "--on debug runs one task after the other, without a limit.", "Leave --workers and --timeout out."
        )
    workers = workers or (_SLURM_WORKERS if kind == "slurm" else 1)
    return Engine(kind, folder, workers, name, minutes, parse_sbatch(sbatch), leave)


def parse_sbatch(words: Sequence[str]) -> dict[str, str]:
    """``["partition=gpu", "cpus_per_task=4"]`` to ``{"partition": "gpu", "cpus-per-task": "4"}``.

    Raises:
        BadParameterError: a word of another form, an option that is given twice, or one that is decided elsewhere.
    """
    options: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip().removeprefix("--").replace("_", "-")
        if not equals or not _SBATCH_NAME.fullmatch(name) or not value.isprintable() or not value:
            raise BadParameterError(f"--slurm {word!r} is not an option of sbatch.", "Write --slurm partition=gpu.")
        if name in _OURS:
            raise BadParameterError(f"--slurm {word!r} is decided by {_OURS[name]}.", f"Give {_OURS[name]} instead.")
        if name in _FIXED:
            raise BadParameterError(f"--slurm {word!r} would break how jobs are watched.", "Leave it out.")
        if name in options:
            raise BadParameterError(f"--slurm names {name!r} twice.", "Give each option once.")
        options[name] = value
    return options


def run_jobs(calls: Sequence[Callable[[], object]], engine: Engine) -> Generator[JobEnd]:
    """Make calls, so many at a time, and tell of each when it has ended, in any order.

    When the generator is closed, local jobs are ended, and those of Slurm too, unless the engine leaves them.

    Args:
        calls: each can be pickled.
        engine: where they are made.

    Raises:
        BadParameterError: submitit is not installed.
        FacelabError: there is no Slurm here, or it takes no jobs, or its queue does not answer for long.
    """
    executor = _make_executor(engine)
    if engine.kind == "debug":
        for index, call in enumerate(calls):
            yield _outcome(index, _submit(executor, [call], 1)[0])
        return
    queue = SlurmQueue() if engine.kind == "slurm" else None
    parts = deque(_parts(len(calls), 1 if queue is None else _ARRAY))
    # arrays of Slurm know nothing of each other: each gets its share of the workers, and where these are fewer, some wait here
    shares: dict[range, int] = {}
    jobs: dict[int, Job] = {}
    since: dict[int, float] = {}  # when it was first seen to be in no queue
    try:
        while parts or jobs:
            while parts and (free := engine.workers - sum(shares.values())) > 0:
                share = min(len(parts[0]), math.ceil(free / len(parts)))
                part = parts.popleft()
                jobs |= dict(zip(part, _submit(executor, [calls[index] for index in part], share), strict=True))
                shares[part] = share
            for index, job in list(jobs.items()):
                if (end := _look(index, job, queue, since)) is not None:
                    del jobs[index]
                    yield end
            shares = {part: share for part, share in shares.items() if any(index in jobs for index in part)}
            time.sleep(_LOOK_SECONDS)
    finally:
        if queue is None:
            for job in jobs.values():
                end_local_job(int(job.job_id))
        elif jobs and not engine.leave:
            cancel_jobs([job.job_id for job in jobs.values()])


def _parts(calls: int, most: int) -> list[range]:
    """Indices of calls in parts of at most so many, as equal as can be: each is submitted at once."""
    count = math.ceil(calls / most)
    return [range(calls * part // count, calls * (part + 1) // count) for part in range(count)]


def _look(index: int, job: Job, queue: SlurmQueue | None, since: dict[int, float]) -> JobEnd | None:
    """How a job has ended; None where it has not."""
    if job.paths.result_pickle.exists():
        return _outcome(index, job)
    ended = queue.end_of(job.job_id) if queue is not None else ("Its process was killed." if job.done() else None)
    if ended is not None and job.paths.result_pickle.exists():  # it came between the two looks
        return _outcome(index, job)
    if ended is None:
        since.pop(index, None)
        return None
    now = time.monotonic()
    if now - since.setdefault(index, now) < (_GONE_SECONDS if queue is not None else 0):
        return None
    return JobEnd(index, problem=f"{ended} Its output is {job.paths.stderr}.")


def _outcome(index: int, job: Job) -> JobEnd:
    """What a call returned or raised, of a job that has left its result."""
    error = job.exception()
    if error is None:
        return JobEnd(index, job.result())
    lines = [line.strip() for line in str(error).splitlines()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt|Exit)\b", line)]
    return JobEnd(index, problem=f"{(raised or lines or [type(error).__name__])[-1]} Its output is {job.paths.stderr}.")


def require_submitit() -> None:
    """Raise FacelabError where submitit, which the extra ``cluster`` brings, is not installed."""
    with needs_extra("A job", "cluster"):
        import submitit  # noqa: F401


def _make_executor(engine: Engine) -> Executor:
    require_submitit()
    import submitit

    minutes = engine.minutes or (SLURM_MINUTES if engine.kind == "slurm" else _NO_LIMIT_MINUTES)
    delay = min(_SIGNAL_SECONDS, minutes * 60 // 2)
    try:
        if engine.kind == "debug":
            return submitit.DebugExecutor(engine.folder)
        if engine.kind == "local":
            executor = submitit.LocalExecutor(engine.folder, max_num_timeout=0)
            executor.update_parameters(timeout_min=minutes, signal_delay_s=delay)
            return executor
        executor = submitit.SlurmExecutor(engine.folder)
        cores = engine.sbatch.get("cpus-per-task")  # which srun does not take over from its job, from Slurm 22.05 on
        executor.update_parameters(
            time=minutes,
            signal_delay_s=delay,
            job_name=engine.name,
            srun_args=[f"--cpus-per-task={cores}"] if cores else [],
            additional_parameters={"requeue": True, **engine.sbatch},
        )
        return executor
    except RuntimeError as error:  # there is no srun
        raise FacelabError("Slurm is not on this machine.", "Call it on a login node, or give --on local.") from error
    except OSError as error:
        raise FacelabError(
            f"{engine.folder} cannot be written ({error.strerror}).",
            "Free some space or check the rights of the folder.",
        ) from error


def _submit(executor: Executor, calls: Sequence[Callable[[], object]], workers: int) -> list[Job]:
    """Jobs of these calls; several at once become one array, of which so many run at a time."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # of sbatch, which is in the error too
            if len(calls) == 1:
                return [executor.submit(calls[0])]
            executor.update_parameters(array_parallelism=workers)
            with executor.batch():
                return [executor.submit(call) for call in calls]
    except RuntimeError as error:  # every error of submitit is one
        said = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise FacelabError(
            f"Slurm took no job: {(said or ['no reason was given'])[-1]}.",
            "See sbatch --help for what --slurm may name.",
        ) from error
