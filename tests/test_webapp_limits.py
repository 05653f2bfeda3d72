"""Limits, tokens and names: against their plain definitions."""

import math

import numpy as np
import pytest
from faceid import FakeClock

from facelab.webapp import account_names
from facelab.webapp.limits import AttemptLimiter, PlaceLimiter, network_key
from facelab.webapp.problems import PROBLEMS, Problem
from facelab.webapp.refusals import GrowingDelay, LogInRefusals
from facelab.webapp.settings import Limits
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
                with pytest.raises(Problem, match="Too many tries") as told:
                    ask(key)
                free = (
                    sorted(time for time in taken[key] if time > clock.now - 10)[-4] + 10
                )  # when one of the four has left
                assert told.value.retry_after == max(1, math.ceil(free - clock.now))
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


def nobody() -> None:
    raise AssertionError("nobody may lose a place here")


def test_places_are_limited_for_each_and_for_all_and_come_back():
    places = PlaceLimiter(per_key=2, in_all=3)
    with places.hold("a", nobody), places.hold("b", nobody), places.hold("c", nobody):
        for key in ("a", "d"):
            with pytest.raises(Problem, match="Too many people"), places.hold(key, nobody):
                pass
    with places.hold("a", nobody), places.hold("a", nobody), pytest.raises(Problem), places.hold("a", nobody):
        pass
    with pytest.raises(ZeroDivisionError), places.hold("a", nobody):
        raise ZeroDivisionError
    assert not places._held  # no key is remembered that holds nothing
    with places.hold("a", nobody), places.hold("a", nobody):
        pass


def test_where_all_places_are_taken_the_greediest_loses_its_oldest():
    places, lost = PlaceLimiter(per_key=10, in_all=6), []
    held = {
        name: places.take(name[0], lambda name=name: lost.append(name)) for name in ("a1", "b1", "b2", "b3", "c1", "c2")
    }
    places.take("d", nobody)  # who has none gets one of three
    assert lost == ["b1"]
    places.take("e", nobody)
    assert lost[1:] in (["b2"], ["c1"])  # now there are two with two
    with pytest.raises(Problem):
        places.take("d", nobody)  # it would have two, and another would have one
    for place in held.values():
        places.give_back(place)  # those that were lost are not given back twice
    assert sum(len(one) for one in places._held.values()) == 2


def test_who_has_no_place_gets_one_that_was_held_for_long():
    clock, lost = FakeClock(0), []
    places = PlaceLimiter(per_key=1, in_all=3, clock=clock)
    for name in "abc":
        places.take(name, lambda name=name: lost.append(name))
        clock.now += 0.5
    for now, expected in ((1.9, []), (2.1, ["a"]), (2.2, ["a"]), (2.6, ["a", "b"]), (2.6, ["a", "b"])):
        clock.now = now
        try:
            places.take(f"newcomer {now} {len(lost)}", nobody)
        except Problem as problem:
            assert problem.code == "busy"
        assert lost == expected


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
    pending = TokenStore(3, 3, 10, clock)
    tokens = [pending.put(number, f"address {number}") for number in range(3)]
    assert len(set(tokens)) == 3 and [pending.get(token) for token in tokens] == [0, 1, 2]
    assert not any(token in str(vars(pending)) for token in tokens)  # only their hashes are known
    with pytest.raises(Problem, match="Too many people"):
        pending.put(3, "address 3")
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
    pending.put(4, "address 4")


def test_who_opens_many_dialogues_loses_their_own():
    clock = FakeClock(0)
    pending = TokenStore(capacity=6, per_address=4, lifetime_seconds=10, clock=clock)

    def kept(tokens):
        found = []
        for token in tokens:
            try:
                found.append(pending.get(token))
            except Problem as problem:
                assert problem.code == "expired"
        return found

    greedy = [pending.put(number, "greedy") for number in range(5)]
    assert kept(greedy) == [1, 2, 3, 4]  # no more than four
    others = [pending.put(name, name) for name in ("ann", "bob", "cleo", "dan")]
    assert kept(others) == ["ann", "bob", "cleo", "dan"] and kept(greedy) == [3, 4]
    again = pending.put("ann again", "ann")
    assert kept([*others, again]) == ["bob", "cleo", "dan", "ann again"]  # in place of her own
    pending.put("eve", "eve")
    assert kept(greedy) == [4]
    with pytest.raises(Problem, match="Too many people"):
        pending.put("fay", "fay")  # six addresses have one each


def test_waits_grow_and_agree_with_a_sum_by_hand():
    clock = FakeClock(0)
    waits = GrowingDelay(3, 2, 20, clock)
    told = []
    for _ in range(8):
        assert waits.seconds_left("b") == 0  # of another key
        told.append(waits.seconds_left("a"))
        clock.now += told[-1]
        assert waits.seconds_left("a") == 0
        waits.record_refusal("a")
    assert told == [0, 0, 0, 2, 4, 8, 16, 20]
    clock.now += 19
    assert waits.seconds_left("a") == 1
    waits.undo_refusal("a")
    waits.undo_refusal("never seen")
    clock.now += 86_400
    assert waits.seconds_left("a") == 0
    for _ in range(3):  # a clean sheet
        waits.record_refusal("a")
    assert waits.seconds_left("a") == 2
    waits.forget("a")
    assert waits.seconds_left("a") == 0


def tries_in_a_day(networks: int, step: float = 1.0) -> int:
    """Of attackers who begin again as soon as they may, on one name."""
    clock = FakeClock(0)
    refusals, tries = LogInRefusals(Limits(), clock), 0
    while clock.now < 86_400:
        waits = []
        for number in range(networks):
            try:
                refusals.check("ann", f"network {number}")
                refusals.record("ann", f"network {number}")
                tries += 1
                waits.append(step)
            except Problem as problem:
                waits.append(problem.retry_after)
        clock.now += min(waits)
    return tries


def test_the_tries_of_a_day_are_those_that_are_stated():
    """In the docstring of ``refusals``."""
    assert 140 < tries_in_a_day(1) < 160
    assert 1400 < tries_in_a_day(40) < 1500


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
        said = str(Problem(code, 9 if code == "too_often" else None))
        assert what.endswith(".") and said == f"{what} {remedy}".replace("{seconds}", "9 seconds")
        assert remedy.endswith(".") and "{" not in said
        assert 400 <= status < 500 or code == "storage"
