"""A session of libyizhan over a connection that Python made: the socket stays Python's (and may be a mock), the
conversation is the library's. Octets pass through the read and write callbacks of struct yz_transport."""
import ctypes
import errno
import threading
import weakref

from ._errors import SMTPException, SMTPResponseException, SMTPServerDisconnected
from ._lib import abi, init, lib

# The socket's own timeout rules every wait.
_FOREVER = -1
_WAITS = {name: _FOREVER for name, _ in abi.yz_timeouts._fields_}
# These tell what the server said; the reply is there.
_REFUSALS = {abi.YZ_OK, abi.YZ_E_SENDER, abi.YZ_E_RCPTS, abi.YZ_E_DATA, abi.YZ_E_REPLY, abi.YZ_E_GREETING,
             abi.YZ_E_HELO, abi.YZ_E_AUTH}
_GONE = {abi.YZ_E_CLOSED, abi.YZ_E_TIMEOUT, abi.YZ_E_UNKNOWN, abi.YZ_E_SYSTEM}
_field = dict(abi.yz_transport._fields_)


def as_pair(reply):
    """(code, text) as smtplib gives a reply: lines without code, joined by LF."""
    r = reply.contents
    return r.code, b"\n".join(r.lines[i].strip(b" \t\r\n") for i in range(r.line_count))


