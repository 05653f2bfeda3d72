"""What the process remembers: after a deletion no template, after a crash no core dump, after a while no dialogue."""

import gc
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from faceid import (
    SHOTS,
    FakeClock,
    consent_version,
    frame,
    log_in,
    new_service,
    open_client,
    own_frames,
    sface,
    sign_up,
)

from facelab.webapp import template
from facelab.webapp.frame_analysis import FrameAnalyser

_NOT_HELD = type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.FrameType, types.CodeType


def held_by(root: object) -> list[object]:
    """Everything that an object holds on to, by any number of steps, but for modules and classes."""
    seen, open_ones, found = {id(root)}, [root], []
    while open_ones:
        one = open_ones.pop()
        found.append(one)
        for other in gc.get_referents(one):
            if id(other) not in seen and not isinstance(other, _NOT_HELD):
                seen.add(id(other))
                open_ones.append(other)
    return found


def shows(root: object, face: np.ndarray) -> bool:
    """Whether a template or an embedding of a face, float32 (128,), is among what an object holds."""
    for one in held_by(root):
        if isinstance(one, bytes | bytearray) and face.tobytes() in one:
            return True
        if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.size and one.size % len(face) == 0:
            vectors = np.array(one, "f4").reshape(-1, len(face))
            if max(template.comparison_score(face, vector) for vector in vectors) > 0.5:
                return True
    return False


@pytest.fixture
def service(tmp_path, monkeypatch):
    monkeypatch.setattr("faceid.CachingAnalyser", FrameAnalyser)  # the cache of the tests would hold them, too
    return new_service(tmp_path, clock=FakeClock())


def test_after_a_deletion_nothing_holds_the_template(service):
    with open_client(service) as client:
        sign_up(client, "Ann", 1, findable=True)
        [stored] = service.store.findable_templates(sface().fingerprint)
        ann = service._open(stored).copy()
        assert shows([ann], ann) and shows([ann.tobytes()], ann)  # the search would find it
        log_in(client, "Ann", *own_frames(1))
        log_in(client, "Ann", own_frames(1)[0])  # is under way, waiting for the turned frame
        assert shows(service, ann)
        assert client.delete("/api/me").status_code == 200
        gc.collect()
        assert not shows(service, ann)


def test_dialogues_that_expired_are_forgotten_though_nobody_comes(service):
    with open_client(service) as client:
        token = client.post("/api/sign-up", json={"name": "Ann", "consent": consent_version(client)}).json()["sign_up"]
        for shot in SHOTS[1][0][:2]:
            client.post(f"/api/sign-up/{token}/shots", content=frame(1, shot), headers={"Content-Type": "image/png"})
        ann = service._analyser.analyse(frame(1, SHOTS[1][0][0])).embedding
        assert shows(service, ann)
        service.store._clock.now += service.settings.sign_up_seconds + 1
        service.forget_expired()
        gc.collect()
        assert not shows(service, ann)


@pytest.mark.skipif(sys.platform != "linux", reason="asks prctl")
def test_core_dumps_are_off_also_where_the_system_pipes_them_to_a_program():
    """For the limit on files, of a running server, see ``test_webapp_server``."""
    code = (
        "import ctypes; from facelab.webapp.core_dumps import forbid_core_dumps; libc = ctypes.CDLL(None); "
        "before = libc.prctl(3, 0, 0, 0, 0); forbid_core_dumps(); print(before, libc.prctl(3, 0, 0, 0, 0))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert told.stdout == "1 0\n"  # PR_GET_DUMPABLE
