"""Receipts without a database: their lines, chained and signed as the real ones are."""

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailing.core.states import RecipientState
from mailing.receipts.chain import FORMAT, Chain
from mailing.receipts.keys import public_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ANOTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def person(number: int, state: str = "sent", attempts: int = 1) -> dict:
    made = [{"number": n + 1, "result": state, "reply": f"250 2.0.0 Ok: {number}"} for n in range(attempts)]
    return {"id": number, "email": f"a{number}@example.org", "state": state, "attempts": made}


def receipt(
    *people: dict, key: Ed25519PrivateKey = KEY, head: dict | None = None, end: dict | None = None
) -> bytes:
    """The file of a receipt; ``head`` and ``end`` replace what they say."""
    states = [one.get("state") for one in people]
    ledger = {state.value: states.count(state.value) for state in RecipientState}
    first = {
        "format": FORMAT,
        "made_at": "2026-11-22T14:02:11.034Z",
        "campaign": {"id": 7, "subject": "News", "rehearses": None, "state": "finished"},
        "recipients": len(people),
        "ledger": ledger,
        "public_key": public_of(key),
    }
    last = {
        "recipients": len(people),
        "attempts": sum(len(one.get("attempts", ())) for one in people),
        "ledger": ledger,
    }
    chain = Chain()
    lines = [chain.add(orjson.dumps({"receipt": {**first, **(head or {})}}))]
    lines += [chain.add(orjson.dumps({"recipient": one})) for one in people]
    return b"".join([*lines, chain.end(orjson.dumps({"end": {**last, **(end or {})}}), key)])
