"""A domain of which everything is known that a page can show: each light, records to publish, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.domains import aggregates, health, keys, reports
from mailing.domains.dkim import Algorithm
from mailing.domains.health import Health
from mailing.domains.records import Record
from mailing.internet.findings import Finding, Light
from tests.support.aggregate_reports import record, report

if TYPE_CHECKING:
    from mailing.core.database import Database

OWN = "192.0.2.25"


def tell_all(db: Database, domain: str, secret_key: str) -> None:
    """Keep all that a page of a domain can show. A campaign comes from it."""
    there = "v=spf1 mx include:_spf.long-name-of-a-provider.example ip4:198.51.100.0/24 -all"
    changed = f"{there.removesuffix('-all')}ip4:{OWN} -all"
    with db.write() as connection:
        made = keys.keep(connection, domain, keys.generate([*Algorithm]), secret_key)
        found = Health(
            domain,
            now_ms(),
            {
                "spf": Finding(
                    Light.RED, Reason("spf.misses", domain=domain, missing=(OWN,)), Reason("spf.publish")
                ),
                "dmarc": Finding(
                    Light.AMBER, Reason("dmarc.none", domain=domain), Reason("dmarc.add", domain=domain)
                ),
                "mx": Finding(Light.GREEN, Reason("mx.there", domain=domain, server=f"mx.{domain}")),
                "ptr": Finding(Light.GREEN, Reason("ptr.there", address=OWN, name=f"mx.{domain}")),
                "dnsbl": Finding(
                    Light.UNKNOWN, Reason("dnsbl.no-answer", zone="zen.test"), Reason("dnsbl.own-resolver")
                ),
            },
            {
                it.id: Finding(
                    Light.AMBER,
                    Reason("dkim.no-record", name=it.name),
                    Reason("dkim.publish", name=it.name),
                )
                for it in made
            },
            {
                "spf": (Record("TXT", domain, changed, Reason("spf.publish-changed"), there),),
                "dmarc": (Record("TXT", f"_dmarc.{domain}", "v=DMARC1; p=none", Reason("dmarc.first-step")),),
            },
            (OWN,),
        )
        health.keep(connection, found, secret_key)
        rows = [
            record(OWN, 1_234, domain=domain, selector=made[0].selector),
            record("2001:db8::4:25", 17, domain=domain, dkim="fail"),
            record("198.51.100.7", 3, domain=domain, dkim="fail", spf="fail", disposition="reject"),
        ]
        found_report = aggregates.read(report(*rows, domain=domain).encode())
        assert found_report
        assert reports.keep(connection, found_report)
