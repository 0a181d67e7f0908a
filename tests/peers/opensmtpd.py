"""OpenSMTPD for the tests, on loopback, from a temporary directory.

    from opensmtpd import OpenSMTPD

    with OpenSMTPD(boxes=["alice@far.test"]) as server:
        server.messages("alice@far.test")

Debian 12's OpenSMTPD (6.8.0p2, with OpenSSL 3) offers STARTTLS and fails in every handshake, with RSA and P-256 keys, TLS
1.2 and 1.3 (its issues 1171 and 1239), and it has no AUTH without TLS: it is a peer in clear.

It looks for its spool, its socket and its parts at fixed places: it sees the unpacked tree and directories of its own
there, and nobody else does. Root only.
"""

import os

from peers import PEERS, Peer, PeerUnavailable, program, read_maildir, self_signed, user_named

TREE = os.path.join(PEERS, "opensmtpd")
CONF = """\
pki far cert "{cert}"
pki far key "{key}"
table boxes {{ {boxes} }}
smtp max-message-size {size}
listen on 127.0.0.1 port {port} hostname smtpd.test tls pki far
action "store" maildir "{dir}/mail/%{{rcpt}}" virtual <boxes>
match from any for domain "far.test" action "store"
"""
# what the server's mount namespace has: /usr with its tree, and three places of its own
NAMESPACE = """\
mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr &&
mount --bind "$2/var-lib" /var/lib && mount --bind "$2/spool" /var/spool && mount --bind "$2/run" /run && shift 2 && exec "$@"
"""


class OpenSMTPD(Peer):
    """OpenSMTPD that delivers into one Maildir a recipient.

    boxes  addresses that there are; all others are refused
    size   the largest message it takes
    """

    name = "opensmtpd"

    def __init__(self, boxes, size=20000, **kw):
        super().__init__(**kw)
        self.boxes, self.size = tuple(boxes), size

    def setup(self):
        if os.geteuid() != 0:
            raise PeerUnavailable("OpenSMTPD runs as root only")
        program("opensmtpd/usr/sbin/smtpd")
        for name in ("opensmtpd", "opensmtpq"):
            user_named(name)
        owner = user_named("nobody")
        for sub in ("var-lib/opensmtpd/empty", "spool", "run", "mail"):
            os.makedirs(self.path(sub), 0o755)
        os.makedirs(self.path("spool/smtpd"), 0o711)
        os.chown(self.path("mail"), owner.pw_uid, owner.pw_gid)
        cert, key = self_signed(self.directory, "smtpd.test")
        with open(self.path("smtpd.conf"), "w") as f:
            f.write(CONF.format(cert=cert, key=key, dir=self.directory, port=self.port, size=self.size,
                                boxes=", ".join('"%s" = nobody' % a for a in self.boxes)))

    def command(self):
        return ["unshare", "--mount", "--", "sh", "-c", NAMESPACE, "sh", TREE, self.directory,
                "/usr/sbin/smtpd", "-d", "-f", self.path("smtpd.conf")]

    def messages(self, address):
        return read_maildir(self.path("mail", address))
