"""What is typed for a sender, and what is wrong with it. Secrets are never put back into a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.core.reasons import EntryError
from mailing.senders import entries, limits, store
from mailing.senders.entries import Entry
from mailing.senders.limits import PERIODS, LimitsError
from mailing.senders.warmup import Plan
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.senders.limits import Limits
    from mailing.senders.presets import Preset
    from mailing.senders.store import Account

TLS: Mapping[str, str] = {
    "starttls": N_("STARTTLS, required"),
    "tls": N_("TLS from the start"),
    "opportunistic": N_("STARTTLS if offered"),
    "none": N_("No encryption"),
}
SIGN_IN: Mapping[str, str] = {
    "": N_("Password, the best method offered"),
    "plain": "PLAIN",
    "login": "LOGIN",
    "cram-md5": "CRAM-MD5",
    "google": N_("Google account (OAuth)"),
    "microsoft": N_("Microsoft account (OAuth)"),
}
UNITS: Mapping[str, str] = {
    "per_second": N_("per second"),
    "per_minute": N_("per minute"),
    "per_hour": N_("per hour"),
    "per_day": N_("per calendar day"),
    "per_24h": N_("in any 24 hours"),
}
_SHORT = {period.removeprefix("per_"): period for period in PERIODS}
_KEPT = ("name", "host", "username", "tenant", "client_id", "ca", "tls", "preset")
_DIGITS = 12
WARMUP = ("first", "growth", "target")
EXAMPLE = "gmail 500/hour 5/second"


def of_preset(preset: Preset) -> dict[str, str]:
    """Return what a form holds that begins with a preset."""
    return {
        "preset": preset.key,
        "name": "" if not preset.host else preset.name,
        "host": preset.host,
        "port": str(preset.port),
        "tls": preset.tls,
        "verify": "1",
        "signs": "1",
        "username": preset.username,
        "sign_in": preset.provider or preset.auth,
        "connections": str(preset.connections or ""),
        **of_limits(preset.limits),
    }


def of_account(account: Account) -> dict[str, str]:
    """Return what the form of a sender holds."""
    return {
        **{name: str(getattr(account, name)) for name in _KEPT},
        "port": str(account.port),
        "verify": "1" if account.verify else "",
        "signs": "1" if account.signs else "",
        "sign_in": account.provider or account.auth,
        "connections": str(account.connections or ""),
        "receiver_limits": "\n".join(
            f"{receiver} {told(each)}" for receiver, each in account.receiver_limits.items()
        ),
        **of_limits(account.limits),
        **of_warmup(account.warmup or Plan()),
    }


def of_warmup(plan: Plan) -> dict[str, str]:
    """Return what a form holds of a warm-up."""
    return {"first": str(plan.first), "growth": str(plan.growth), "target": str(plan.target or "")}


def read_warmup(form: Mapping[str, str]) -> dict[str, Any]:
    """Return what is typed of a warm-up; what is no number stays text, to be refused."""
    return {name: _number(form.get(name, "")) for name in WARMUP}


def of_limits(it: Limits) -> dict[str, str]:
    """Return what a form holds of limits."""
    return {period: str(most) for period, most in it.bounds()} | {"time_zone": it.time_zone}


def told(it: Limits) -> str:
    """Return limits as they are typed on a line: ``500/hour 5/second``."""
    names = {period: unit for unit, period in _SHORT.items()}
    return " ".join(f"{most}/{names[period]}" for period, most in it.bounds())


def entered(form: Mapping[str, str], account: Account | None) -> tuple[Entry | None, dict[str, str]]:
    """Return what a form enters, and what is wrong with it by the name of its field: one of both.

    Of the ``account`` of the settings a form holds only name, signing, connections and limits.
    """
    faults: dict[str, str] = {}
    values: dict[str, Any] = {}
    try:
        values["limits"] = read_limits(form)
    except LimitsError as error:
        faults |= limit_faults(error)
    try:
        values["receiver_limits"] = limits.parse_receivers(_receivers(form.get("receiver_limits", "")))
    except LimitsError as error:
        faults["receiver_limits"] = " ".join(map(say, error.reasons))
    values["signs"] = bool(form.get("signs"))
    values["connections"] = _number(form.get("connections", "")) or None
    if account is not None and account.from_settings:
        entry = store.as_entered(account, name=form.get("name", ""), **values)
    else:
        entry = Entry(**_typed(form), **values)
    try:
        entries.check(entry)
    except EntryError as error:
        faults = {_place(name): say(reason) for name, reason in error.faults.items()} | faults
    return (None if faults else entry), faults


def read_limits(form: Mapping[str, str]) -> Limits:
    """Return the limits that are typed in a form. Raises ``LimitsError``."""
    given: dict[str, Any] = {period: _number(form.get(period, "")) for period in PERIODS}
    return limits.parse(given | {"time_zone": form.get("time_zone", "").strip()})


def limit_faults(error: LimitsError) -> dict[str, str]:
    """Return what is wrong with limits, by the name of the form's field."""
    return dict(zip(error.fields, map(say, error.reasons), strict=True))


def refused(error: EntryError) -> dict[str, str]:
    """Return what ``mailing`` found wrong, by the name of the form's field."""
    return {_place(name): say(reason) for name, reason in error.faults.items()}


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    sign_in = form.get("sign_in", "")
    provider = sign_in if sign_in in entries.PROVIDERS else ""
    secrets = {
        name: "" if form.get(f"no_{name}") else form.get(name) or None
        for name in ("password", "client_secret")
    }
    return {
        **{name: form.get(name, "").strip() for name in _KEPT},
        "port": _number(form.get("port", "")) or 0,
        "verify": bool(form.get("verify")),
        "provider": provider,
        "auth": entries.XOAUTH2 if provider else sign_in,
        **secrets,
    }


def _place(name: str) -> str:
    return "sign_in" if name in {"auth", "provider"} else name


def _number(text: str) -> Any:
    """Return the number that was typed, none where nothing was, and else what was typed: it is no number."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return int(text)
    return text or None


def _receivers(text: str) -> dict[str, Any]:
    """Read lines like ``gmail 500/hour 5/second``. Raises ``LimitsError``."""
    table: dict[str, Any] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        receiver, *bounds = line.split()
        table[receiver] = {}
        for bound in bounds:
            most, _slash, unit = bound.partition("/")
            table[receiver][_SHORT.get(unit, unit or bound)] = _number(most)
    return table


def summary(it: Limits) -> str:
    """Return limits in a few words, as a table shows them."""
    return ", ".join(f"{formats.number(most)} {_(UNITS[period])}" for period, most in it.bounds())
