"""An issuer, at which people or programs sign in, is one for which nobody else can speak."""

import pytest

from mailing.accounts.openid_settings import OpenId
from mailing.accounts.roles import Role
from tests.support.configured import faults, loaded

OPENID = {"VOLLEY_OIDC_ISSUER": "https://login.x.example/team", "VOLLEY_OIDC_CLIENT_ID": "volley"}


def test_people_sign_in_elsewhere_only_if_an_issuer_is_named(tmp_path):
    assert loaded(tmp_path).openid is None
    found = loaded(tmp_path, **OPENID).openid
    assert found == OpenId("https://login.x.example/team", "volley", "", "login.x.example", "", None)
    more = {
        "CLIENT_SECRET": "very secret",
        "NAME": "Our login",
        "ROLE_CLAIM": "roles",
        "DEFAULT_ROLE": "viewer",
    }
    full = loaded(tmp_path, **OPENID, **{f"VOLLEY_OIDC_{name}": value for name, value in more.items()}).openid
    assert full == OpenId(
        "https://login.x.example/team", "volley", "very secret", "Our login", "roles", Role.VIEWER
    )
    assert "very secret" not in repr(full)


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.x.example",
        "login.x.example",
        "https://",
        "https://ann:pw@login.x.example",
        "https://login.x.example/?tenant=1",
        "https://login.x.example/#top",
        "https://login.x.example:99999",
        "https://[login",
        "ftp://login.x.example",
    ],
)
def test_an_issuer_that_others_could_speak_for_is_refused(tmp_path, issuer):
    [fault] = faults(tmp_path, **OPENID | {"VOLLEY_OIDC_ISSUER": issuer})
    assert fault.startswith("VOLLEY_OIDC_ISSUER: ")
    assert "https://login.example.com" in fault


def test_an_issuer_on_this_machine_needs_no_tls(tmp_path):
    for issuer in ("http://127.0.0.1:9400", "http://localhost:9400/", "http://[::1]:9400"):
        assert loaded(tmp_path, **OPENID | {"VOLLEY_OIDC_ISSUER": issuer}).openid.issuer == issuer


def test_all_that_is_wrong_with_the_issuer_is_told_at_once(tmp_path):
    told = faults(
        tmp_path,
        VOLLEY_OIDC_ISSUER="https://login.x.example",
        VOLLEY_OIDC_NAME="x" * 41,
        VOLLEY_OIDC_DEFAULT_ROLE="admin",
    )
    assert [fault.split(":")[0].removeprefix("VOLLEY_OIDC_") for fault in told] == [
        "NAME",
        "DEFAULT_ROLE",
        "CLIENT_ID",
    ]
    [needless] = faults(tmp_path, VOLLEY_OIDC_CLIENT_SECRET="very secret")
    assert needless.startswith("VOLLEY_OIDC_CLIENT_SECRET: has no effect without VOLLEY_OIDC_ISSUER")
    assert "very secret" not in needless


def test_an_issuer_of_access_tokens_comes_with_an_audience(tmp_path):
    both = {"VOLLEY_JWT_ISSUER": "https://id.x.example/", "VOLLEY_JWT_AUDIENCE": "https://x.example/volley"}
    found = loaded(tmp_path, **both)
    assert (found.jwt_issuer, found.jwt_audience) == tuple(both.values())
    assert (loaded(tmp_path).jwt_issuer, loaded(tmp_path).jwt_audience) == ("", "")
    for name, value in both.items():
        assert faults(tmp_path, **{name: value}) == (
            "VOLLEY_JWT_ISSUER and VOLLEY_JWT_AUDIENCE: set both, or neither.",
        )
    [fault] = faults(tmp_path, **both | {"VOLLEY_JWT_ISSUER": "http://id.x.example"})
    assert fault.startswith("VOLLEY_JWT_ISSUER: ")
    [fault] = faults(tmp_path, **both | {"VOLLEY_JWT_AUDIENCE": 'a "b"'})
    assert fault.startswith("VOLLEY_JWT_AUDIENCE: ")
