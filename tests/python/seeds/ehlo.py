import socket
import sys

from common import arguments, greet, sent, smtplib, too_large

server, sender, rcpts, message = arguments()
try:
    connection = smtplib.SMTP(server)
    greet(connection)
    too_large(connection, message)
    connection.sendmail(sender, rcpts, message)
except (socket.gaierror, socket.error, socket.herror, smtplib.SMTPException) as e:
    print("Your message may not have been sent!")
    print(e)
    sys.exit(1)
sent(rcpts)
connection.quit()
