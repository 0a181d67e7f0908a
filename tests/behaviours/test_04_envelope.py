"""Sender, recipients and their parameters: behaviours 41 to 54."""
import pytest

from session import abi

EIGHT = "Subject: hi\r\n\r\ngrüße\r\n".encode()


def ready(serve, client, answers=(), ehlo=(), cut=None, **options):
    s = serve(answers, ehlo=ehlo, cut=cut)
    c = client(**options)
    assert c.connect(s.url) == "ok"
    return s, c


def mail_line(server):
    return [line for line in server.lines if line.startswith("MAIL")][-1]


@pytest.mark.parametrize("bad", ["a\rb", "a\nb", "a\r\nRSET", "a@x\n"])
def test_behaviour_41_line_breaks_are_refused_everywhere(serve, client, bad):
    s, c = ready(serve, client)
    for name, args in [("cmd", [bad, None]), ("cmd", ["NOOP", bad]), ("cmd_mail", [bad, None]), ("cmd_mail", ["a@x", bad]),
                       ("cmd_rcpt", [bad, None]), ("cmd_rcpt", ["a@x", bad]), ("vrfy", [bad]), ("expn", [bad]), ("help", [bad]),
                       ("ehlo", [bad])]:
        assert c.ask(name, *args)[0] == "inval", (name, args)
    assert c.call("put", bad, None) == "inval"
    assert c.send(sender=bad)[0] == "inval"
    txn = c.txn(rcpts=[bad])
    assert txn.added == ["inval"] or txn.send() == "inval"
    assert c.send(extra="X=" + bad)[0] == "inval" and c.send(envid=bad)[0] != "ok"
    assert c.call("quit") == "ok"
    assert not [line for line in s.settled()[1:] if line != "QUIT" and not line.startswith("MAIL FROM:<me@x.test>")]


@pytest.mark.parametrize("given, said", [("me@x.test", "<me@x.test>"), ("", "<>"), ("<>", "<>"), ("<me@x.test>", "<me@x.test>"),
                                         ('"a b"@x.test', '<"a b"@x.test>'), ('"a\\"b"@x.test', '<"a\\"b"@x.test>')])
def test_behaviour_42_the_path(serve, client, given, said):
    s, c = ready(serve, client)
    assert c.send(sender=given)[0] == "ok" and mail_line(s) == "MAIL FROM:" + said


def test_behaviour_42_a_display_name_is_refused(serve, client):
    s, c = ready(serve, client)
    assert c.send(sender="Me <me@x.test>")[0] == "inval" and s.lines == ["EHLO me.test"]


@pytest.mark.parametrize("body, size", [(b"a\nb\n", 6), (b".a\r\n.b\r\n", 8), (b"a", 3), (b"a\rb\r\n", 6)])
def test_behaviour_43_size_counts_crlf_and_no_stuffed_dots(serve, client, body, size):
    s, c = ready(serve, client, ehlo=["SIZE 1000"])
    assert c.send(body=body)[0] == "ok" and mail_line(s) == "MAIL FROM:<me@x.test> SIZE=%d" % size


def test_behaviour_44_too_large_is_refused_before_mail(serve, client):
    s, c = ready(serve, client, ehlo=["SIZE 10"])
    code, t = c.send(body=b"12345678\n1\n")
    assert code == "size" and t.outcomes != ["accepted"]
    assert c.send(body=b"12345678\n")[0] == "ok" and s.verbs == ["EHLO", "MAIL", "RCPT", "DATA"]


def test_behaviour_45_8bitmime_exactly_when_needed(serve, client):
    s, c = ready(serve, client, ehlo=["8BITMIME"])
    assert c.send()[0] == "ok" and "BODY" not in mail_line(s)
    assert c.send(body=EIGHT)[0] == "ok" and mail_line(s).endswith(" BODY=8BITMIME") and s.bodies[-1] == EIGHT + b".\r\n"


def test_behaviour_45_8_bit_without_8bitmime(serve, client):
    s, c = ready(serve, client)
    code, t = c.send(body=EIGHT)
    assert code == "notsupp" and t.results[0].is_ours and not s.bodies
    assert c.send(body=EIGHT, flags=abi.YZ_8BIT_ANYWAY)[0] == "ok" and s.bodies == [EIGHT + b".\r\n"]


def test_behaviour_46_smtputf8_exactly_when_needed(serve, client):
    s, c = ready(serve, client, ehlo=["8BITMIME", "SMTPUTF8"])
    assert c.send()[0] == "ok" and "SMTPUTF8" not in mail_line(s)
    assert c.send(body=EIGHT)[0] == "ok" and "SMTPUTF8" not in mail_line(s)
    assert c.send(rcpts=["jürgen@x.test"])[0] == "ok" and "SMTPUTF8" in mail_line(s) and "RCPT TO:<jürgen@x.test>" in s.lines
    assert c.send(sender="驿@x.test")[0] == "ok" and mail_line(s).startswith("MAIL FROM:<驿@x.test> ")
    assert c.send(flags=abi.YZ_SMTPUTF8)[0] == "ok" and "SMTPUTF8" in mail_line(s)


def test_behaviour_47_without_smtputf8(serve, client):
    s, c = ready(serve, client)
    assert c.send(rcpts=["a@bücher.test"])[0] == "ok" and "RCPT TO:<a@xn--bcher-kva.test>" in s.lines
    code, t = c.send(rcpts=["jürgen@x.test"])
    assert code in ("notsupp", "rcpts") and t.results[0].is_ours and not any("rgen" in line for line in s.lines)


