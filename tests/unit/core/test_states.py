"""What may follow what: the tables agree with each other, and no button is there that does nothing."""

import itertools

import pytest

from mailing.core.states import (
    CAMPAIGN_ACTIONS,
    CAMPAIGN_CHANGES,
    DECISIONS,
    ENDED,
    RECIPIENT_CHANGES,
    RESULT_STATES,
    WRITING,
    AttemptResult,
    CampaignAction,
    CampaignState,
    RecipientState,
    actions,
    sources,
    target,
)

R = RecipientState
MADE = {CampaignState.DRAFT}  # campaigns begin so
CLOSED = {CampaignState.FINISHED, CampaignState.CANCELED}


def reached(starts, steps):
    """All that can be reached from ``starts`` by ``steps``, pairs of before and after."""
    found = set(starts)
    while more := {after for before, after in steps if before in found} - found:
        found |= more
    return found


def test_the_table_of_actions_names_every_campaign_state():
    assert set(CAMPAIGN_ACTIONS) == set(CampaignState)


@pytest.mark.parametrize("action", sorted(set(CampaignAction) - {CampaignAction.EDIT}))
def test_an_action_leads_to_one_state_from_wherever_it_is_allowed(action):
    assert sources(action)
    assert {CAMPAIGN_ACTIONS[state][action] for state in sources(action)} == {target(action)}


@pytest.mark.parametrize(("state", "action"), [*itertools.product(CampaignState, CampaignAction)])
def test_a_button_is_there_exactly_where_its_update_would_find_the_campaign(state, action):
    assert (action in actions(state)) == (state in sources(action)) == (action in CAMPAIGN_ACTIONS[state])


@pytest.mark.parametrize("action", sorted(set(CampaignAction) - WRITING))
def test_an_action_done_twice_is_refused_the_second_time(action):
    assert target(action) not in sources(action)


@pytest.mark.parametrize("state", sorted(CLOSED))
def test_a_campaign_that_is_over_offers_nothing(state):
    assert actions(state) == ()


@pytest.mark.parametrize("state", sorted(set(CampaignState) - CLOSED))
def test_a_campaign_that_is_not_over_can_be_canceled(state):
    assert CampaignAction.CANCEL in actions(state)


def test_only_what_is_sent_can_be_paused_and_only_what_is_paused_resumed():
    assert sources(CampaignAction.PAUSE) == (CampaignState.SENDING,)
    assert sources(CampaignAction.RESUME) == (CampaignState.PAUSED,)
    assert target(CampaignAction.PAUSE) is CampaignState.PAUSED
    assert target(CampaignAction.RESUME) is CampaignState.SENDING


def test_a_message_cannot_be_changed_once_somebody_may_have_got_it():
    assert sources(CampaignAction.EDIT) == (CampaignState.DRAFT, CampaignState.SCHEDULED)
    steps = {(state, after) for state, offered in CAMPAIGN_ACTIONS.items() for after in offered.values()}
    assert not {CampaignState.DRAFT, CampaignState.SCHEDULED} & reached({CampaignState.SENDING}, steps)


def test_an_edit_leaves_a_campaign_as_it_is_a_draft_or_scheduled():
    assert all(CAMPAIGN_ACTIONS[it][CampaignAction.EDIT] is it for it in sources(CampaignAction.EDIT))


def test_only_a_draft_is_scheduled_and_only_what_is_scheduled_becomes_a_draft_again():
    assert sources(CampaignAction.SCHEDULE) == (CampaignState.DRAFT,)
    assert sources(CampaignAction.UNSCHEDULE) == (CampaignState.SCHEDULED,)
    assert {before for before, after in CAMPAIGN_CHANGES if after is CampaignState.DRAFT} == {
        CampaignState.SCHEDULED
    }


def test_every_action_and_decision_changes_a_campaign_as_it_may_change():
    acted = {(before, after) for before, offered in CAMPAIGN_ACTIONS.items() for after in offered.values()}
    decided = {step for decision in DECISIONS.values() for step in decision.campaigns.items()}
    stays = {(state, state) for state in CampaignState}
    assert (acted | decided) - stays <= CAMPAIGN_CHANGES


def test_a_canceled_campaign_stays_so_and_a_finished_one_only_sends_again():
    over = {(before, after) for before, after in CAMPAIGN_CHANGES if before in CLOSED}
    assert over == {(CampaignState.FINISHED, CampaignState.SENDING)}


def test_every_campaign_state_can_be_reached():
    assert reached(MADE, CAMPAIGN_CHANGES) == set(CampaignState)


def test_every_recipient_state_can_be_reached_from_queued():
    assert reached({R.QUEUED}, RECIPIENT_CHANGES) == set(R)


def test_no_change_leads_to_where_it_began():
    assert all(before is not after for before, after in RECIPIENT_CHANGES)


@pytest.mark.parametrize("state", R)
def test_what_has_ended_stays_so_unless_it_is_unknown_or_has_failed(state):
    onward = {after for before, after in RECIPIENT_CHANGES if before is state}
    assert bool(onward) == (state not in ENDED - {R.UNKNOWN, R.FAILED})


def test_what_was_sent_suppressed_or_canceled_is_never_mailed_again():
    for state in (R.SENT, R.SUPPRESSED, R.CANCELED):
        assert reached({state}, RECIPIENT_CHANGES) == {state}


def test_all_mail_goes_out_through_a_claim_of_what_is_queued():
    assert {before for before, after in RECIPIENT_CHANGES if after is R.SENDING} == {R.QUEUED}
    assert {before for before, after in RECIPIENT_CHANGES if after is R.SENT} == {R.SENDING, R.UNKNOWN}
    assert {before for before, after in RECIPIENT_CHANGES if after is R.UNKNOWN} == {R.SENDING}


def test_nothing_behind_the_dot_is_canceled():
    assert {before for before, after in RECIPIENT_CHANGES if after is R.CANCELED} == {R.QUEUED, R.DEFERRED}


@pytest.mark.parametrize("state", sorted(set(R) - ENDED))
def test_whatever_a_campaign_waits_for_can_still_end(state):
    assert reached({state}, RECIPIENT_CHANGES) & ENDED


@pytest.mark.parametrize("result", AttemptResult)
def test_every_result_of_an_attempt_is_a_change_that_a_claimed_recipient_may_make(result):
    assert (R.SENDING, RESULT_STATES[result]) in RECIPIENT_CHANGES


@pytest.mark.parametrize("result", sorted(set(AttemptResult) - {AttemptResult.RETURNED}))
def test_a_result_and_the_state_it_leads_to_bear_one_name(result):
    assert RESULT_STATES[result].value == result.value


@pytest.mark.parametrize("result", [AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED])
def test_a_late_reply_may_still_settle_what_was_unknown(result):
    assert (R.UNKNOWN, RESULT_STATES[result]) in RECIPIENT_CHANGES
