"""Volley itself: whether it works, and the tokens that it gives."""

from typing import Annotated, Literal, NotRequired, TypedDict


class AccessToken(TypedDict):
    """A token for an API key (RFC 6749, section 5.1)."""

    access_token: Annotated[str, "A JWT, to be sent in place of the key."]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, "Seconds until it expires: 900, or less if its key expires earlier."]


class PublicKeys(TypedDict):
    """A JSON Web Key Set (RFC 7517, section 5)."""

    keys: Annotated[list[dict[str, str]], "The keys whose tokens are valid, newest first."]


class Check(TypedDict):
    """Whether a part works."""

    ok: bool
    detail: NotRequired[Annotated[str, "What works, or what does not and what to do."]]


class Live(TypedDict):
    """The process is running."""

    live: bool


class Ready(TypedDict):
    """Whether Volley can send mail now."""

    ready: bool
    checks: Annotated[dict[str, Check], "By part: `database`, `redis` and `worker`."]
