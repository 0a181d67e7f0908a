#!/usr/bin/env python3
"""What examples/01-simple.c to 05-login.c do, with Python's smtplib: the programs that a textbook begins with.

    textbook.py simple|debug|ehlo|tls|login server from to...     (login: user and password from standard input)

With $SSL_CERT_FILE those certificates are trusted.
"""

import smtplib
import socket
import ssl
import sys

MESSAGE = """To: {}
From: {}
Subject: Test Message from simple.py

Hello,

This is a test message sent to you from the simple.py program
in Foundations of Python Network Programming.
"""


def hello(connection):
    code = connection.ehlo()[0]
    if not 200 <= code <= 299:
        code = connection.helo()[0]
        if not 200 <= code <= 299:
            sys.exit("Remote server refused HELO; code: %d" % code)


def tls(connection):
    hello(connection)
    if not connection.has_extn("starttls"):
        sys.exit("no TLS here")
    connection.starttls(context=ssl.create_default_context())
    hello(connection)
    print("Using TLS connection.")


def main():
    what, server, sender, rcpts = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    message = MESSAGE.format(", ".join(rcpts), sender)
    try:
        host, _, port = server.partition(":")  # with both in one, TLS would look for the port in the certificate
        with smtplib.SMTP(host, int(port or 0), timeout=20) as connection:
            if what == "debug":
                connection.set_debuglevel(1)
            if what == "ehlo":
                hello(connection)
                if "size" in connection.esmtp_features:
                    print("Maximum message size is", connection.esmtp_features["size"])
                    if len(message) > int(connection.esmtp_features["size"]):
                        sys.exit("Message too large; aborting.")
            if what in ("tls", "login"):
                tls(connection)
            if what == "login":
                user, password = sys.stdin.read().split()
                try:
                    connection.login(user, password)
                except smtplib.SMTPException as e:
                    sys.exit("Authentication failed: %s" % e)
            connection.sendmail(sender, rcpts, message)
    except (socket.gaierror, OSError, smtplib.SMTPException) as e:
        sys.exit("Your message may not have been sent!\n%s" % e)
    print("Message sent to {} recipient{}".format(len(rcpts), "" if len(rcpts) == 1 else "s"))


main()
