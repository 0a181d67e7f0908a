"""What the five seed programs share: the module under test, their arguments and their letter."""
import importlib
import os
import sys

smtplib = importlib.import_module(os.environ.get("SMTP_MODULE", "smtplib"))
LETTER = """To: {}
From: {}
Subject: Test Message from simple.py

Hello,

This is a test message sent to you from the simple.py program
in Foundations of Python Network Programming.
"""


def arguments(word="usage"):
    if len(sys.argv) < 4:
        print("%s: %s server fromaddr toaddr [toaddr...]" % (word, sys.argv[0]))
        sys.exit(2)
    server, sender, rcpts = sys.argv[1], sys.argv[2], sys.argv[3:]
    return server, sender, rcpts, LETTER.format(", ".join(rcpts), sender)


def sent(rcpts):
    print("Message sent to %d recipient%s" % (len(rcpts), "" if len(rcpts) == 1 else "s"))


def too_large(connection, message):
    """The program's end when the server says that it takes less."""
    limit = connection.esmtp_features.get("size", "") if connection.does_esmtp else ""
    if limit:
        print("Maximum message size is", limit)
        if len(message) > int(limit):
            print("Message too large; aborting.")
            sys.exit(1)


def greet(connection):
    """EHLO, else HELO; the code of the one that was understood."""
    code = connection.ehlo()[0]
    if not 200 <= code <= 299:
        code = connection.helo()[0]
        if not 200 <= code <= 299:
            print("Remote server refused HELO; code:", code)
            sys.exit(1)
