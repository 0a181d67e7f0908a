#!/usr/bin/env python3
"""The same load as yz_load.c through Python's own smtplib: smtplib_load.py data|new HOST:PORT COUNT SIZE."""

import json
import smtplib
import sys
import time

LINE = 72
FROM, RCPT = "from@source.test", "to@sink.test"


def letter(size):
    head = b"From: <%s>\r\nTo: <%s>\r\nSubject: bench\r\n\r\n" % (FROM.encode(), RCPT.encode())
    lines = (b"X" * (LINE - 2) + b"\r\n") * (size // LINE + 1)
    return (head + lines)[:size - 2] + b"\r\n"


def main():
    mode, address, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    host, _, port = address.rpartition(":")
    text = letter(size)
    began = time.monotonic()
    if mode == "new":
        for _ in range(count):
            with smtplib.SMTP(host, int(port), local_hostname="bench.test") as smtp:
                smtp.sendmail(FROM, [RCPT], text)
    else:
        with smtplib.SMTP(host, int(port), local_hostname="bench.test") as smtp:
            for _ in range(count):
                smtp.sendmail(FROM, [RCPT], text)
    took = time.monotonic() - began
    print(json.dumps({"sent": count, "octets": size, "seconds": took}))


main()
