"""The tab's icon of a campaign: a ring that closes as it goes on, in the tone of the worst that happened."""

from __future__ import annotations

from quart import Blueprint, Response

from webapp.http import auth
from webapp.http.static_files import YEAR_S

blueprint = Blueprint("icons", __name__)
PATH = "/icons"
STEP = 5  # percent
_FILLS = {"sent": "#36a365", "deferred": "#eaab2f", "failed": "#d8443a", "unknown": "#9d63d2"}
_ROUND = 75.4  # the circumference of a ring with radius 12


def path(tone: str, percent: int) -> str:
    """Return the path of the icon for a tone and a progress."""
    return f"{PATH}/{tone}-{percent // STEP * STEP}.svg"


@blueprint.get("/icons/<any(sent, deferred, failed, unknown):tone>-<int(max=100):percent>.svg")
@auth.open_to_all("a drawing that says nothing of anybody", always=True)
async def icon(tone: str, percent: int) -> Response:
    """Draw an icon."""
    ring = '<circle cx="16" cy="16" r="12" fill="none" stroke-width="7" stroke="{}"{}/>'
    part = f' stroke-dasharray="{_ROUND * percent / 100:.1f} {_ROUND}" transform="rotate(-90 16 16)"'
    drawing = ring.format("#8a90994d", "") + ring.format(_FILLS[tone], part)
    return Response(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{drawing}</svg>',
        content_type="image/svg+xml",
        headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"},
    )
