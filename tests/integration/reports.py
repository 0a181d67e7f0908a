"""Reading a delivery report as a mail program does, and checking its form (RFC 3464, 6522, 3834)."""

import email
import email.policy
import email.utils
import time


class Report:
    """`fields`: of the message as a whole; `rcpts`: one mapping a recipient, by final recipient; `original`: what came
    back of the message; `text`: what a person reads."""

    def __init__(self, octets):
        self.msg = email.message_from_bytes(octets, policy=email.policy.default)
        for part in self.msg.walk():
            assert part.defects == [], "%s: %s" % (part.get_content_type(), part.defects)
        assert self.msg.get_content_type() == "multipart/report"
        assert self.msg.get_param("report-type") == "delivery-status"
        text, machine, original = self.msg.get_payload()
        assert text.get_content_type() == "text/plain"
        assert machine.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        self.is_full = original.get_content_type() in ("message/rfc822", "message/global")
        assert self.is_full or original.get_content_type() in ("text/rfc822-headers", "message/global-headers")
        self.text, self.machine_type = text.get_content(), machine.get_content_type()
        self.original = original.get_payload(0) if self.is_full else email.message_from_string(
            original.get_payload(decode=True).decode("utf-8"), policy=email.policy.default)
        blocks = status_blocks(machine)
        self.fields = blocks[0]
        self.rcpts = {typed(block["Final-Recipient"])[1]: block for block in blocks[1:]}
        assert len(self.rcpts) == len(blocks) - 1 > 0
        self.check()

    def check(self):
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
            assert len(self.msg.get_all(name, [])) == 1, name
        assert self.msg["Auto-Submitted"].startswith("auto-replied")
        age = time.time() - email.utils.parsedate_to_datetime(self.msg["Date"]).timestamp()
        assert -2 < age < 300
        assert typed(self.fields["Reporting-MTA"])[0] == "dns"
        for block in self.rcpts.values():
            assert block["Action"] in ("failed", "delayed", "delivered", "relayed", "expanded")
            assert block["Status"][0] in {"failed": "5", "delayed": "4"}.get(block["Action"], "2")
            assert typed(block["Final-Recipient"])[0] in ("rfc822", "utf-8")
            for name, kind in (("Remote-MTA", "dns"), ("Diagnostic-Code", None)):
                assert name not in block or typed(block[name])[0] == kind or kind is None


def typed(value):
    """'dns; mx.example' is ('dns', 'mx.example')."""
    kind, semicolon, rest = value.partition(";")
    assert semicolon, value
    return kind.strip(), rest.strip()


def status_blocks(machine):
    payload = machine.get_payload()
    if isinstance(payload, list):
        blocks = [dict(block.items()) for block in payload]
    else:  # message/global-delivery-status: Python leaves it alone
        text = machine.get_payload(decode=True).decode("utf-8").replace("\r\n", "\n")
        blocks = [dict(email.message_from_string(block).items()) for block in text.strip().split("\n\n")]
    return [block for block in blocks if block]
