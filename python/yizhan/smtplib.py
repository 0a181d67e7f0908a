"""A drop-in for the standard module smtplib over libyizhan.

    import yizhan.smtplib as smtplib

Python makes the socket, as the standard module does, and keeps the names, attributes, exceptions and debug
output that programs know; the conversation itself (commands and their encoding, replies, capabilities, AUTH,
STARTTLS, the body and its dots) is the library's. What differs:

- A reply that breaks the protocol, and 421, end the connection at once.
- LMTP reads the reply of each recipient behind the message (RFC 2033 section 4.2).
- NUL in a command is refused like CR and LF. User names and passwords may be any UTF-8."""
import copy
import ctypes
import datetime
import email.generator
import email.message
import email.utils
import hmac
import io
import re
import socket
import sys

from . import _errors
from ._errors import *  # noqa: F403: the same names as in the standard module
from ._errors import (SMTPAuthenticationError, SMTPConnectError, SMTPDataError, SMTPException, SMTPHeloError,
                      SMTPNotSupportedError, SMTPRecipientsRefused, SMTPResponseException, SMTPSenderRefused,
                      SMTPServerDisconnected)
from ._lib import abi, lib
from ._link import Link

try:
    import ssl
except ImportError:
    _have_ssl = False
else:
    _have_ssl = True

__all__ = _errors.__all__ + ["quoteaddr", "quotedata", "SMTP"]

SMTP_PORT = 25
SMTP_SSL_PORT = 465
LMTP_PORT = 2003
CRLF = "\r\n"
bCRLF = b"\r\n"
_MAXLINE = 8192      # octets of a line of a reply
_MAXCHALLENGE = 5    # of a login


def _text_of(pointer, n=None):
    """Text that the library gives away, and its memory back to it."""
    try:
        return (ctypes.string_at(pointer) if n is None else ctypes.string_at(pointer, n)).decode("utf-8",
                                                                                                "surrogateescape")
    finally:
        lib.yz_free(pointer)


def quoteaddr(addrstring):
    """The address of "Name <a@b>" or "a@b" between angle brackets."""
    quoted = None if "\0" in addrstring else lib.yz_quote_address(addrstring.encode("utf-8", "surrogateescape"))
    if quoted:
        return _text_of(quoted)
    if addrstring.strip().startswith("<"):
        return addrstring
    return "<%s>" % addrstring


def _addr_only(addrstring):
    quoted = quoteaddr(addrstring)
    return quoted[1:-1] if quoted.startswith("<") and quoted.endswith(">") else quoted


def _fix_eols(data):
    return re.sub(r"\r\n|\r|\n", CRLF, data)


def quotedata(data):
    """Text as DATA wants it: CRLF at the ends of lines, a dot at a line's start doubled."""
    octets, n = data.encode("utf-8", "surrogateescape"), ctypes.c_size_t()
    quoted = lib.yz_quote_data(octets, len(octets), ctypes.byref(n))
    if not quoted:
        raise ValueError("cannot be sent by DATA")
    return _text_of(quoted, n.value)


