"""The library's calls in Python's words, as thin as can be: names are those of yizhan.h without yz_."""
import ctypes
from types import SimpleNamespace

from yizhan._lib import abi, init, lib

ms = 1000
Reply = ctypes.POINTER(abi.yz_reply)


def err(value):
    return lib.yz_err_name(value).decode()


def reply_of(pointer):
    """None, or the reply as plain values."""
    if not pointer:
        return None
    r = pointer.contents
    return SimpleNamespace(code=r.code, enhanced=(r.cls, r.subject, r.detail), text=r.text.decode("utf-8", "replace"),
                           lines=[r.lines[i] for i in range(r.line_count)])


class Session:
    """Timeouts are short: nothing here waits for minutes. Keywords are fields of struct yz_options; ca, pins …
    those of struct yz_tls_options."""

    def __init__(self, timeouts=None, ca=None, tls_options=None, ctx=None, **options):
        waits = dict.fromkeys([name for name, _ in abi.yz_timeouts._fields_], 5000)
        waits.update(timeouts or {})
        self.ctx = None
        if ca or tls_options:
            self.ctx = ctypes.c_void_p(lib.yz_ctx_new())
            fields = dict(tls_options or {})
            if ca:
                fields["ca_file"] = ca
            tls = init(abi.yz_tls_options, **fields)
            assert lib.yz_ctx_set_tls(self.ctx, ctypes.byref(tls), None) == 0
        options.setdefault("hello_name", "me.test")
        self.options = init(abi.yz_options, timeouts=abi.yz_timeouts(**waits), **options)
        self.p = ctypes.c_void_p(lib.yz_session_new(ctx or self.ctx, ctypes.byref(self.options)))
        self.txns, self.kept, self.events = [], [], []

    def free(self):
        for txn in self.txns:
            txn.free()
        if self.p:
            lib.yz_session_free(ctypes.byref(self.p))
        if self.ctx:
            lib.yz_ctx_free(ctypes.byref(self.ctx))

    def call(self, name, *args):
        """The name of the enum yz_err that yz_<name> returns."""
        return err(getattr(lib, "yz_" + name)(self.p, *(a.encode() if isinstance(a, str) else a for a in args)))

    def connect(self, url):
        return self.call("connect", url)

    def open(self, url):
        return self.call("open", url)

    def ask(self, name, *args):
        """(error, reply) of a call that has a reply."""
        reply = Reply()
        code = self.call(name, *args, ctypes.byref(reply))
        return code, reply_of(reply)

    def data(self, octets, eol=abi.YZ_EOL_FIX):
        return self.ask("cmd_data", octets, len(octets), eol)

    @property
    def error(self):
        e = lib.yz_error(self.p).contents
        return SimpleNamespace(code=err(e.code), phase=lib.yz_phase_name(e.phase).decode(), text=e.text.decode(),
                               reply=reply_of(e.reply), tls_verify=e.tls_verify, is_temporary=e.is_temporary,
                               os_errno=e.os_errno)

    def get(self, name):
        value = getattr(lib, "yz_" + name)(self.p)
        if isinstance(value, Reply):
            return reply_of(value)
        return value.decode() if isinstance(value, bytes) else value

    def cap(self, keyword):
        value = lib.yz_cap(self.p, keyword.encode())
        return None if value is None else value.decode()

    def caps(self):
        found, params = [], ctypes.c_char_p()
        while True:
            name = lib.yz_cap_at(self.p, len(found), ctypes.byref(params))
            if name is None:
                return found
            found.append((name.decode(), params.value.decode()))

    @property
    def is_connected(self):
        return lib.yz_is_connected(self.p)

    def trace(self, flags=0):
        def seen(arg, event):
            e = event.contents
            self.events.append(SimpleNamespace(kind=e.kind, dir=e.dir, is_encrypted=e.is_encrypted, is_masked=e.is_masked,
                                               is_unexpected=e.is_unexpected, time_ns=e.time_ns,
                                               text=ctypes.string_at(e.text, e.len) if e.text else b"", octets=e.octets))
        self.on_event = abi.yz_trace_fn(seen)
        lib.yz_set_trace(self.p, self.on_event, None, flags)

    def txn(self, sender="me@x.test", rcpts=("a@x.test",), body=b"Subject: hi\r\n\r\nhello\r\n", eol=abi.YZ_EOL_FIX,
            rcpt_params=None, source=None, **params):
        return Txn(self, sender, rcpts, body, eol, rcpt_params, source, params)

    def send(self, *args, **kw):
        """(error, Txn)"""
        txn = self.txn(*args, **kw)
        return txn.send(), txn


class Txn:
    def __init__(self, session, sender, rcpts, body, eol, rcpt_params, source, params):
        self.session = session
        mail = init(abi.yz_mail_params, **params)
        self.p = ctypes.c_void_p(lib.yz_txn_new(session.p, sender.encode(), ctypes.byref(mail)))
        session.txns.append(self)
        self.added = []
        for rcpt in rcpts:
            p = init(abi.yz_rcpt_params, **(rcpt_params or {}).get(rcpt, {}))
            self.added.append(err(lib.yz_txn_rcpt(self.p, rcpt.encode(), ctypes.byref(p))))
        self.body = body
        if source is not None:
            self.source = source
            lib.yz_txn_source(self.p, ctypes.byref(source), eol)
        elif body is not None:
            lib.yz_txn_body(self.p, body, len(body), eol)

    def send(self):
        return err(lib.yz_send(self.p))

    def free(self):
        if self.p:
            lib.yz_txn_free(ctypes.byref(self.p))

    @property
    def results(self):
        found = []
        for i in range(lib.yz_txn_count(self.p)):
            r = lib.yz_txn_result(self.p, i).contents
            found.append(SimpleNamespace(path=r.path.decode(), outcome=lib.yz_outcome_str(r.outcome).decode(),
                                         phase=lib.yz_phase_name(r.phase).decode(), reply=reply_of(r.reply),
                                         rcpt=reply_of(r.rcpt), is_ours=r.is_ours, text=(r.text or b"").decode()))
        return found

    @property
    def outcomes(self):
        return [r.outcome for r in self.results]

    @property
    def reply(self):
        return reply_of(lib.yz_txn_reply(self.p))

    @property
    def error(self):
        e = lib.yz_txn_error(self.p).contents
        return SimpleNamespace(code=err(e.code), phase=lib.yz_phase_name(e.phase).decode(), text=e.text.decode())


def source(pieces, fails=False, size=-1):
    """A struct yz_source over a list of octets; fails: -1 in place of the end."""
    left = list(pieces)

    def read(arg, to, n):
        if not left:
            return -1 if fails else 0
        piece = left.pop(0)
        if len(piece) > n:
            left.insert(0, piece[n:])
            piece = piece[:n]
        ctypes.memmove(to, piece, len(piece))
        return len(piece)
    fields = dict(abi.yz_source._fields_)
    return init(abi.yz_source, read=fields["read"](read), size=size)
