"""While a flood goes on, somebody else is answered: the application and the flood run in processes of their own.

How soon she is answered depends on the machine; ``python tests/floods.py`` measures it.
"""

import sys

import pytest
from flood_attacks import FLOODS
from floods import ask_during, serving

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="127.0.0.2 and its like are this machine on Linux alone"
)
MEGABYTES = {"400 bodies of 2 MB less one byte": 300}  # by which the server may grow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("flood")


@pytest.fixture(scope="module")
def served(folder):
    with serving(folder) as one:
        yield one


@pytest.mark.parametrize("flood", [name for name in FLOODS if "TLS" not in name])
def test_an_honest_user_is_answered(served, folder, flood):
    """Half-open TLS is in ``test_webapp_flood``, without a process of its own."""
    answers, grown = ask_during(served, flood, seconds=60, folder=folder, rounds=2)
    assert not answers.refusals
    assert all(len(found) == 2 for found in answers.seconds.values())
    assert grown < MEGABYTES.get(flood, 1000)
