"""The check before Send: green, amber and red lines on one page, and what to do.

What it finds is kept for this view of the page alone. Links are opened only when somebody asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, render_template

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.internet.findings import ORDER
from mailing.internet.names import Dns
from mailing.reports import checkup
from tasks.commands import campaigns as commands
from webapp.http import auth
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.internet.findings import Light

blueprint = Blueprint("checkups", __name__)
_ONE = "/campaigns/<id:campaign_id>/preflight"
LOOKS: Mapping[Light, tuple[str, str, str]] = dict(
    zip(
        ORDER,
        (
            (N_("To fix"), "failed", "cross"),
            (N_("Please check"), "deferred", "alert"),
            (N_("Unknown"), "unknown", "question"),
            (N_("Passed"), "sent", "check"),
        ),
        strict=True,
    )
)
"""The heading of each light, its tone and its shape."""


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Check the message, and ask DNS about its sender."""
    return await _page(campaign_id, open_links=False)


@blueprint.post(_ONE)
@auth.needs(Permission.WRITE)
async def with_links(campaign_id: int) -> str:
    """Check the same, and open each link."""
    await the_campaign(campaign_id)
    try:
        await services().do(commands.begin_opening_links, auth.person(), campaign_id)
    except NotAllowed as refusal:
        abort(429, say_why(refusal))
    return await _page(campaign_id, open_links=True)


async def _page(campaign_id: int, *, open_links: bool) -> str:
    campaign = await the_campaign(campaign_id)
    looked = await services().read(checkup.look, campaign)
    found = await checkup.ask(looked, Dns(at=services().settings.dns), open_links=open_links)
    groups = [(light, [it for it in found if it.light is light]) for light in ORDER]
    return await render_template(
        "messages/preflight.html",
        section="campaigns",
        campaign=campaign,
        here=services().at(f"/campaigns/{campaign_id}"),
        groups=[group for group in groups if group[1]],
        looks=LOOKS,
        links=len(looked.links),
        opened=open_links,
    )
