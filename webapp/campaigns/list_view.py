"""What the address of a campaign's page asks for: which recipients, in which order, how many at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from quart import abort, request

from mailing.core.states import CampaignState, RecipientState
from mailing.recipients.search import Choice, Sort
from webapp.http import params
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailing.smtp.replies import ReplyCode
    from webapp.campaigns.progress import Standing

SIZES = (25, 50, 100, 200)
USUAL = 25  # a first view stays below 60 KB
_IN_PROGRESS = frozenset({CampaignState.SENDING, CampaignState.PAUSED})


@dataclass(frozen=True, slots=True)
class View:
    """A campaign's recipients as one page shows them. ``causes``: all groups of replies, not the first.

    ``sort`` is the order that was chosen, if one was: see ``order``.
    """

    state: RecipientState | None = None
    q: str = ""
    reply: ReplyCode | None = None
    sort: Sort | None = None
    size: int = USUAL
    causes: bool = False

    @property
    def choice(self) -> Choice:
        """Which recipients."""
        return Choice(self.state, self.q, self.reply)

    @property
    def sorts(self) -> Sequence[Sort]:
        """The orders that can be chosen: a filter brings its own."""
        return () if self.choice else tuple(Sort)

    def order(self, campaign: CampaignState) -> Sort:
        """Return the order of the rows: the newest result first while there are new ones."""
        return self.sort or (Sort.LATEST if campaign in _IN_PROGRESS else Sort.LIST)

    def follows(self, campaign: CampaignState) -> bool:
        """Whether the first page of this view is that of the newest results, and new ones come."""
        return campaign in _IN_PROGRESS and not self.choice and self.order(campaign) is Sort.LATEST

    def query(self, **more: Any) -> str:
        """Return the address's query for this view with other values; what is usual is left out."""
        keys: dict[str, object] = {
            name: more.pop(name) for name in ("after", "before", "rows", "known", "follow") if name in more
        }
        it = replace(self, **more)
        values: dict[str, object] = {
            "state": it.state,
            "q": it.q,
            "reply": it.reply and params.spell(it.reply),
            "sort": "" if it.choice else it.sort,
            "size": "" if it.size == USUAL else it.size,
            "causes": "all" if it.causes else "",
            **keys,
        }
        given = {name: value for name, value in values.items() if value not in {None, ""}}
        return f"?{urlencode(given)}" if given else ""

    def fresh(self, now: Standing, known: int | None) -> int:
        """Return how many joined since ``known`` was counted."""
        return max((self.known(now) or 0) - known, 0) if known is not None else 0

    def moved(self, states: Iterable[RecipientState]) -> int:
        """Return how many recipients in these states are no longer in this view's."""
        return sum(state is not self.state for state in states) if self.state else 0

    def known(self, now: Standing) -> int | None:
        """Return a count that grows as recipients join this view; None if none is kept."""
        if self.q or (self.state and self.reply):
            return None
        if self.state:
            return now.campaign.counts[self.state]
        if self.reply:
            return sum(cause.n for cause in now.causes if cause.reply == self.reply)
        return now.attempts if self.order(now.campaign.state) is Sort.LATEST else None


def asked() -> View:
    """Return the view that the request asks for."""
    sort, size = request.args.get("sort", ""), request.args.get("size", str(USUAL))
    if sort not in {"", *Sort} or size not in set(map(str, SIZES)):
        abort(
            400,
            _(
                "Unknown order or page size. Orders: %(orders)s. Sizes: %(sizes)s.",
                orders=", ".join(Sort),
                sizes=", ".join(map(str, SIZES)),
            ),
        )
    return View(
        params.state(RecipientState),
        params.search(),
        params.reply(request.args.get("reply", "")),
        Sort(sort) if sort else None,
        int(size),
        request.args.get("causes") == "all",
    )