class SMTP:
    """A connection to an SMTP server.

    helo_resp, ehlo_resp: text of the last answer to HELO and EHLO, None before; does_esmtp: EHLO was understood;
    esmtp_features: {keyword in lower case: parameters} of EHLO; local_hostname: the name said in both;
    sock, timeout, source_address, debuglevel, command_encoding."""

    debuglevel = 0
    sock = None
    file = None
    helo_resp = None
    ehlo_msg = "ehlo"
    ehlo_resp = None
    does_esmtp = False
    default_port = SMTP_PORT
    _link = None

    def __init__(self, host='', port=0, local_hostname=None, timeout=socket._GLOBAL_DEFAULT_TIMEOUT,
                 source_address=None):
        """Connects when there is a host; SMTPConnectError when it does not greet with 220."""
        self._host = host
        self.timeout = timeout
        self.esmtp_features = {}
        self.command_encoding = 'ascii'
        self.source_address = source_address
        self._auth_challenge_count = 0
        if host:
            code, msg = self.connect(host, port)
            if code != 220:
                self.close()
                raise SMTPConnectError(code, msg)
        self.local_hostname = self._own_name() if local_hostname is None else local_hostname

    @staticmethod
    def _own_name():
        """RFC 5321 section 4.1.3: a name with a dot, else the address as a literal."""
        name = socket.getfqdn()
        if '.' in name:
            return name
        address = '127.0.0.1'
        try:
            address = socket.gethostbyname(socket.gethostname())
        except socket.gaierror:
            pass
        return '[%s]' % address

    def __enter__(self):
        return self

    def __exit__(self, *args):
        try:
            code, message = self.docmd("QUIT")
            if code != 221:
                raise SMTPResponseException(code, message)
        except SMTPServerDisconnected:
            pass
        finally:
            self.close()

    def set_debuglevel(self, debuglevel):
        """1: the conversation on stderr; 2: with the time."""
        self.debuglevel = debuglevel

    def _print_debug(self, *args):
        if self.debuglevel > 1:
            print(datetime.datetime.now().time(), *args, file=sys.stderr)
        else:
            print(*args, file=sys.stderr)

    # The connection

    def _get_socket(self, host, port, timeout):
        if timeout is not None and not timeout:
            raise ValueError('Non-blocking socket (timeout=0) is not supported')
        if self.debuglevel > 0:
            self._print_debug('connect: to', (host, port), self.source_address)
        return socket.create_connection((host, port), timeout, self.source_address)

    def connect(self, host='localhost', port=0, source_address=None):
        """Connect to a host, or "host:port", and read its greeting: (code, text)."""
        if source_address:
            self.source_address = source_address
        if not port and host.count(':') == 1:
            host, port = host.split(':')
            try:
                port = int(port)
            except ValueError:
                raise OSError("nonnumeric port")
        if not port:
            port = self.default_port
        sys.audit("smtplib.connect", self, host, port)
        self._take(self._get_socket(host, port, self.timeout))
        code, msg = self.getreply()
        if self.debuglevel > 0:
            self._print_debug('connect:', repr(msg))
        return code, msg

    def _take(self, sock):
        """A new socket: what the library knows of the last one is over."""
        link, self._link = self._link, None
        if link is not None:
            link.finish()
        self.sock = sock
        self.file = None

    def _linked(self):
        """The library's side of the connection there is."""
        if self.sock is None:
            raise SMTPServerDisconnected('please run connect() first')
        if self._link is None or self._link.is_closed:
            self._link = Link(self, self._host, self.ehlo_msg.lower() == "lhlo", _MAXLINE)
        return self._link

    def _close_socket(self):
        try:
            file, self.file = self.file, None
            if file:
                file.close()
        finally:
            sock, self.sock = self.sock, None
            if sock:
                sock.close()

    def close(self):
        """Close the connection without a word."""
        try:
            self._close_socket()
        finally:
            link, self._link = self._link, None
            if link is not None:
                link.finish()

    def quit(self):
        """QUIT, and close: (code, text)."""
        res = self.docmd("quit")
        self._forget()
        self.close()
        return res

    def _forget(self):
        """RFC 3207 section 4.2, and the end of a session: nothing is known of the server."""
        self.ehlo_resp = self.helo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    # Commands and replies

    def send(self, s):
        """Octets to the socket, as they are; whatever the library sends goes through here."""
        if self.debuglevel > 0:
            self._print_debug('send:', repr(s))
        if not self.sock:
            raise SMTPServerDisconnected('please run connect() first')
        if isinstance(s, str):
            s = s.encode(self.command_encoding)
        sys.audit("smtplib.send", self, s)
        try:
            self.sock.sendall(s)
        except OSError:
            self.close()
            raise SMTPServerDisconnected('Server not connected')

    def _encoded(self, text, said):
        """For the library, whose strings end at NUL."""
        octets = text.encode(self.command_encoding)
        if b"\0" in octets:
            raise ValueError("command and arguments contain a NUL: %r" % said)
        return octets

    def _words(self, cmd, args):
        said = cmd if args == "" else f'{cmd} {args}'
        verb, blank, rest = said.partition(" ")
        return said, self._encoded(verb, said), self._encoded(rest, said) if blank else None

    def putcmd(self, cmd, args=""):
        """Send a command."""
        said, verb, rest = self._words(cmd, args)
        link = self._linked()
        rc = link.call(lib.yz_put, verb, rest)
        if rc != abi.YZ_OK:
            link.fail(rc, said)

    def getreply(self):
        """Read a reply: (code, text), lines joined by LF; code -1 when it is none."""
        link = self._linked()
        if link.is_greeted:
            return link.exchange("", lib.yz_get_reply)
        link.is_greeted = True
        rc = link.call(lib.yz_greeting)
        return link.result(rc, lib.yz_greeting_reply(link.session) or lib.yz_error(link.session).contents.reply)

    def docmd(self, cmd, args=""):
        """Send a command and read its reply."""
        said, verb, rest = self._words(cmd, args)
        return self._linked().exchange(said, lib.yz_cmd, verb, rest)

    def _verb(self, function, said, *args):
        return self._linked().exchange(said, function, *(self._encoded(a, said) if a else None for a in args))

    def helo(self, name=''):
        """HELO."""
        name = name or self.local_hostname
        code, msg = self._verb(lib.yz_helo, f"helo {name}", name)
        self.helo_resp = msg
        return code, msg

    def ehlo(self, name=''):
        """EHLO; what is offered goes to esmtp_features."""
        self.esmtp_features = {}
        name = name or self.local_hostname
        code, msg = self._verb(lib.yz_ehlo, f"{self.ehlo_msg} {name}", name)
        if code == -1 and len(msg) == 0:
            self.close()
            raise SMTPServerDisconnected("Server not connected")
        self.ehlo_resp = msg
        if code != 250:
            return code, msg
        self.does_esmtp = True
        self.esmtp_features = self._offered(self._link)
        return code, msg

    @staticmethod
    def _offered(link):
        offered, i, params = {}, 0, ctypes.c_char_p()
        while link is not None and link.session:
            keyword = lib.yz_cap_at(link.session, i, ctypes.byref(params))
            if keyword is None:
                break
            name = keyword.decode("latin-1").lower()
            value = (params.value or b"").decode("latin-1")
            if name == "auth":  # both spellings of it in one, with the blank in front that programs know
                value = " " + (lib.yz_cap(link.session, b"AUTH") or b"").decode("latin-1")
            offered[name] = value
            i += 1
        return offered

    def has_extn(self, opt):
        """Was that keyword offered?"""
        return opt.lower() in self.esmtp_features

    def help(self, args=''):
        """HELP: its text."""
        return self._verb(lib.yz_help, f"help {args}", args)[1]

    def rset(self):
        """RSET."""
        self.command_encoding = 'ascii'
        return self.docmd("rset")

    def _rset(self):
        """After a refusal: a lost connection is told by the next command."""
        try:
            self.rset()
        except SMTPServerDisconnected:
            pass

    def noop(self):
        """NOOP."""
        return self.docmd("noop")

    def _path(self, function, verb, address, options):
        options = ' '.join(options) if options and self.does_esmtp else ''
        quoted = quoteaddr(address)
        said = f"{verb}{quoted} {options}" if options else f"{verb}{quoted}"
        if quoted.startswith("<") and quoted.endswith(">"):
            path = self._encoded(quoted[1:-1], said)
            return self._linked().exchange(said, function, path, self._encoded(options, said) if options else None)
        return self.docmd(*said.split(" ", 1))  # a path with something behind it, as it was given

    def mail(self, sender, options=()):
        """MAIL FROM; SMTPNotSupportedError when SMTPUTF8 is asked for and not offered."""
        if options and self.does_esmtp and any(x.lower() == 'smtputf8' for x in options):
            if not self.has_extn('smtputf8'):
                raise SMTPNotSupportedError('SMTPUTF8 not supported by server')
            self.command_encoding = 'utf-8'
        return self._path(lib.yz_cmd_mail, "mail FROM:", sender, options)

    def rcpt(self, recip, options=()):
        """RCPT TO."""
        return self._path(lib.yz_cmd_rcpt, "rcpt TO:", recip, options)

    def data(self, msg):
        """DATA and the message: the final reply. str: line ends are made CRLF; bytes go as they are. Dots are
        doubled. SMTPDataError when DATA is not answered by 354."""
        eol = abi.YZ_EOL_KEEP
        if isinstance(msg, str):
            msg, eol = msg.encode('ascii'), abi.YZ_EOL_FIX
        code, text, was_begun = self._linked().data(bytes(msg), eol)
        if self.debuglevel > 0:
            self._print_debug('data:', (code, text))
        if not was_begun:
            raise SMTPDataError(code, text)
        return code, text

    def verify(self, address):
        """VRFY."""
        return self._verb(lib.yz_vrfy, f"vrfy {address}", _addr_only(address))
    vrfy = verify

    def expn(self, address):
        """EXPN."""
        return self._verb(lib.yz_expn, f"expn {address}", _addr_only(address))

    def ehlo_or_helo_if_needed(self):
        """EHLO, or HELO where that is refused, unless one was said."""
        if self.helo_resp is None and self.ehlo_resp is None:
            if not 200 <= self.ehlo()[0] <= 299:
                code, resp = self.helo()
                if not 200 <= code <= 299:
                    raise SMTPHeloError(code, resp)

    # Login

    def auth(self, mechanism, authobject, *, initial_response_ok=True):
        """AUTH: `authobject(challenge)` gives the answer to each challenge (bytes), `authobject()` the initial
        response or None."""
        mechanism = mechanism.upper()
        initial = authobject() if initial_response_ok else None
        self._auth_challenge_count = 0 if initial is None else 1
        link = self._linked()

        def step(arg, challenge, challenge_len, out, n):
            try:
                if challenge is None:
                    if initial is None:
                        return -1
                    answer = initial
                else:
                    given = ctypes.string_at(challenge, challenge_len)
                    self._auth_challenge_count += 1
                    if self._auth_challenge_count > _MAXCHALLENGE:
                        raise SMTPException("Server AUTH mechanism infinite loop. Last response: " +
                                            repr((334, given)))
                    answer = authobject(given)
                octets = answer.encode('utf-8')
                if len(octets) > n[0]:
                    raise ValueError("the answer to a challenge is too long")
                ctypes.memmove(out, octets, len(octets))
                n[0] = len(octets)
                return 0
            except BaseException as e:
                link.error = e
                return -1

        rc = link.call(lib.yz_auth, self._encoded(mechanism, mechanism), abi.yz_sasl_fn(step), None)
        if link.session is None:
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        reply = lib.yz_auth_reply(link.session)
        if rc == abi.YZ_OK:
            return link.result(rc, reply)
        if rc == abi.YZ_E_AUTH and reply:
            raise SMTPAuthenticationError(*link.result(rc, reply))
        link.fail(rc, "AUTH " + mechanism)

    def auth_cram_md5(self, challenge=None):
        """CRAM-MD5 for auth(), with self.user and self.password."""
        if challenge is None:
            return None
        return self.user + " " + hmac.HMAC(self.password.encode('utf-8'), challenge, 'md5').hexdigest()

    def auth_plain(self, challenge=None):
        """PLAIN for auth()."""
        return "\0%s\0%s" % (self.user, self.password)

    def auth_login(self, challenge=None):
        """LOGIN for auth(): whatever the prompts say, first the user, then the password."""
        if challenge is None or self._auth_challenge_count < 2:
            return self.user
        return self.password

    def login(self, user, password, *, initial_response_ok=True):
        """Log in by CRAM-MD5, PLAIN or LOGIN, the first of these that is offered and works."""
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("auth"):
            raise SMTPNotSupportedError("SMTP AUTH extension not supported by server.")
        offered = self.esmtp_features["auth"].split()
        mechanisms = [m for m in ('CRAM-MD5', 'PLAIN', 'LOGIN') if m in offered]
        if not mechanisms:
            raise SMTPException("No suitable authentication method found.")
        self.user, self.password = user, password
        for mechanism in mechanisms:
            try:
                return self.auth(mechanism, getattr(self, 'auth_' + mechanism.lower().replace('-', '_')),
                                 initial_response_ok=initial_response_ok)
            except SMTPAuthenticationError as e:
                last = e
        raise last

    def starttls(self, keyfile=None, certfile=None, context=None):
        """STARTTLS, with Python's own TLS over the socket; afterwards nothing said before counts."""
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("starttls"):
            raise SMTPNotSupportedError("STARTTLS extension not supported by server.")
        if not _have_ssl:
            raise RuntimeError("No SSL support included in this Python")
        context = _tls_context(keyfile, certfile, context, 3)
        link = self._linked()

        def wrap():
            self.sock = context.wrap_socket(self.sock, server_hostname=self._host)
            self.file = None
        link.on_starttls = wrap
        code, text = link.exchange("STARTTLS", lib.yz_cmd_starttls)
        if code != 220:
            raise SMTPResponseException(code, text)
        self._forget()
        return code, text

    # Messages

    def sendmail(self, from_addr, to_addrs, msg, mail_options=(), rcpt_options=()):
        """One message: {address: (code, text)} of the recipients that were refused.

        str is ASCII and gets CRLF line ends, bytes go as they are. SMTPSenderRefused, SMTPRecipientsRefused
        (all of them, or 421), SMTPDataError, SMTPHeloError, SMTPNotSupportedError."""
        self.ehlo_or_helo_if_needed()
        options = []
        if isinstance(msg, str):
            msg = _fix_eols(msg).encode('ascii')
        if self.does_esmtp:
            if self.has_extn('size'):
                options.append("size=%d" % len(msg))
            options += mail_options
        code, resp = self.mail(from_addr, options)
        if code != 250:
            self._after_refusal(code)
            raise SMTPSenderRefused(code, resp, from_addr)
        refused, accepted = {}, []
        if isinstance(to_addrs, str):
            to_addrs = [to_addrs]
        for each in to_addrs:
            code, resp = self.rcpt(each, rcpt_options)
            if code in (250, 251):
                accepted.append(each)
                continue
            refused[each] = (code, resp)
            if code == 421:
                self.close()
                raise SMTPRecipientsRefused(refused)
        if len(refused) == len(to_addrs):
            self._rset()
            raise SMTPRecipientsRefused(refused)
        self._last_replies(self.data(msg), accepted, refused)
        return refused

    def _after_refusal(self, code):
        if code == 421:
            self.close()
        else:
            self._rset()

    def _last_replies(self, reply, accepted, refused):
        if reply[0] != 250:
            self._after_refusal(reply[0])
            raise SMTPDataError(*reply)

    def send_message(self, msg, from_addr=None, to_addrs=None, mail_options=(), rcpt_options=()):
        """An email.message.Message, to the addresses in it where none are given: Sender or From; To, Cc and Bcc;
        of one block of Resent fields those instead. Bcc does not travel. A non-ASCII address needs SMTPUTF8."""
        self.ehlo_or_helo_if_needed()
        resent = msg.get_all('Resent-Date')
        if resent is not None and len(resent) != 1:
            # which of several blocks is the last cannot be told
            raise ValueError("message has more than one 'Resent-' header block")
        prefix = 'Resent-' if resent else ''
        if from_addr is None:
            field = prefix + 'Sender' if prefix + 'Sender' in msg else prefix + 'From'
            from_addr = email.utils.getaddresses([msg[field]])[0][1]
        if to_addrs is None:
            fields = [msg[prefix + name] for name in ('To', 'Bcc', 'Cc')]
            to_addrs = [a[1] for a in email.utils.getaddresses([f for f in fields if f is not None])]
        sent = copy.copy(msg)
        del sent['Bcc']
        del sent['Resent-Bcc']
        is_international = not ''.join([from_addr, *to_addrs]).isascii()
        if is_international:
            if not self.has_extn('smtputf8'):
                raise SMTPNotSupportedError("One or more source or delivery addresses require internationalized "
                                            "email support, but the server does not advertise the required "
                                            "SMTPUTF8 capability")
            mail_options = (*mail_options, 'SMTPUTF8', 'BODY=8BITMIME')
        with io.BytesIO() as octets:
            policy = {'policy': msg.policy.clone(utf8=True)} if is_international else {}
            email.generator.BytesGenerator(octets, **policy).flatten(sent, linesep='\r\n')
            flat = octets.getvalue()
        return self.sendmail(from_addr, to_addrs, flat, mail_options, rcpt_options)


