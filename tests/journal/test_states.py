"""The state table, held against the design."""

from __future__ import annotations

import itertools

import pytest

from prefect_seedance.journal.errors import IllegalTransition
from prefect_seedance.journal.states import FIRST_STATES, HAVE_TASK, STATES, State, check_transition

READY, SENDING, SUBMITTED, COMPLETED, STORED, REFUSED, FAILED, UNKNOWN, LOST = State


def test_every_state_has_a_row_with_words() -> None:
    assert set(STATES) == set(State)
    assert all(row.meaning and row.who_may_go_on for row in STATES.values())


@pytest.mark.parametrize("state", State)
def test_what_is_done_is_closed(state: State) -> None:
    assert STATES[state].is_open == (state not in {STORED, REFUSED, FAILED, LOST})


def test_only_what_certainly_is_not_with_the_vendor_may_be_claimed() -> None:
    assert {state for state in State if SENDING in STATES[state].leads_to} == {READY, REFUSED, FAILED}


def test_what_turns_out_to_be_unknown_may_become_so_from_anywhere_but_a_video_or_a_person() -> None:
    assert {state for state in State if UNKNOWN not in STATES[state].leads_to} == {UNKNOWN, STORED, LOST}


def test_a_task_id_may_come_in_any_state() -> None:
    assert all(SUBMITTED in STATES[state].leads_to | {state} for state in set(State) - {STORED})


def test_unknown_is_left_by_an_answer_or_a_person_only() -> None:
    assert STATES[UNKNOWN].leads_to == {SUBMITTED, STORED, READY, FAILED, LOST}


def test_a_stored_video_is_never_generated_again() -> None:
    assert STATES[STORED].leads_to == {COMPLETED}


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(FIRST_STATES).union(*(row.leads_to for row in STATES.values()))
    assert reached == set(State)
    assert all(STATES[state].leads_to for state in State)


#: Every step there is; a state may always be written again. What is added or removed here is a decision about money.
STEPS = {
    None: {SENDING, SUBMITTED},
    READY: {SENDING, SUBMITTED, STORED, UNKNOWN, REFUSED},
    SENDING: {READY, SUBMITTED, REFUSED, FAILED, UNKNOWN, LOST},
    SUBMITTED: {COMPLETED, STORED, FAILED, UNKNOWN},
    COMPLETED: {SUBMITTED, STORED, FAILED, UNKNOWN},
    STORED: {COMPLETED},
    REFUSED: {SENDING, SUBMITTED, STORED, UNKNOWN},
    FAILED: {SENDING, SUBMITTED, STORED, UNKNOWN},
    UNKNOWN: {SUBMITTED, STORED, READY, FAILED, LOST},
    LOST: {SUBMITTED, STORED, READY},
}


def test_the_steps_are_those_of_the_design() -> None:
    assert {None: FIRST_STATES, **{state: row.leads_to for state, row in STATES.items()}} == STEPS


def test_states_keep_their_words_since_records_hold_them() -> None:
    assert {state.name.lower(): state.value for state in State} == {state: state for state in State}


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *State], State)))
def test_a_step_outside_the_table_is_refused(before: State | None, after: State) -> None:
    if after in STEPS[before] or after is before:
        check_transition("i", before, after)
    else:
        words = f"from {before or 'nothing'} to {after}"
        with pytest.raises(IllegalTransition, match=f"may not go .*{words}"):
            check_transition("i", before, after)


def test_states_with_a_task() -> None:
    assert {SUBMITTED, COMPLETED, STORED} == HAVE_TASK