class Link:
    """One connection of `owner`, an SMTP object, which it does not keep alive."""

    def __init__(self, owner, host, is_lmtp, line_max):
        self.owner = weakref.ref(owner)
        self.line_max = line_max
        self.lock = threading.RLock()
        self.depth = 0
        self.is_greeted = self.is_closed = self.is_given_up = False
        self.error = None       # what a callback raised
        self.unread = b""       # of the line that was read last
        self.last_line = b""
        self.shown = []         # lines of a reply, for the debug output only
        self.last_shown = None
        self.is_data = self.is_answered = False  # in DATA what is written behind the first reply is the message
        self.body = []          # held back while debugging, to be shown in one piece
        self.on_starttls = None
        self.session = None
        options = init(abi.yz_options, flags=abi.YZ_ALLOW_CLEAR_AUTH, timeouts=abi.yz_timeouts(**_WAITS))
        self.session = ctypes.c_void_p(lib.yz_session_new(None, ctypes.byref(options)))
        self.transport = init(abi.yz_transport, fd=-1, read=_field["read"](self._read),
                              write=_field["write"](self._write), starttls=_field["starttls"](self._starttls),
                              close=_field["close"](self._close))
        rc = lib.yz_attach(self.session, ctypes.byref(self.transport), (host or "localhost").encode(), is_lmtp)
        if rc != abi.YZ_OK:
            raise SMTPException(self.why())

    def __del__(self):
        self.finish()

    def finish(self):
        """Free the session; while a call is under way (in a callback, on another thread) it ends that call."""
        self.is_given_up = True
        if self.session is None or not self.lock.acquire(blocking=False):
            return
        try:
            if self.depth == 0:
                session, self.session = self.session, None
                lib.yz_session_free(ctypes.byref(session))
        finally:
            self.lock.release()

    def why(self):
        return lib.yz_error(self.session).contents.text.decode(errors="replace")

    # What the library calls.

    def _failed(self, error, os_errno):
        self.error = error
        os_errno[0] = getattr(error, "errno", None) or errno.EIO
        return -1

    def _read(self, arg, to, n, timeout_ms, os_errno):
        try:
            owner = self.owner()
            if not self.unread:
                if timeout_ms == 0:  # it asks whether something is there; a file object cannot tell
                    os_errno[0] = errno.EAGAIN
                    return -1
                self._flush(owner)
                self.unread = self._line(owner)
            piece, self.unread = self.unread[:n], self.unread[n:]
            ctypes.memmove(to, piece, len(piece))
            return len(piece)
        except BaseException as e:  # nothing may pass through C
            return self._failed(e, os_errno)

    def _line(self, owner):
        if owner is None or owner.sock is None:
            return b""
        if owner.file is None:
            owner.file = owner.sock.makefile("rb")
        try:
            line = owner.file.readline(self.line_max + 1)
        except OSError as e:
            raise SMTPServerDisconnected("Connection unexpectedly closed: " + str(e))
        if not line:
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        if owner.debuglevel > 0:
            owner._print_debug("reply:", repr(line))
            self._show(owner, line)
        if len(line) > self.line_max:
            raise SMTPResponseException(500, "Line too long.")
        self.last_line = line
        self.is_answered = line[3:4] != b"-"
        return line

    def _show(self, owner, line):
        self.shown.append(line[4:].strip(b" \t\r\n"))
        if line[3:4] != b"-":
            code = int(line[:3]) if line[:3].isdigit() else -1
            self.last_shown, self.shown = (code, b"\n".join(self.shown)), []
            owner._print_debug("reply: retcode (%s); Msg: %a" % self.last_shown)

    def _write(self, arg, octets, n, timeout_ms, os_errno):
        try:
            owner = self.owner()
            if owner is None:
                return self._failed(SMTPServerDisconnected("Server not connected"), os_errno)
            octets = ctypes.string_at(octets, n)
            if not (self.is_data and self.is_answered):
                try:
                    octets = octets.decode(owner.command_encoding)
                except UnicodeDecodeError:
                    pass
                owner.send(octets)
            elif owner.debuglevel > 0:
                if not self.body:
                    owner._print_debug("data:", self.last_shown)
                self.body.append(octets)
            else:
                owner.send(octets)
            return n
        except BaseException as e:
            return self._failed(e, os_errno)

    def _flush(self, owner):
        if self.body and owner is not None:
            body, self.body = b"".join(self.body), []
            owner.send(body)

    def _starttls(self, arg, server_name):
        try:
            self.unread = b""  # nothing that came in clear is taken for an answer under TLS
            self.on_starttls()
            return 0
        except BaseException as e:
            self.error = e
            return -1

    def _close(self, arg):
        self.is_closed = True
        owner = self.owner()
        if owner is not None and owner._link is self:
            try:
                owner._close_socket()
            except OSError:
                pass  # as good as closed

    # What the SMTP object calls.

    def call(self, function, *args):
        """One call of the library: its enum yz_err. What a callback raised is raised again."""
        with self.lock:
            if self.session is None or self.is_given_up:
                raise SMTPServerDisconnected("please run connect() first")
            if self.depth:
                raise SMTPException("another command is under way on this connection")
            self.depth += 1
            try:
                rc = function(self.session, *args)
            finally:
                self.depth -= 1
            error, self.error = self.error, None
        if self.is_given_up:
            self.finish()
        if error is not None:
            raise error
        return rc

    def exchange(self, said, function, *args):
        """A command of the library's that has a reply: (code, text). `said` is the command for an error."""
        reply = ctypes.POINTER(abi.yz_reply)()
        rc = self.call(function, *args, ctypes.byref(reply))
        return self.result(rc, reply, said)

    def data(self, octets, eol):
        """DATA with that message: (code, text, whether it was asked for by 354)."""
        reply = ctypes.POINTER(abi.yz_reply)()
        self.is_data, self.is_answered, self.body = True, False, []
        try:
            rc = self.call(lib.yz_cmd_data, octets, len(octets), eol, ctypes.byref(reply))
        finally:
            self.is_data = False
        is_final = rc == abi.YZ_OK or (self.session and
                                       lib.yz_error(self.session).contents.phase == abi.YZ_PHASE_FINAL)
        return (*self.result(rc, reply, "data"), is_final)

    def result(self, rc, reply, said=""):
        if rc in _REFUSALS and reply:
            return as_pair(reply)
        if rc == abi.YZ_E_PROTO:  # a code that is none, or a reply out of turn
            return -1, self.last_line[4:].strip(b" \t\r\n")
        self.fail(rc, said)

    def fail(self, rc, said=""):
        """Raise what smtplib would for this enum yz_err."""
        if rc == abi.YZ_E_INVAL:
            if "\r" in said or "\n" in said:
                said = said.replace("\n", "\\n").replace("\r", "\\r")
                raise ValueError("command and arguments contain prohibited newline characters: " + said)
            raise ValueError(self.why())
        if rc == abi.YZ_E_STATE:
            raise SMTPServerDisconnected("please run connect() first")
        if rc in _GONE:
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        if rc == abi.YZ_E_LIMIT:
            raise SMTPResponseException(500, "Line too long.")
        raise SMTPException(self.why())
