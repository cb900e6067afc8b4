"""The tables. The database is the truth (P1), so its constraints carry the invariants.

Times are UTC in whole milliseconds since 1970: the same integer on SQLite and PostgreSQL, in the
events and in the browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState, RecipientState

if TYPE_CHECKING:
    from enum import StrEnum

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Bytewise = Text().with_variant(Text(collation="C"), "postgresql")  # so that an index finds what begins alike
Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only INTEGER keys


def one_of(column: str, states: type[StrEnum]) -> CheckConstraint:
    """Return the constraint that a column holds one of these."""
    values = ", ".join(f"'{state}'" for state in states)
    return CheckConstraint(f"{column} IN ({values})", name=column)


def _index_where(condition: str, name: str, *columns: str) -> Index:
    return Index(name, *columns, sqlite_where=text(condition), postgresql_where=text(condition))


installation = Table(  # which Volley this is: the one row that the migration made
    "installation",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", String(16), nullable=False),
    Column("forget_key", String(64)),  # of the hashes of people who are forgotten; none: nobody was
    Column("bounce_key", String(64)),  # of the tokens in envelope senders
    Column("leave_key", String(64)),  # of the tokens in unsubscribe links; it never changes
    Column("site", Text, nullable=False, default="", server_default=""),  # its public URL; empty: none yet
    CheckConstraint("id = 1", name="one"),
)

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", Id, primary_key=True),
    Column("state", String(10), nullable=False, default=CampaignState.DRAFT),
    Column("sender_from", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False, default=""),
    Column("preheader", Text, nullable=False, default="", server_default=""),  # shown beside the subject
    Column("writing", String(10), nullable=False, default="source", server_default="source"),
    Column("body", Text),  # what the HTML was made of; none: it was written so
    Column("typed_text", Text),  # what was written as text; none: what is sent
    Column("audience", JSON(none_as_null=True)),  # which saved lists the recipients were taken from, and how
    Column("rehearses", BigInteger),  # the campaign of which this is a rehearsal: it goes to the demo inbox
    Column("recipe", JSON(none_as_null=True)),  # of a rehearsal: how many in 1,000 get which answer
    Column("edited_by", Text, nullable=False, default="", server_default=""),  # who has its form open
    Column("edited_at", BigInteger),  # when they were last seen at it
    Column("topic", Text, nullable=False, default="", server_default=""),  # what it is about; empty: none
    Column("transactional", Boolean, nullable=False, default=False, server_default=false()),
    Column("senders", JSON(none_as_null=True)),  # their ids, in their order; none: the first
    Column("limits", JSON(none_as_null=True)),  # senders.limits.dump; none: those of its senders alone
    Column("priority", SmallInteger, nullable=False, default=5),  # 0 leaves first, as in Celery on Redis
    Column("send_at", BigInteger),  # when it starts by itself once it is scheduled, or did
    Column("time_zone", Text, nullable=False, default="", server_default=""),  # IANA's name of it
    Column("hours", String(11), nullable=False, default="", server_default=""),  # 08:00-20:00; empty: all day
    Column("token", String(32), nullable=False, unique=True),  # the secret part of every Message-ID
    Column("revision", Integer, nullable=False, default=0, server_default="0"),  # counts up at each edit
    Column("total", Integer, nullable=False, default=0),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("give_up_after", Integer, nullable=False, default=24 * 3600),  # seconds of trying per recipient
    Column("paused_reason", Text, nullable=False, default=""),  # empty when a person paused it
    Column("reason_code", Text),
    Column("breaker", JSON(none_as_null=True)),  # when it pauses by itself; none: never for its failures
    Column("counted_after", BigInteger, nullable=False, default=0, server_default="0"),  # this attempt
    Column("complaints_after", Integer, nullable=False, default=0, server_default="0"),  # this many
    Column("canary", Integer, nullable=False, default=0, server_default="0"),  # how many are sent first
    Column("canary_until", BigInteger),  # set exactly while only those may leave: how long it waits for them
    Column("version", SmallInteger, nullable=False, default=1, server_default="1"),  # of its message
    Index("ix_campaigns_state", "state", "send_at"),
    one_of("state", CampaignState),
    CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
    CheckConstraint("give_up_after > 0", name="give_up_after"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("first_id", BigInteger, nullable=False),
    Column("last_id", BigInteger, nullable=False),
    Column("woken_at", BigInteger, nullable=False, default=0),  # when it was last enqueued or run
    Column("canary", Boolean, nullable=False, default=False, server_default=false()),  # one who is sent first
    Column("rests_until", BigInteger),  # until then only recipients of lanes that rest wait in it
)

versions = Table(
    "versions",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False),
    Column("writing", String(10), nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("body", Text),
    Column("typed_text", Text),
    Column("replaced_at", BigInteger, nullable=False),
    Column("replaced_by", Text, nullable=False),
)
"""Messages that were corrected while their campaign was paused, as they were. The one that is sent now is
in the campaign's row."""

