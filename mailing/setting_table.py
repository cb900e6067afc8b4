"""The settings that there are, as the README shows them: its table is tested against this one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable as the README shows it."""

    name: str
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "VOLLEY_DATABASE_URL",
        "SQLite file under `instance/`",
        "`sqlite:///file`, or `postgresql://user:password@host/database` of an existing database",
    ),
    Setting(
        "VOLLEY_REDIS_URL",
        "`redis://127.0.0.1:6380/0`",
        "broker, results, live events: `redis://`, `rediss://` with TLS, or `unix:///socket?db=0`",
    ),
    Setting(
        "VOLLEY_SMTP_URL",
        "`smtp://127.0.0.1:1025`",
        "the sender: `smtp://`, `smtp+starttls://` or `smtps://`, then `user:password@host:port`; "
        "`?auth=plain`, `login` or `cram-md5` behind it selects the sign-in method",
    ),
    Setting(
        "VOLLEY_DEMO_INBOX",
        "`127.0.0.1:1025`",
        "where the demo inbox receives what is rehearsed; on this machine it starts there automatically",
    ),
    Setting("VOLLEY_FROM", "`Volley <volley@localhost>`", "default From"),
    Setting("VOLLEY_BIND", "`127.0.0.1:5000`", "where the web server listens"),
    Setting(
        "VOLLEY_URL",
        "`http://` or `https://`, and `VOLLEY_BIND`",
        "the public address, like `https://example.com/volley`: links, cookies, the accepted host name",
    ),
    Setting("VOLLEY_HOSTS", "none", "further accepted host names; all others are rejected"),
    Setting(
        "VOLLEY_TRUSTED_PROXIES",
        "none",
        "proxies whose `X-Forwarded-For`, `-Proto`, `-Host` or `Forwarded` are trusted: addresses, networks",
    ),
    Setting(
        "VOLLEY_TLS_CERTIFICATE",
        "none",
        "file with the certificate and its chain (PEM): the web server speaks HTTPS itself",
    ),
    Setting("VOLLEY_TLS_KEY", "none", "file with the key of that certificate (PEM)"),
    Setting(
        "VOLLEY_JWT_ISSUER",
        "none",
        "the issuer whose access tokens the API accepts, exactly as in their `iss`",
    ),
    Setting("VOLLEY_JWT_AUDIENCE", "none", "the `aud` that those tokens must have"),
    Setting("VOLLEY_WORKERS", "number of cores (`make run`: 3)", "worker processes"),
    Setting("VOLLEY_CONNECTIONS", "10", "SMTP connections per worker process"),
    Setting(
        "VOLLEY_BOUNCE_DOMAIN",
        "none",
        "the domain of the envelope senders, like `bounces.example.com`: each recipient gets one of its own, "
        "by which a bounce finds them. Without it, envelopes have the From address",
    ),
    Setting(
        "VOLLEY_BOUNCE_BIND",
        "none",
        "where bounces are taken over SMTP and LMTP, like `127.0.0.1:2525`: only mail to the bounce domain",
    ),
    Setting("VOLLEY_DNS", "none", "the DNS server to ask, like `192.0.2.53`; for names like `mail.test` too"),
    Setting(
        "VOLLEY_RELAY_ADDRESSES",
        "none",
        "the public addresses from which your own mail server sends, if it has a private one here",
    ),
    Setting("VOLLEY_DNSBL", "none", "blocklists to ask about these addresses, like `zen.spamhaus.org`"),
    Setting(
        "VOLLEY_DIALOGUE_DAYS",
        "30",
        "for how many days the SMTP dialogue of each attempt that was not sent, and each bounce as it came, "
        "are kept; `0` keeps none",
    ),
    Setting(
        "VOLLEY_SECRET_KEY",
        "created once, kept under `instance/`",
        "signs sessions and forms, encrypts the passwords of senders: the same for the web and all workers",
    ),
    Setting(
        "VOLLEY_INSTANCE",
        "`instance`",
        "folder of the SQLite file, the secret key and the bundled Redis server's data and password",
    ),
    Setting(
        "VOLLEY_OIDC_ISSUER",
        "none",
        "sign-in by OpenID Connect: the issuer, like `https://login.example.com`",
    ),
    Setting("VOLLEY_OIDC_CLIENT_ID", "none", "how the issuer knows this Volley"),
    Setting("VOLLEY_OIDC_CLIENT_SECRET", "none", "the secret that the issuer assigned with it"),
    Setting("VOLLEY_OIDC_NAME", "the issuer's host", "what the button calls the issuer"),
    Setting(
        "VOLLEY_OIDC_ROLE_CLAIM",
        "none",
        "the claim whose values `owner`, `manager`, `writer` or `viewer` set the role at each sign-in; "
        "the highest counts",
    ),
    Setting(
        "VOLLEY_OIDC_DEFAULT_ROLE",
        "none",
        "the role of accounts created at the first sign-in; without it, only people with an account sign in",
    ),
    Setting(
        "VOLLEY_RULEBOOK",
        "none",
        "file with rules of your own for what refusals mean, which go before the built-in ones",
    ),
    Setting("VOLLEY_LOG", "`text`", "`text` for people, `json` for machines"),
)
