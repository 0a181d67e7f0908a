"""Dovecot for the tests: SASL for Postfix and Exim, LMTP, IMAP and POP3, on loopback, from a temporary directory.

    from dovecot import Dovecot

    with Dovecot(users={"alice@far.test": "secret"}) as dovecot, Postfix("sink", extra=dovecot.for_postfix()) as mta:
        ...
    with DovecotReader(users={...}) as dovecot:
        imaplib.IMAP4(*dovecot.imap)
"""

import os

from peers import (PEERS, Peer, PeerUnavailable, free_port, greeting, in_tree, peer_env, program, read_maildir, self_signed,
                   user_named)

MECHANISMS = "plain login cram-md5 scram-sha-1 scram-sha-256"

CONF = """\
base_dir = {dir}/run
state_dir = {dir}/state
import_environment = LD_LIBRARY_PATH={ld}
log_path = {dir}/dovecot.log
auth_verbose = yes
hostname = dovecot.test
instance_name = {name}
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
protocols = {protocols}
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
auth_failure_delay = 0
auth_username_format = %Lu
# one listener for SASL: the tests log in through an MTA, which is trusted with the passwords
service auth {{
  unix_listener {dir}/auth {{
    mode = 0666
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
  unix_listener {dir}/lmtp {{
    mode = 0666
  }}
  client_limit = 1
}}
# an address with wrong passwords would wait longer and longer, the next test's too
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {dir}/users
}}
userdb {{
  driver = passwd-file
  args = {dir}/users
  default_fields = uid={uid} gid={gid} home={dir}/mail/%Lu
}}
mail_location = {location}
first_valid_uid = 1
first_valid_gid = 1
quota_full_tempfail = no
protocol lmtp {{
  mail_plugins = quota
}}
plugin {{
  quota = maildir:room
}}
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
{extra}
"""


class Dovecot(Peer):
    """auth and lmtp of Dovecot.

    users  {address: password}: who may log in, and whom LMTP delivers to
    full   addresses whose mailboxes have no room (told after the message: 552)
    extra  lines of dovecot.conf
    """

    name = "dovecot"
    protocols = "lmtp"
    location = "maildir:~/Maildir"
    certified = "dovecot.test"

    def __init__(self, users, full=(), mechanisms=MECHANISMS, extra="", **kw):
        super().__init__(**kw)
        self.users, self.full, self.mechanisms, self.extra = dict(users), tuple(full), mechanisms, extra

    def setup(self):
        if os.geteuid() != 0:
            raise PeerUnavailable("Dovecot's master process runs as root only")
        for name in ("dovecot", "dovenull"):
            user_named(name)
        owner = user_named("nobody")
        for sub in ("run", "state", "mail"):
            os.mkdir(self.path(sub), 0o755)
        os.chown(self.path("mail"), owner.pw_uid, owner.pw_gid)
        with open(self.path("users"), "w") as f:
            for name, word in self.users.items():
                quota = "userdb_quota_rule=*:bytes=100" if name in self.full else ""
                f.write("%s:{PLAIN}%s:%d:%d::%s/mail/%s::%s\n" % (name, word, owner.pw_uid, owner.pw_gid, self.directory,
                                                              name, quota))
        cert, key = self_signed(self.directory, self.certified)
        with open(self.path("dovecot.conf"), "w") as f:
            f.write(CONF.format(dir=self.directory, ld=peer_env()["LD_LIBRARY_PATH"],
                                name=os.path.basename(self.directory), mechanisms=self.mechanisms, port=self.port,
                                protocols=self.protocols, location=self.location,
                                cert=cert, key=key, uid=owner.pw_uid, gid=owner.pw_gid, extra=self.extra))

    def command(self):
        program("usr/sbin/dovecot")
        return in_tree(PEERS, ["/usr/sbin/dovecot", "-F", "-c", self.path("dovecot.conf")])

    def is_up(self):
        return super().is_up() and os.path.exists(self.path("auth"))

    def log_files(self):
        return [self.path("stderr"), self.path("dovecot.log")]

    def for_postfix(self):
        """Settings of main.cf that let Postfix ask this Dovecot."""
        return {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": self.path("auth"),
                "smtpd_sasl_security_options": "noanonymous", "broken_sasl_auth_clients": "no"}

    def messages(self, address):
        return read_maildir(self.path("mail", address, "Maildir"))


READING = """\
service imap-login {{
  process_min_avail = 1
  # one for each session under TLS: it stays between the client and the mailbox
  process_limit = 1300
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    address = 127.0.0.1
    port = {pop3}
  }}
  inet_listener pop3s {{
    address = 127.0.0.1
    port = {pop3s}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 1300
}}
service pop3 {{
  process_limit = 200
}}
mail_max_userip_connections = 0
mail_fsync = {fsync}
mail_attribute_dict = file:%h/attributes
mailbox_list_index = yes
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = create
  }}
}}
namespace others {{
  type = shared
  separator = /
  prefix = Other Users/%%u/
  location = {shared}
  subscriptions = no
  list = children
}}
mail_plugins = quota {plugins}
protocol imap {{
  mail_plugins = quota imap_quota {plugins} {imap_plugins}
  imap_metadata = yes
}}
plugin {{
  quota_rule = *:storage=10G
  {acl}
}}
{more}
"""


class DovecotReader(Dovecot):
    """The same with IMAP and POP3.

    store    "maildir" or "sdbox"
    fsync    of mail_fsync: "optimized" is Dovecot's default, "always" the durable one
    acl      with access lists and shared mailboxes
    """

    name = "dovecot"
    protocols = "lmtp imap pop3"
    certified = "localhost"

    def __init__(self, users, store="maildir", fsync="optimized", acl=True, more="", **kw):
        super().__init__(users, **kw)
        self.store, self.fsync, self.is_acl, self.more = store, fsync, acl, more
        self.location = {"maildir": "maildir:~/Maildir", "sdbox": "sdbox:~/sdbox"}[store]

    def setup(self):
        self.ports = {name: free_port() for name in ("imap", "imaps", "pop3", "pop3s")}
        there = {"maildir": "maildir:%%h/Maildir", "sdbox": "sdbox:%%h/sdbox"}[self.store]
        self.extra += READING.format(
            fsync=self.fsync, shared=there, plugins="acl" if self.is_acl else "", more=self.more,
            imap_plugins="imap_acl imap_zlib zlib" if self.is_acl else "",
            acl="acl = vfile\n  acl_shared_dict = file:%s" % self.path("mail", "shared") if self.is_acl else "",
            **self.ports)
        super().setup()

    def is_up(self):
        return super().is_up() and bool(greeting(self.imap, 2))

    @property
    def imap(self):
        return (self.address[0], self.ports["imap"])

    @property
    def imaps(self):
        return (self.address[0], self.ports["imaps"])

    @property
    def pop3(self):
        return (self.address[0], self.ports["pop3"])

    @property
    def pop3s(self):
        return (self.address[0], self.ports["pop3s"])
