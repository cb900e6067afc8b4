"""The table of who may do what."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mailing.accounts.roles import ANYBODY, PERMISSIONS, SCOPES, SENSITIVE, Permission, Role

LADDER = list(Role)  # the first may do the most
ROLES, PERMISSION = st.sampled_from(LADDER), st.sampled_from(list(Permission))


@given(ROLES, ROLES, PERMISSION)
def test_a_higher_role_may_do_all_that_a_lower_one_may(one, other, permission):
    higher, lower = sorted((one, other), key=LADDER.index)
    assert permission not in PERMISSIONS[lower] or permission in PERMISSIONS[higher]


def test_each_role_may_do_something_that_the_next_may_not():
    for higher, lower in pairwise(LADDER):
        assert PERMISSIONS[higher] > PERMISSIONS[lower]


def test_the_table_speaks_of_every_role_and_the_owner_may_do_everything():
    assert set(PERMISSIONS) == set(Role)
    assert PERMISSIONS[Role.OWNER] == set(Permission)


@given(ROLES)
def test_everybody_may_read(role):
    assert Permission.READ in PERMISSIONS[role]


def test_a_viewer_only_reads_a_writer_launches_nothing_and_a_manager_does():
    assert PERMISSIONS[Role.VIEWER] == {Permission.READ}
    assert PERMISSIONS[Role.WRITER] == {Permission.READ, Permission.WRITE}
    assert {Permission.SEND, Permission.LISTS} <= PERMISSIONS[Role.MANAGER]


@given(ROLES, st.sampled_from(sorted(SENSITIVE)))
def test_nobody_but_an_owner_touches_people_or_keys(role, sensitive):
    assert (sensitive in PERMISSIONS[role]) is (role is Role.OWNER)


def test_no_key_and_nobody_without_an_account_touches_people_or_keys():
    assert not SENSITIVE & (SCOPES | ANYBODY)
    assert {Permission.PEOPLE, Permission.KEYS} == SENSITIVE


def test_a_key_may_get_what_a_manager_may_do_and_may_read_who_did_what():
    assert PERMISSIONS[Role.MANAGER] | {Permission.AUDIT} == SCOPES


def test_an_open_machine_lets_everybody_do_what_a_manager_may():
    assert PERMISSIONS[Role.MANAGER] == ANYBODY


@given(PERMISSION)
def test_a_permission_reads_as_a_scope(permission):
    assert re.fullmatch(r"[a-z]+:(read|write|send|share)", permission)
