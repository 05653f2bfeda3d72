"""Limits, tokens and names: against their plain definitions."""

import numpy as np
import pytest
from faceid import FakeClock

from facelab.webapp import account_names
from facelab.webapp.limits import AttemptLimiter, PlaceLimiter, network_key
from facelab.webapp.problems import PROBLEMS, Problem
from facelab.webapp.token_store import TokenStore


def test_a_window_agrees_with_counting_all_of_the_past():
    rng, clock = np.random.default_rng(0), FakeClock(0)
    window, taken, refused = AttemptLimiter(4, 10, clock), {"a": [], "b": []}, 0
    for _ in range(2000):
        clock.now += rng.exponential(1.0)
        key = "ab"[rng.integers(2)]
        allowed = sum(time > clock.now - 10 for time in taken[key]) < 4
        if allowed:
            window.check(key)
            window.record_attempt(key)
            taken[key].append(clock.now)
        else:
            refused += 1
            for ask in (window.check, window.record_attempt):
                with pytest.raises(Problem, match="Too many"):
                    ask(key)
    assert refused > 100


def test_what_is_given_back_does_not_count_and_memory_is_bounded():
    clock = FakeClock(0)
    window = AttemptLimiter(1, 10, clock, max_keys=100)
    for _ in range(5):
        window.record_attempt("a")
        window.undo_attempt("a")
    window.record_attempt("a")
    for number in range(1000):
        window.record_attempt(f"k{number}")
    assert len(window._times) == 100
    window.undo_attempt("never seen")


def test_places_are_limited_for_each_and_for_all_and_come_back():
    places = PlaceLimiter(per_key=2, in_all=3)
    with places.hold("a"), places.hold("a"), places.hold("b"):
        for key in ("a", "b", "c"):
            with pytest.raises(Problem, match="Too many people"), places.hold(key):
                pass
    with pytest.raises(ZeroDivisionError), places.hold("a"):
        raise ZeroDivisionError
    assert not places._held  # no key is remembered that holds nothing
    with places.hold("a"), places.hold("a"):
        pass


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"),
        ("fe80::1%eth0", "fe80::2", "fe81::1"),
        ("testclient", "testclient", "other"),
    ],
)
def test_one_network_is_one_key(address, same, other):
    assert network_key(address) == network_key(same) != network_key(other)


def test_things_can_be_had_by_their_token_alone_and_for_their_time():
    clock = FakeClock(0)
    pending = TokenStore(3, 10, clock)
    tokens = [pending.put(number) for number in range(3)]
    assert len(set(tokens)) == 3 and [pending.get(token) for token in tokens] == [0, 1, 2]
    assert not any(token in str(vars(pending)) for token in tokens)  # only their hashes are known
    with pytest.raises(Problem, match="Too many people"):
        pending.put(3)
    for token in ("", "x", tokens[0][:-1], "\udc80"):
        with pytest.raises(Problem) as refused:
            pending.get(token)
        assert refused.value.code == "expired"
    assert pending.drop(tokens[0]) and not pending.drop(tokens[0])
    pending.drop_where(lambda number: number == 1)
    with pytest.raises(Problem):
        pending.get(tokens[1])
    clock.now = 10
    with pytest.raises(Problem):
        pending.get(tokens[2])
    pending.put(4)


def test_names_are_one_where_people_would_take_them_for_one():
    assert account_names.display_name("  Ada \t Lovelace ") == "Ada Lovelace"
    assert (
        account_names.comparison_key("STRASSE")
        == account_names.comparison_key("straße")
        == account_names.comparison_key("ｓtrasse")
    )
    assert account_names.comparison_key("Ada") != account_names.comparison_key("Ida")
    assert account_names.display_name("x" * 64) and account_names.display_name("李小龙") == "李小龙"
    for bad in ("", "  ", "x" * 65, "a\0b", "a\u202eb", "a\u200bb", "\ud800", "a\x1bb"):
        with pytest.raises(Problem, match="This name cannot be used"):
            account_names.display_name(bad)


def test_names_that_cannot_be_seen_or_told_apart_are_refused():
    unseen = ("\u3164", "\uffa0", "\u115f", "\u034f", "\ufe0f", "\U000e0101", "\u180b", "\u2800", "\u17b4")
    mixed = ("\u0410nn", "Ann\u0430", "\u0391nn", "Mi\u0455ha", "\u0410\u03bd", "\u05d0nn", "\u674e\u0410")
    for bad in (*unseen, *(f"Ann{one}" for one in unseen), *(f"{one}Ann" for one in unseen), *mixed):
        with pytest.raises(Problem, match="This name cannot be used"):
            account_names.display_name(bad)
    for good in (
        "Zoë O’Brien-Łuński 2", "Анна Ёлкина", "Ελένη", "นารี", "محمّد", "李 Li", "山田 さくら", "佐々木 ルーク", "김 金 Kim",
        "Nguyễn Thị", "Kaʻiulani", "देवी", "Ann (A) & Bo.",
    ):  # fmt: skip
        assert account_names.display_name(good) == good


def test_names_of_look_alike_alphabets_are_one():
    key = account_names.comparison_key
    assert key("Ann") == key("ann") == key("ＡＮＮ") == key("𝓐nn") == key("ⒶⓃⓃ")
    assert key("ACE") == key("\u0410\u0421\u0415") and key("Bob") == key("\u0412\u043e\u0412")  # Cyrillic
    assert key("ANNA") == key("\u0391\u039d\u039d\u0391")  # Greek
    assert len({key(name) for name in ("Анна", "Инна", "Anna", "Inna", "Ελένη", "Ana")}) == 6


def test_every_problem_is_a_sentence_and_only_the_disk_is_our_own_fault():
    for code, (status, what, remedy) in PROBLEMS.items():
        assert what.endswith(".") and remedy.endswith(".") and str(Problem(code)) == f"{what} {remedy}"
        assert 400 <= status < 500 or code == "storage"