def _tls_context(keyfile, certfile, context, stack):
    if context is not None and keyfile is not None:
        raise ValueError("context and keyfile arguments are mutually exclusive")
    if context is not None and certfile is not None:
        raise ValueError("context and certfile arguments are mutually exclusive")
    if keyfile is not None or certfile is not None:
        import warnings
        warnings.warn("keyfile and certfile are deprecated, use a custom context instead", DeprecationWarning, stack)
    return ssl._create_stdlib_context(certfile=certfile, keyfile=keyfile) if context is None else context


if _have_ssl:

    class SMTP_SSL(SMTP):
        """SMTP over TLS from the first octet (port 465)."""

        default_port = SMTP_SSL_PORT

        def __init__(self, host='', port=0, local_hostname=None, keyfile=None, certfile=None,
                     timeout=socket._GLOBAL_DEFAULT_TIMEOUT, source_address=None, context=None):
            self.context = _tls_context(keyfile, certfile, context, 3)
            self.keyfile = keyfile
            self.certfile = certfile
            SMTP.__init__(self, host, port, local_hostname, timeout, source_address)

        def _get_socket(self, host, port, timeout):
            if self.debuglevel > 0:
                self._print_debug('connect:', (host, port))
            return self.context.wrap_socket(super()._get_socket(host, port, timeout), server_hostname=self._host)

    __all__.append("SMTP_SSL")


