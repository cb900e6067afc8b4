"""DMARC aggregate reports as receivers send them, written by the tests."""

from __future__ import annotations

import gzip
import io
import zipfile
from email.message import EmailMessage

RECORD = """
 <record>
  <row><source_ip>{source}</source_ip><count>{n}</count>
   <policy_evaluated><disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated>
  </row>
  <identifiers><header_from>{domain}</header_from></identifiers>
  <auth_results>
   <dkim><domain>{domain}</domain><selector>{selector}</selector><result>{dkim}</result></dkim>
   <spf><domain>{domain}</domain><scope>mfrom</scope><result>{spf}</result></spf>
  </auth_results>
 </record>"""
REPORT = """<?xml version="1.0" encoding="UTF-8"?>
<feedback{namespace}>
 <report_metadata>
  <org_name>{reporter}</org_name><email>dmarc@{reporter}</email><report_id>{report_id}</report_id>
  <date_range><begin>1764115200</begin><end>1764201599</end></date_range>
 </report_metadata>
 <policy_published><domain>{domain}</domain><p>none</p></policy_published>{records}
</feedback>
"""


def record(source: str, n: int = 1, **more: str) -> str:
    usual = {"disposition": "none", "dkim": "pass", "spf": "pass", "domain": "mail.test", "selector": "v1"}
    return RECORD.format(source=source, n=n, **(usual | more))


def report(*records: str, **more: str) -> str:
    usual = {"namespace": "", "reporter": "receiver.example", "report_id": "r1", "domain": "mail.test"}
    return REPORT.format(records="".join(records), **(usual | more))


def zipped(xml: str, name: str = "report.xml") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, xml)
    return packed.getvalue()


def message(xml: str, how: str = "gzip") -> bytes:
    """An email that brings a report, ``gzip``, ``zip`` or plain ``xml``."""
    mail = EmailMessage()
    mail["From"], mail["To"] = "dmarc@receiver.example", "dmarc@bounces.example"
    mail["Subject"] = "Report Domain: mail.test Submitter: receiver.example Report-ID: <r1>"
    mail["Message-ID"] = f"<{abs(hash(xml))}@receiver.example>"
    mail.set_content("This is an aggregate report.\n")
    data = {"gzip": lambda: gzip.compress(xml.encode()), "zip": lambda: zipped(xml), "xml": xml.encode}[how]()
    mail.add_attachment(data, maintype="application", subtype=how, filename=f"report.xml.{how}")
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
