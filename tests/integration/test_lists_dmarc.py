"""From in copies of a list: the author's own, or the list's where the message is changed and the author's domain asks
others to refuse what it did not sign (RFC 9989), as a DNS laboratory has it."""

import email
import email.utils
import smtplib
import time

ALICE, TEAM = "alice@yizhan.test", "team@yizhan.test"
# domain of the author: is the copy from the list?
AUTHORS = {"strict.example": True, "aside.example": True, "mild.example": False, "quiet.example": False,
           "below.strict.example": True, "free.mixed.example": False, "mixed.example": True, "trying.example": True,
           "none.trying2.example": False, "broken.example": True}


def fill(lab):
    lab.zone("strict.example", '_dmarc TXT "v=DMARC1; p=reject"', "below A 127.0.0.1")
    lab.zone("aside.example", '_dmarc TXT "v=DMARC1; p=quarantine; rua=mailto:d@aside.example"')
    lab.zone("mild.example", '_dmarc TXT "v=DMARC1; p=none"')
    lab.zone("quiet.example", '_dmarc TXT "v=spf1 -all"')
    lab.zone("mixed.example", '_dmarc TXT "v=DMARC1; p=reject; sp=none"', "free A 127.0.0.1")
    lab.zone("trying.example", '_dmarc TXT "v=DMARC1; p=reject; t=y"')
    lab.zone("trying2.example", '_dmarc TXT "v=DMARC1; p=quarantine; t=y"', "none A 127.0.0.1")
    lab.lame("broken.example")


def post(station, author, subject):
    text = "From: Ann <%s>\r\nSubject: %s\r\n\r\nHello.\r\n" % (author, subject)
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        assert client.sendmail(author, [TEAM], text) == {}


def copy_of(station, subject, seconds=30):
    end = time.monotonic() + seconds
    while True:
        for row in station.mailbox(ALICE):
            if subject in row["subject"]:
                return email.message_from_bytes(station.export(ALICE, row["uid"]))
        assert time.monotonic() < end, station.log()
        time.sleep(0.05)


def test_the_list_stands_in_for_authors_whose_domain_is_strict(make_station, lab):
    fill(lab)
    station = make_station(conf="demo = yes\n" + lab.conf())
    station.cli("list", "add", TEAM, "--title", "The team", "--post", "anyone", "--subject-prefix", "[t]")
    station.cli("list", "member-add", TEAM, ALICE)
    for domain in AUTHORS:
        post(station, "ann@" + domain, "from " + domain)
    for domain, is_list in AUTHORS.items():
        m = copy_of(station, "[t] from " + domain)
        if is_list:
            want = ("Ann via The team", TEAM)
            assert m["Reply-To"] == "<ann@%s>" % domain
        else:
            want = ("Ann", "ann@" + domain)
        assert email.utils.parseaddr(m["From"]) == want, domain
    # an unchanged message stays its author's: the signature holds
    station.cli("list", "set", TEAM, "--subject-prefix", "")
    post(station, "ann@strict.example", "unchanged")
    assert email.utils.parseaddr(copy_of(station, "unchanged")["From"]) == ("Ann", "ann@strict.example")
    station.cli("list", "set", TEAM, "--subject-prefix", "[t]", "--from-rewrite", "never")
    post(station, "ann@strict.example", "never")
    assert email.utils.parseaddr(copy_of(station, "never")["From"])[1] == "ann@strict.example"