class LMTP(SMTP):
    """The protocol of local delivery (RFC 2033), by TCP or, where the host begins with "/", a Unix socket."""

    ehlo_msg = "lhlo"

    def __init__(self, host='', port=LMTP_PORT, local_hostname=None, source_address=None,
                 timeout=socket._GLOBAL_DEFAULT_TIMEOUT):
        super().__init__(host, port, local_hostname=local_hostname, source_address=source_address, timeout=timeout)

    def connect(self, host='localhost', port=0, source_address=None):
        """Connect and read the greeting."""
        if host[0] != '/':
            return super().connect(host, port, source_address=source_address)
        if self.timeout is not None and not self.timeout:
            raise ValueError('Non-blocking socket (timeout=0) is not supported')
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self.timeout is not socket._GLOBAL_DEFAULT_TIMEOUT:
                sock.settimeout(self.timeout)
            sock.connect(host)
        except OSError:
            if self.debuglevel > 0:
                self._print_debug('connect fail:', host)
            sock.close()
            self._take(None)
            raise
        self._take(sock)
        code, msg = self.getreply()
        if self.debuglevel > 0:
            self._print_debug('connect:', msg)
        return code, msg

    def _last_replies(self, reply, accepted, refused):
        """RFC 2033 section 4.2: one for each recipient that was accepted, in their order."""
        replies = [reply]
        while len(replies) < len(accepted):
            replies.append(self.getreply())
        failed = {each: r for each, r in zip(accepted, replies) if r[0] != 250}
        if len(failed) == len(set(accepted)):
            self._after_refusal(replies[-1][0])
            raise SMTPDataError(*replies[-1])
        refused.update(failed)
