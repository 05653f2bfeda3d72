"""Photographs are decoded where a hang, a crash and a greedy file hurt nobody else."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing

import numpy as np
import psutil
import pytest
from decoders import leave_at_once, obedient_decode
from faceid import frame, photograph, sface
from photos import encoded, pixels
from test_webapp_frame_bounds import png_chunk

from facelab.webapp import decoder
from facelab.webapp.decoder import ProcessDecoder
from facelab.webapp.frame_analysis import FrameAnalyser
from facelab.webapp.frames import decode_frame
from facelab.webapp.problems import Problem

ENOUGH = 60  # seconds; only so that a failure ends


def saying(word: bytes) -> bytes:
    whole = encoded(pixels(0, 80, 80), "PNG")
    return whole[:33] + png_chunk(b"teSt", word) + whole[33:]


@pytest.fixture(scope="module")
def obedient():
    """A decoder of one process, whose deadline is half a second."""
    with closing(ProcessDecoder(1, seconds=0.5, decode=obedient_decode)) as one:
        yield one


def refused(decoder, data: bytes) -> str:
    with pytest.raises(Problem) as problem:
        decoder.decode(data)
    return problem.value.code


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_photograph_is_that_of_decoding_here(obedient, form):
    data = encoded(pixels(1, 333, 222), form)
    found = obedient.decode(data)
    np.testing.assert_array_equal(found, decode_frame(data))
    found[0, 0] = 7  # it can be written to
    assert refused(obedient, data[: len(data) // 3]) == "bad_photograph"


def test_the_largest_photograph_fits_into_the_memory(obedient):
    with closing(ProcessDecoder(1, seconds=ENOUGH)) as one:
        for form, kind in (("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {"lossless": True})):
            data = encoded(np.zeros((976, 4096, 3), np.uint8), form, **kind)
            assert one.decode(data).shape == (976, 4096, 3)


@pytest.mark.parametrize("word", [b"HANG", b"SPIN", b"CRASH", b"LEAVE", b"STARVE", b"LARGE", b"FLAT", b"RAISE"])
def test_a_file_that_harms_its_decoder_is_refused_and_the_next_is_read(obedient, word, capfd):
    if word == b"STARVE" and sys.platform != "linux":
        pytest.skip("memory is limited on Linux alone")
    assert refused(obedient, saying(word)) == "bad_photograph"
    assert obedient.decode(saying(b"nothing")).shape == (80, 80, 3)


def test_others_are_served_while_one_hangs():
    with closing(ProcessDecoder(2, seconds=ENOUGH, decode=obedient_decode)) as both:
        for _ in range(2):
            both.decode(saying(b"nothing"))  # they have started
        hanging = threading.Thread(target=lambda: refused(both, saying(b"HANG")))
        hanging.start()
        for _ in range(5):
            assert both.decode(saying(b"nothing")).shape == (80, 80, 3)
        assert hanging.is_alive()
        for one in both._workers:
            one._process.kill()  # or it would hang for a minute
        hanging.join(ENOUGH)
        assert not hanging.is_alive()


def test_it_needs_no_networks(obedient):
    assert not obedient.decode(saying(b"LOADED")).any()


@pytest.mark.skipif(sys.platform != "linux", reason="asks prctl")
def test_a_decoder_that_crashes_leaves_no_face_on_the_disk(obedient):
    assert not obedient.decode(saying(b"DUMPED")).any()


def test_one_that_does_not_start_is_no_fault_of_the_photograph(monkeypatch):
    monkeypatch.setattr(decoder, "serve_decoder", leave_at_once)
    with closing(ProcessDecoder(1)) as one:
        monkeypatch.undo()
        with pytest.raises(RuntimeError, match="did not start"):
            one.decode(saying(b"nothing"))
        assert one.decode(saying(b"nothing")).shape == (80, 80, 3)  # by the next one


def test_a_frame_is_analysed_alike_in_both():
    with closing(FrameAnalyser(sface(), workers=1)) as here:
        expected = here.analyse(frame(1, 1))
    with closing(FrameAnalyser(sface(), workers=1, decoder=ProcessDecoder(1))) as there:
        found = there.analyse(frame(1, 1))
    assert found.digest == expected.digest and found.turn == expected.turn
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    assert photograph(1, 1).shape == (112, 92)


_SERVER = """
import atexit, multiprocessing, sys, threading, time
sys.path[:0] = sys.argv[2:]
from decoders import obedient_decode
from facelab.webapp.decoder import ProcessDecoder

if __name__ == "__main__":
    decoder = ProcessDecoder(2, seconds=1, decode=obedient_decode)
    photograph = open(sys.argv[1], "rb").read()
    for _ in range(2):
        decoder.decode(photograph)
    hanging = threading.Thread(target=lambda: decoder.decode(photograph.replace(b"nothing", b"SPIN   ")), daemon=True)
    hanging.start()
"""
_WAITING = """
    time.sleep(0.2)
    print("ready", flush=True)
    time.sleep(600)
"""
_ENDING = """
    def tell():
        hanging.join()
        print(len(multiprocessing.active_children()))

    atexit.register(tell)
"""


def command_of_server(folder, what_then: str) -> list[str]:
    """A program of which one of two decoders hangs, and what it does then."""
    (folder / "server.py").write_text(_SERVER + what_then)
    (folder / "photograph.png").write_bytes(saying(b"nothing"))
    return [sys.executable, str(folder / "server.py"), str(folder / "photograph.png"), os.path.dirname(__file__)]


def test_a_server_that_ends_starts_no_new_decoder(tmp_path):
    """It would end that one no more, and wait for its end."""
    words = command_of_server(tmp_path, _ENDING)
    assert subprocess.run(words, capture_output=True, timeout=10 * ENOUGH).stdout == b"1\n"


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX knows them")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_decoder_outlives_its_server(tmp_path, number):
    """One of the two is idle and one in the middle of a photograph that hangs it."""
    words = command_of_server(tmp_path, _WAITING)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            children = psutil.Process(process.pid).children(recursive=True)
            assert len([one for one in children if "spawn_main" in " ".join(one.cmdline())]) == 2
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
            gone, left = psutil.wait_procs(children, timeout=ENOUGH)
            process.wait(ENOUGH)
        finally:
            process.kill()
        said = process.stderr.read().decode()
    assert not left, left
    assert "serve_decoder" not in said, said  # none of them has anything to say about it
