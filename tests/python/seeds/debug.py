import socket
import sys

from common import arguments, sent, smtplib

server, sender, rcpts, message = arguments()
try:
    connection = smtplib.SMTP(server)
    connection.set_debuglevel(1)
    connection.sendmail(sender, rcpts, message)
except (socket.gaierror, socket.error, socket.herror, smtplib.SMTPException) as e:
    print("Your message may not have been sent!")
    print(e)
    sys.exit(1)
sent(rcpts)
connection.quit()
