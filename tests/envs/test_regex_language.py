"""Regular expressions without `re`: it says the same about every word, and nothing takes long."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.envs.regex_language import LONGEST, MOST_STATES, Regex, library, random_regex, words
from selfplay.errors import UsageError
from selfplay.game import Foul

texts = st.recursive(
    st.sampled_from(["0", "1", "."]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=5,
).filter(lambda text: len(text) <= LONGEST)


@settings(max_examples=50)
@given(texts, texts)
def test_it_agrees_with_re_and_knows_when_two_mean_the_same(one: str, other: str) -> None:
    read = [Regex.parse(text) for text in (one, other)]
    theirs = [re.compile(text) for text in (one, other)]
    sets = [{word for word in words(7) if regex.matches(word)} for regex in read]
    for found, pattern in zip(sets, theirs, strict=True):
        assert found == {word for word in words(7) if pattern.fullmatch(word)}
    if read[0] == read[1]:
        assert sets[0] == sets[1]
    elif max(len(regex.automaton) for regex in read) <= 4:  # then a word of at most 7 letters tells them apart
        assert sets[0] != sets[1]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("(0|1)*", ".*", True), ("(0*1*)*", ".*", True), ("0(10)*", "(01)*0", True), ("00*", "0+", True),
     (".*", ".+", False), ("0?1", "01", False), ("((0))", "0", True)],
)  # fmt: skip
def test_meaning_the_same(one: str, other: str, same: bool) -> None:
    assert (Regex.parse(one) == Regex.parse(other)) is same
    assert not same or hash(Regex.parse(one)) == hash(Regex.parse(other))


def test_automata_are_minimal() -> None:
    """As many states as words can be told apart by what may follow them (Myhill and Nerode)."""
    for regex in library()[:60]:
        futures = {tuple(regex.matches(word + rest) for rest in words(5)) for word in words(5)}
        assert len(regex.automaton) == len(futures), regex.text


@pytest.mark.parametrize("text", ["", "*", "0**", "()", "0|", "|0", "(0", "0)", "c", "[ab]", "a{2}", "(?=a)", "\\1",
                                  "0 1", "a\nb", "\x00", "0" * 17, "(" * 16, "^a$", "é", "<answer>"])  # fmt: skip
def test_what_is_no_expression_is_a_foul(text: str) -> None:
    with pytest.raises(Foul):
        Regex.parse(text)


def test_expressions_that_ruin_others_are_harmless() -> None:
    """Catastrophic backtracking, and automata that grow exponentially."""
    started = time.process_time()
    for text in ("(0*)*1", "((0+)+)+1", "(0|0)*1", "(.*)*.*1", "((0?)*)*1"):
        assert not Regex.parse(text).matches("0" * 5000)
    with pytest.raises(Foul, match="too complicated"):
        Regex.parse(".*0...........")
    assert time.process_time() - started < 1.0
    assert all(len(regex.automaton) <= MOST_STATES for regex in library())


def test_drawn_expressions_are_worth_guessing() -> None:
    rng = random.Random(0)
    for held_out in (False, True):
        drawn = [random_regex(rng, held_out=held_out) for _ in range(100)]
        assert all(regex.held_out == held_out and regex == Regex.parse(regex.text) for regex in drawn)
        assert len(set(drawn)) > 30
        assert all(2 <= sum(map(regex.matches, words(4))) <= 29 for regex in drawn)
    assert len(set(library())) == len(library()) > 300


@pytest.mark.parametrize("task", [None, "0", {"regex": 1}, {"regex": "0("}])
def test_wrong_tasks_are_refused(task: object) -> None:
    with pytest.raises(UsageError, match="regex"):
        Regex.from_task(task)
