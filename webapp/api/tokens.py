"""Access tokens for programs, and the public keys by which others check them.

``POST /api/v1/token`` takes an API key as bearer. A token counts for 15 minutes at most, allows what its key
allows, and is refused once the key is revoked or expires.
"""

from __future__ import annotations

import orjson
from quart import Blueprint, Response

from mailing.programs import access_tokens
from tasks.commands.accounts import keys
from webapp.http import auth, problems
from webapp.http.services import services
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import service as shapes

blueprint = Blueprint("tokens", __name__)
problems.install(blueprint)
_CACHED_S = 300


@blueprint.post(f"{PREFIX}/token")
@auth.needs_key()
@described("Tokens", {200: Answer("The token.", shapes.AccessToken)})
async def create_token() -> Response:
    """Create a token for an API key.

    The token expires after 15 minutes and allows what the key allows. It ends with its key.
    """
    svc, bearer = services(), auth.viewer().bearer
    assert bearer
    assert bearer.key
    signing = await svc.do(keys.signing_key, svc.settings.secret_key)
    token, seconds = access_tokens.issue(signing, svc.settings.site.url, bearer.key)
    answer: shapes.AccessToken = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
    return _json(answer, "no-store")


@blueprint.get("/.well-known/jwks.json")
@auth.open_to_all("other services check tokens with these keys, which are public")
@described("Tokens", {200: Answer("The keys.", shapes.PublicKeys)})
async def list_public_keys() -> Response:
    """List the public keys with which other services check tokens."""
    svc = services()
    trusted = await svc.read(access_tokens.trusted, svc.settings.secret_key)
    return _json(access_tokens.published(trusted), f"public, max-age={_CACHED_S}")


def _json(body: object, cached: str) -> Response:
    return Response(orjson.dumps(body), headers={"Cache-Control": cached}, content_type="application/json")