recipients = Table(
    "recipients",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("email", Bytewise, nullable=False),
    Column("domain", Bytewise, nullable=False),  # of the address
    Column("name", Text, nullable=False, default=""),
    Column("fields", JSON(none_as_null=True)),  # merge fields beyond name and email
    Column("state", String(10), nullable=False, default=RecipientState.QUEUED),
    Column("attempts", SmallInteger, nullable=False, default=0),  # counts up at each claim: the fence
    Column("version", SmallInteger),  # of the message that was claimed last
    Column(
        "worker_id", ForeignKey("workers.id")
    ),  # the claim: who is sending it, or was when it became unknown
    Column("claimed_at", BigInteger),
    Column("due_at", BigInteger),  # set exactly while deferred
    Column("first_tried_at", BigInteger),
    Column("suppressed", String(12)),  # why it must not be mailed
    Column("bounced", String(12)),  # why its email came back after all
    Column("bounced_at", BigInteger),
    Column("complained_at", BigInteger),  # when it was called spam
    Column("left_at", BigInteger),  # when its person unsubscribed by its link, and stayed with that
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Index("uq_recipients_campaign_email", "campaign_id", text("lower(email)"), "email", unique=True),
    Index("ix_recipients_campaign_state", "campaign_id", "state", "id"),
    Index("ix_recipients_campaign_domain", "campaign_id", "domain", "id"),
    Index("ix_recipients_email", text("lower(email)"), "id"),
    _index_where("due_at IS NOT NULL", "ix_recipients_due", "due_at"),
    _index_where("worker_id IS NOT NULL", "ix_recipients_claims", "worker_id"),
    one_of("state", RecipientState),
    CheckConstraint("(state = 'deferred') = (due_at IS NOT NULL)", name="due"),
    CheckConstraint("state <> 'sending' OR worker_id IS NOT NULL", name="claim"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), nullable=False),
    Column("number", SmallInteger, nullable=False),
    Column("version", SmallInteger, nullable=False, default=1, server_default="1"),  # of the message
    Column("domain", Bytewise, nullable=False),  # of the recipient's address
    Column("worker_id", ForeignKey("workers.id")),  # none: a person decided, no worker tried
    Column("sender_id", BigInteger),  # by which it went; none: the demo inbox
    Column("server", Text, nullable=False),  # host:port that was spoken to
    Column("connection", Integer),  # the worker counts those it opens
    Column("tls", String(10), nullable=False, default=""),  # version; empty on a bare line
    Column("connect_ms", Integer),  # only where this attempt opened the connection
    Column("envelope_ms", Integer),  # MAIL, RCPT and DATA, up to the server's go-ahead
    Column("dot_ms", Integer),  # from the text's last byte to the reply
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("result", String(10), nullable=False),
    Column("code", SmallInteger),  # basic reply code, RFC 5321 section 4.2
    Column("enhanced", String(12), nullable=False, default=""),  # RFC 3463
    Column("reply", Text, nullable=False, default=""),  # verbatim (P6), or what failed here
    Column("reason_code", Text),
    # Unknown, then perhaps a person's mark, then perhaps a late reply.
    UniqueConstraint("recipient_id", "number", "result", "worker_id"),
    Index("ix_attempts_campaign", "campaign_id", "ended_at", "id"),
    Index("ix_attempts_ended", "ended_at", "id"),
    Index("ix_attempts_domain", "domain", "ended_at", "id"),
    _index_where("result <> 'sent'", "ix_attempts_result", "result", "ended_at", "id"),
    _index_where("result <> 'sent'", "ix_attempts_code", "code", "ended_at", "id"),
    _index_where("result <> 'sent'", "ix_attempts_enhanced", "enhanced", "ended_at", "id"),
    _index_where("result <> 'sent'", "ix_attempts_campaign_trouble", "campaign_id", "ended_at", "id"),
    _index_where(
        "result <> 'sent'", "ix_attempts_replies", "campaign_id", "code", "enhanced", "recipient_id"
    ),
    one_of("result", AttemptResult),
    CheckConstraint("worker_id IS NOT NULL OR result = 'sent'", name="worker"),
)

tallies = Table(
    "tallies",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(10), primary_key=True),
    Column("shard", SmallInteger, primary_key=True),  # worker id modulo: workers never wait for each other
    Column("n", Integer, nullable=False),
)
"""How many recipients are in each state: the sum over the shards. Moved in the transaction that
moves the recipients, so the ledger balances at every instant (P2)."""

