"""libunbound, set up as src/net/dns_unbound.c does, for tests that want to know what Yizhan will be told."""

import collections
import ctypes
import ctypes.util
import time

from question import TYPES

Answer = collections.namedtuple("Answer", "status is_secure data")

OPTIONS = (("do-not-query-localhost:", "no"), ("domain-insecure:", "test."), ("aggressive-nsec:", "no"),
           ("infra-keep-probing:", "yes"), ("unblock-lan-zones:", "yes"))


class Result(ctypes.Structure):
    """struct ub_result of unbound.h."""

    _fields_ = [("qname", ctypes.c_char_p), ("qtype", ctypes.c_int), ("qclass", ctypes.c_int),
                ("data", ctypes.POINTER(ctypes.c_void_p)), ("len", ctypes.POINTER(ctypes.c_int)),
                ("canonname", ctypes.c_char_p), ("rcode", ctypes.c_int), ("answer_packet", ctypes.c_void_p),
                ("answer_len", ctypes.c_int), ("havedata", ctypes.c_int), ("nxdomain", ctypes.c_int),
                ("secure", ctypes.c_int), ("bogus", ctypes.c_int), ("why_bogus", ctypes.c_char_p),
                ("was_ratelimited", ctypes.c_int), ("ttl", ctypes.c_int)]

    def answer(self):
        if self.bogus:
            return Answer("bogus", False, [])
        if self.nxdomain or self.rcode == 3:
            return Answer("nxdomain", bool(self.secure), [])
        if self.rcode != 0:
            return Answer("fail", False, [])
        data = []
        while self.havedata and self.data[len(data)]:
            data.append(ctypes.string_at(self.data[len(data)], self.len[len(data)]))
        return Answer("ok" if data else "nodata", bool(self.secure), data)


CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(Result))


class Validator:
    """A resolver for one question: nothing is remembered from an earlier one."""

    def __init__(self, forwarder, trust_anchor):
        self.forwarder, self.trust_anchor = forwarder.replace(":", "@"), trust_anchor
        self.lib = ctypes.CDLL(ctypes.util.find_library("unbound") or "libunbound.so.8")
        self.lib.ub_ctx_create.restype = ctypes.c_void_p

    def make(self):
        ctx = ctypes.c_void_p(self.lib.ub_ctx_create())
        for name, value in OPTIONS:
            assert self.lib.ub_ctx_set_option(ctx, name.encode(), value.encode()) == 0, name
        assert self.lib.ub_ctx_set_fwd(ctx, self.forwarder.encode()) == 0
        assert self.lib.ub_ctx_add_ta_file(ctx, self.trust_anchor.encode()) == 0
        assert self.lib.ub_ctx_async(ctx, 1) == 0
        assert self.lib.ub_ctx_zone_remove(ctx, b"test.") == 0
        return ctx

    def ask(self, name, kind, seconds):
        """No answer within so many seconds: status "fail"."""
        found, ctx = [], self.make()

        @CALLBACK
        def on_answer(_, failed, result):
            found.append(Answer("fail", False, []) if failed else result.contents.answer())
            if result:
                self.lib.ub_resolve_free(result)

        try:
            ident = ctypes.c_int(0)
            assert self.lib.ub_resolve_async(ctx, name.encode(), TYPES[kind], 1, None, on_answer, ctypes.byref(ident)) == 0
            end = time.monotonic() + seconds
            while not found and time.monotonic() < end:
                if self.lib.ub_poll(ctx):
                    assert self.lib.ub_process(ctx) == 0
                time.sleep(0.005)
            return found[0] if found else Answer("fail", False, [])
        finally:
            self.lib.ub_ctx_delete(ctx)