def test_behaviour_48_dsn(serve, client):
    s, c = ready(serve, client, ehlo=["DSN"])
    never, both = abi.YZ_NOTIFY_NEVER, abi.YZ_NOTIFY_SUCCESS | abi.YZ_NOTIFY_DELAY
    code, _ = c.send(rcpts=["a@x.test", "b@x.test", "c@x.test"], ret=abi.YZ_RET_HDRS, envid="a+b=c d", rcpt_params={
        "a@x.test": {"notify": never}, "b@x.test": {"notify": both, "orcpt": "rfc822;o+x@y.test"}})
    assert code == "ok"
    assert "RET=HDRS" in mail_line(s) and "ENVID=a+2Bb+3Dc+20d" in mail_line(s)
    assert s.lines[2:5] == ["RCPT TO:<a@x.test> NOTIFY=NEVER", s.lines[3], "RCPT TO:<c@x.test>"]
    notify = [w for w in s.lines[3].split(" ") if w.startswith("NOTIFY=")][0]
    assert set(notify[7:].split(",")) == {"SUCCESS", "DELAY"} and "ORCPT=rfc822;o+2Bx@y.test" in s.lines[3]
    txn = c.txn(rcpt_params={"a@x.test": {"notify": never | both}})
    assert txn.added == ["inval"] or txn.send() == "inval"


def test_behaviour_48_dsn_not_offered(serve, client):
    s, c = ready(serve, client)
    asked = dict(ret=abi.YZ_RET_FULL, rcpt_params={"a@x.test": {"notify": abi.YZ_NOTIFY_NEVER}})
    assert c.send(**asked)[0] == "ok" and s.lines[1:3] == ["MAIL FROM:<me@x.test>", "RCPT TO:<a@x.test>"]
    before = len(s.lines)
    assert c.send(flags=abi.YZ_DSN_OR_FAIL, **asked)[0] == "notsupp" and "DATA" not in s.verbs[before:]


def test_behaviour_49_requiretls(serve, client, certs):
    s = serve(ehlo=["STARTTLS", "REQUIRETLS"])
    c = client(tls=abi.YZ_TLS_NEVER)
    assert c.connect(s.url) == "ok" and c.send(flags=abi.YZ_REQUIRETLS)[0] == "notsupp" and "MAIL" not in s.verbs
    c = client(ca=certs["ca"])
    assert c.connect(s.url) == "ok" and c.send(flags=abi.YZ_REQUIRETLS)[0] == "ok" and "REQUIRETLS" in mail_line(s)
    s = serve(ehlo=["STARTTLS"])
    c = client(ca=certs["ca"])
    assert c.connect(s.url) == "ok" and c.send(flags=abi.YZ_REQUIRETLS)[0] == "notsupp" and "MAIL" not in s.verbs


LATER = "refused for now"
NO = b"550 5.1.1 no such user\r\n"
THREE = ["a@x.test", "b@x.test", "c@x.test"]


@pytest.mark.parametrize("ehlo", [[], ["PIPELINING"], ["PIPELINING", "CHUNKING"]])
def test_behaviour_50_some_refused(serve, client, cut, ehlo):
    s, c = ready(serve, client, {"RCPT TO:<b@x.test>": NO, "RCPT TO:<c@x.test>": b"251 2.1.5 forwarded\r\n"}, ehlo, cut)
    code, t = c.send(rcpts=THREE)
    assert code == "ok" and len(s.bodies) == 1
    assert t.outcomes[0] == t.outcomes[2] == "accepted" != t.outcomes[1]
    assert [r.rcpt.code for r in t.results] == [250, 550, 251] and t.results[1].reply.enhanced == (5, 1, 1)
    assert t.results[1].phase == "rcpt" and t.results[0].phase == "final"


@pytest.mark.parametrize("ehlo", [[], ["PIPELINING"]])
def test_behaviour_51_all_refused(serve, client, cut, ehlo):
    s, c = ready(serve, client, {"RCPT": NO, "DATA": b"503 no recipients\r\n"}, ehlo, cut)
    code, t = c.send(rcpts=THREE)
    assert code == "rcpts" and [r.reply.code for r in t.results] == [550] * 3 and not s.bodies
    assert c.send(rcpts=["a@x.test"])[0] == "rcpts"
    assert "RSET" in s.verbs and (ehlo or "DATA" not in s.verbs)


@pytest.mark.parametrize("ehlo", [[], ["PIPELINING"], ["PIPELINING", "CHUNKING"]])
def test_behaviour_52_all_or_nothing(serve, client, cut, ehlo):
    s, c = ready(serve, client, {"RCPT TO:<b@x.test>": NO}, ehlo, cut)
    code, t = c.send(rcpts=THREE, flags=abi.YZ_ALL_OR_NOTHING)
    assert code != "ok" and "accepted" not in t.outcomes and not s.bodies
    assert c.ask("noop")[0] == "ok"


@pytest.mark.parametrize("reply", [b"452 4.5.3 too many\r\n", b"552 5.5.3 too many\r\n"])
def test_behaviour_53_too_many_recipients_is_temporary(serve, client, reply):
    s, c = ready(serve, client, {"RCPT TO:<b@x.test>": reply})
    code, t = c.send(rcpts=THREE)
    assert code == "ok" and t.outcomes[0] == "accepted" and t.outcomes[1] == LATER
    assert t.outcomes[2] in ("accepted", "not sent") and t.results[2].text


def test_behaviour_54_mail_refused(serve, client, cut):
    s, c = ready(serve, client, {"MAIL": b"550 5.7.1 not you\r\n", "RSET": None}, cut=cut)
    code, t = c.send()
    assert code == "sender" and t.reply.code == 550 and "550" in t.error.text + str(t.reply.code)
    assert t.results[0].phase == "mail" and t.results[0].reply.enhanced == (5, 7, 1)
