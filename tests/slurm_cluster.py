"""A real Slurm of two nodes on one machine, without systemd: for the tests of what runs on a cluster.

The first node has the machine's own name, as the processes of a training look their first node up by it. Configuration, key,
ports, sockets and logs are the cluster's own, below one folder; nothing outside of it is read or written.

Run as a program (``python slurm_cluster.py FOLDER NODE NODE``) it is the keeper of the daemons: it starts them, and ends
them and all jobs when its input ends, which also happens when the process that started it is killed.
"""

from __future__ import annotations

import ctypes
import getpass
import os
import random
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sbatch", "scancel", "scontrol", "squeue", "sinfo")
LONGEST_HOST_NAME = 30  # it stands twice in the path of a socket, which has at most 107 bytes
TRIES = 3  # a port that was free may be taken a moment later
SECONDS = 600  # whatever takes longer hangs
PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>

CONFIGURATION = """\
ClusterName=facelab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=2
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def reason_to_skip() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    if missing:
        return f"needs Slurm ({', '.join(missing)} not found): .ci/run names the packages"
    host = host_name()
    if len(host) > LONGEST_HOST_NAME:
        return f"needs a host name of at most {LONGEST_HOST_NAME} characters: {host}"
    try:
        socket.gethostbyname(host)
    except OSError:
        return f"needs a host name that can be looked up: {host}"
    return None


def host_name() -> str:
    """The machine's own name, without its domain: Slurm and PyTorch ask for it."""
    return socket.gethostname().split(".")[0]


def search_path() -> str:
    """PATH with the folders in which Debian has the daemons, and the facelab of this very interpreter before them."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class SlurmCluster:
    """Two nodes of two processors each; to be used in a ``with`` statement.

    Attributes:
        folder: everything of it, and the working folder of its jobs.
        nodes: the names of both nodes.
        environment: what a call of srun, sbatch and the like needs.
    """

    def __enter__(self) -> SlurmCluster:
        self.nodes = (host_name(), f"{host_name()}-2")
        for _ in range(TRIES):
            self._start()
            try:
                wait_until(lambda: self.keeper.poll() is not None or self._is_idle(), "both nodes are idle", self)
            except BaseException:
                self.__exit__()
                raise
            if self.keeper.poll() is None:
                return self
        raise RuntimeError(f"{TRIES} times a daemon of Slurm ended at once; above is what it said")

    def __exit__(self, *_) -> None:
        self.keeper.stdin.close()
        self.keeper.wait(SECONDS)

    def _start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short, for the paths of sockets
        ours = ("SLURM_", "SBATCH_", "SRUN_")  # left out, should the tests themselves run in a job
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": search_path(),
            "OMP_NUM_THREADS": "1",
        }
        for name in ("state", "log"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        text = CONFIGURATION.format(
            folder=self.folder, host=host_name(), nodes=self.nodes, ports=free_ports(3), user=getpass.getuser()
        )
        (self.folder / "slurm.conf").write_text(text)
        words = [sys.executable, __file__, str(self.folder), *self.nodes]
        # a session of its own: Ctrl-C in the terminal reaches the tests alone, which then end the keeper
        self.keeper = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True, env=self.environment)

    def processes(self) -> dict[int, str]:
        """Numbers of the keeper, the daemons and all jobs -> their names."""
        keeper = psutil.Process(self.keeper.pid)
        found = {}
        for process in [keeper, *keeper.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                found[process.pid] = process.name()
        return found

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess:
        """A command with the cluster's environment, its stdout and stderr as text; it may fail."""
        return subprocess.run(
            [str(word) for word in words],
            env=self.environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def ask(self, *words: str, **environment: str) -> str:
        """The stdout of a command that must not fail."""
        done = self.call(*words, **environment)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, *words: str, **environment: str) -> str:
        """The number of a job that ``sbatch`` and these words begin."""
        return self.ask("sbatch", "--parsable", *words, **environment)

    def states(self, job: str) -> dict[str, str]:
        """Job, or its task of an array (``12_0``), -> its state, as COMPLETED, FAILED, PENDING or RUNNING."""
        lines = self.ask(
            "squeue", "--noheader", "--array", "--states=all", "--jobs", job, "--format=%i %T"
        ).splitlines()
        return dict(line.split() for line in lines)

    def wait_for_end(self, job: str) -> dict[str, str]:
        """The states of a job's tasks when all have ended."""
        going_on = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING"}
        wait_until(lambda: not going_on & set(self.states(job).values()), f"job {job} has ended", self)
        return self.states(job)

    def logs(self) -> str:
        """The last lines of what the daemons and the jobs wrote, for the message of a failed test."""
        files = sorted([*self.folder.glob("log/*"), *self.folder.glob("*.out")])
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}" for path in files)

    def _is_idle(self) -> bool:
        found = self.call("sinfo", "--noheader", "--Node", "--format=%N %T").stdout.splitlines()
        return sorted(found) == sorted(f"{node} idle" for node in self.nodes)


def wait_until(condition, name: str, cluster: SlurmCluster | None = None, seconds: float = SECONDS) -> None:
    """Return once ``condition()`` is true; fail after a time that only a hang takes."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:.0f} s not: {name}\n{cluster.logs() if cluster else ''}")
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now, and that no system gives to whoever asks for any."""
    found = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("", port))
            found += {port} - {*found}
    return found


def adopt_orphans() -> None:
    """What this process started stays below it, however often it forks: jobs leave the daemon that began them.

    Raises:
        OSError: the system refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def keep(folder: Path, nodes: list[str]) -> None:
    """Start the daemons of a cluster; when stdin or one of them ends, end all of them and all jobs, and remove the folder."""
    adopt_orphans()
    munge = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid"}
    munge |= {"log-file": "log/munge.log", "seed-file": "munge.seed"}
    daemons = [["munged", "--force", "--foreground", *(f"--{name}={folder / path}" for name, path in munge.items())]]
    daemons += [["slurmctld", "-c", "-D"], *(["slurmd", "-D", "-N", node] for node in nodes)]
    log, running = folder / "log" / "daemons.log", []
    try:
        for words in daemons:
            with log.open("a") as file:
                running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=file))
            if words[0] == "munged":
                wait_until((folder / "munge.socket").exists, "munged listens")
        while not select.select([sys.stdin], [], [], 0.2)[0]:
            if any(daemon.poll() is not None for daemon in running):
                sys.exit(log.read_text())
    finally:
        end_children()
        shutil.rmtree(folder)


def end_children() -> None:
    """Kill whatever stands below this process; a job may start another while it is being ended."""
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2:])
