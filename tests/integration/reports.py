"""Reading a delivery report as a mail program does, and checking its form (RFC 3464, 6522, 3834)."""

import base64
import email
import email.policy
import email.utils
import quopri
import time


class Report:
    """`fields`: of the message as a whole; `rcpts`: one mapping a recipient, by final recipient; `original`: what came
    back of the message; `text`: what a person reads."""

    def __init__(self, octets):
        self.msg = email.message_from_bytes(octets, policy=email.policy.default)
        for part in [self.msg] + self.msg.get_payload():
            assert part.defects == [], "%s: %s" % (part.get_content_type(), part.defects)
        assert self.msg.get_content_type() == "multipart/report"
        assert self.msg.get_param("report-type") == "delivery-status"
        text, machine, original = self.msg.get_payload()
        assert text.get_content_type() == "text/plain"
        assert machine.get_content_type() in ("message/delivery-status", "message/global-delivery-status")
        self.is_full = original.get_content_type() in ("message/rfc822", "message/global")
        assert self.is_full or original.get_content_type() in ("text/rfc822-headers", "message/global-headers")
        self.text, self.machine_type = text.get_content(), machine.get_content_type()
        self.original = email.message_from_bytes(self.octets_of(octets, original), policy=email.policy.default)
        blocks = status_blocks(octets, self.msg)
        self.fields = blocks[0]
        self.rcpts = {typed(block["Final-Recipient"])[1]: block for block in blocks[1:]}
        assert len(self.rcpts) == len(blocks) - 1 > 0
        self.check()

    def octets_of(self, octets, original):
        """What came back, decoded: message/global may be in base64 (RFC 6532 section 3.7), a header section in
        quoted-printable."""
        coded = part_octets(octets, self.msg, 2)
        if original["Content-Transfer-Encoding"] == "base64":
            return base64.b64decode(coded)
        if original["Content-Transfer-Encoding"] == "quoted-printable":
            assert not self.is_full
            return quopri.decodestring(coded)
        assert original["Content-Transfer-Encoding"] in ("7bit", "8bit")
        return coded

    def check(self):
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
            assert len(self.msg.get_all(name, [])) == 1, name
        assert self.msg["Auto-Submitted"].startswith("auto-replied")
        age = time.time() - email.utils.parsedate_to_datetime(self.msg["Date"]).timestamp()
        assert -2 < age < 300
        assert typed(self.fields["Reporting-MTA"])[0] == "dns"
        for block in self.rcpts.values():
            assert block["Action"] in ("failed", "delayed", "delivered", "relayed", "expanded")
            # a failure is one for good, or did not pass in time (RFC 3463 section 2)
            assert block["Status"][0] in {"failed": "54", "delayed": "4"}.get(block["Action"], "2")
            assert typed(block["Final-Recipient"])[0] in ("rfc822", "utf-8")
            for name, kind in (("Remote-MTA", "dns"), ("Diagnostic-Code", None)):
                assert name not in block or typed(block[name])[0] == kind or kind is None


def typed(value):
    """'dns; mx.example' is ('dns', 'mx.example')."""
    kind, semicolon, rest = value.partition(";")
    assert semicolon, value
    return kind.strip(), rest.strip()


def part_octets(octets, msg, number):
    """The body of one part as it stands, between the boundaries."""
    end = b"\r\n" if b"\r\n" in octets else b"\n"
    part = octets.split(end + b"--" + msg.get_boundary().encode())[number + 1]
    return part.split(end + end, 1)[1]


def status_blocks(octets, msg):
    # Python knows message/delivery-status, but not its global form: both are read alike here
    text = part_octets(octets, msg, 1).decode("utf-8").replace("\r\n", "\n")
    return [dict(email.message_from_string(block).items()) for block in text.strip().split("\n\n")]
