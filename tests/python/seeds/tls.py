import socket
import ssl
import sys

from common import arguments, greet, sent, smtplib

server, sender, rcpts, message = arguments("Syntax")
try:
    connection = smtplib.SMTP(server)
    greet(connection)
    if connection.has_extn("starttls"):
        print("Negotiating TLS....")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection.starttls(context=context)
        if not 200 <= connection.ehlo()[0] <= 299:
            print("Couldn't EHLO after STARTTLS")
            sys.exit(5)
        print("Using TLS connection.")
    else:
        print("Server does not support TLS; using normal connection.")
    connection.sendmail(sender, rcpts, message)
except (socket.gaierror, socket.error, socket.herror, smtplib.SMTPException) as e:
    print("Your message may not have been sent!")
    print(e)
    sys.exit(1)
sent(rcpts)
connection.quit()