paces = Table(
    "paces",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", Integer, primary_key=True),  # seconds since 1970, a multiple of rates.SLOT_S
    Column("result", String(10), primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    Index("ix_paces_slot", "slot"),
)
"""How many attempts ended how in each slot of time: the rates, without counting the log."""

reply_groups = Table(
    "reply_groups",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("result", String(10), primary_key=True),
    Column("code", SmallInteger, primary_key=True),  # 0: no reply came, or none was asked for
    Column("enhanced", String(12), primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("n", Integer, nullable=False),
    Column("sample", Text, nullable=False),  # the reply that opened the group, verbatim
    Column("reason_code", Text),
)
"""How many attempts that were not ``sent`` got which reply: the causes, without counting the log."""

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),  # host:process, as shown to people
    Column("started_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # its lease counts from here
    Column("ended_at", BigInteger),  # stopped, or its lease was ended; it never sends again
    Column("notice", Text, nullable=False, default=""),  # what keeps it from sending, in plain words
    Column("reason_code", Text),
    Column("notice_kind", String(10), nullable=False, default="", server_default=""),  # workers.NoticeKind
    Column("consuming", Boolean, nullable=False, default=True),  # whether it takes batches from the queue
    Column("connections", Integer, nullable=False, default=0),  # that it may open
    Column("in_flight", Integer, nullable=False, default=0),  # claimed and not yet recorded
    Column("done", BigInteger, nullable=False, default=0),  # attempts recorded since it started
    Column("memory", BigInteger, nullable=False, default=0),  # resident bytes; 0: cannot be known
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="SET NULL")),  # the one it sends now
)

rests = Table(
    "rests",
    metadata,
    Column("sender", Text, primary_key=True),  # user@host:port
    Column("lane", Text, primary_key=True, default="", server_default=""),  # a receiver; empty: all of them
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),  # then one email is tried, and all go on if it is accepted
    Column("reason", Text, nullable=False),  # the reply that began it, verbatim
    Column("reason_code", Text),
    Column("times", Integer, nullable=False, default=1),  # how often it was begun anew by a try that failed
    Column("probed_at", BigInteger),  # since when one email is being tried
    Column("width", Integer, nullable=False, default=0, server_default="0"),  # of a lane after it: at once
    Column("good", Integer, nullable=False, default=0, server_default="0"),  # accepted at this width
    Column("looked_at", BigInteger),  # when DNS was last asked for the record that the lane waits for
    Column("records", String(64)),  # a print of what it answered
    Column("ended_at", BigInteger),
)
"""Senders whose own limit is reached: they wait, and nobody fails. The last rest of each stays.

The same for a lane of theirs, which comes back email by email.
"""

refusals = Table(
    "refusals",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("recipient_id", ForeignKey("recipients.id", ondelete="CASCADE"), primary_key=True),
    Column("threshold", String(20), nullable=False),  # which one it counts for: rulebook.toml
    Column("code", SmallInteger, nullable=False),
    Column("enhanced", String(12), nullable=False, default=""),
    Column("reply", Text, nullable=False),  # verbatim
    Column("at", BigInteger, nullable=False),
)
"""Refusals that may mean more than their recipient, since the campaign was started last: the evidence."""

watches = Table(
    "watches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", Text, nullable=False),  # for whom it was made
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)
"""Links that let somebody without an account watch one campaign; the link is signed and names the row."""

list_notes = Table(
    "list_notes",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),  # refused, duplicate, noted, column
    Column("line", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reason_code", Text),
    Index("ix_list_notes_kind", "campaign_id", "kind", "number"),
)
"""What was found while reading a campaign's list: refused lines, merged duplicates, remarks, columns."""

answers = Table(
    "answers",
    metadata,
    Column("key", String(255), primary_key=True),  # the client's Idempotency-Key
    Column("request_hash", String(64), nullable=False),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
)
"""First answers to API calls with an Idempotency-Key, for their repetition."""

storings = Table(
    "storings",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("fresh", Boolean, nullable=False),  # its campaign is not there before the list is complete
    Column("holder", String(32), nullable=False),  # who alone may go on: the fence
    Column("touched_at", BigInteger, nullable=False),  # when it last did
    # Where the list ended to which another is being added: up to here it stays. None: nothing of it does.
    Column("keeps_recipients", BigInteger),  # up to this id
    Column("keeps_notes", Integer),  # up to this number
)
"""Lists that are not complete: being stored piece by piece, or left behind by a process that died."""

surveys = Table(
    "surveys",
    metadata,
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True),
    Column("shapes", JSON, nullable=False),  # what the recipients have, as ``shapes`` writes it
    Column("remarks", JSON, nullable=False),  # how many of each kind there are
    Column("domains", JSON),  # the most frequent domains, as ``domain_counts`` writes them; none: not counted
)
"""What a list holds in sum, counted when it is stored: so no page depends on how long a list is."""

decisions = Table(
    "decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.id", ondelete="CASCADE"), nullable=False),
    Column("action", String(20), nullable=False),
    Column("choice", JSON, nullable=False),
    Column("after", BigInteger, nullable=False),  # up to this recipient it is carried out
    Column("moved", Integer, nullable=False),
    Column("expected", Integer),  # how many there were to move; none: nobody counted
    Column("campaign", String(10), nullable=False),  # the campaign's state when it was last gone on with
    Column("started_at", BigInteger, nullable=False, default=now_ms),
    Column("touched_at", BigInteger, nullable=False, default=now_ms),
    Column("finished_at", BigInteger),
    Index(
        "uq_decisions_under_way",
        "campaign_id",
        "action",
        unique=True,
        sqlite_where=text("finished_at IS NULL"),
        postgresql_where=text("finished_at IS NULL"),
    ),
)
"""What people decided about more recipients than are moved at once: how far it is carried out."""
