import socket
import sys

from common import arguments, sent, smtplib

server, sender, rcpts, message = arguments("Syntax")
print("Enter username: ", end="")
user = sys.stdin.readline().strip()
print("Enter password: ", end="")
password = sys.stdin.readline().strip()
try:
    connection = smtplib.SMTP(server)
    try:
        connection.login(user, password)
    except smtplib.SMTPException as e:
        print("Authentication failed:", e)
        sys.exit(1)
    connection.sendmail(sender, rcpts, message)
except (socket.gaierror, socket.error, socket.herror, smtplib.SMTPException) as e:
    print("Your message may not have been sent!")
    print(e)
    sys.exit(1)
sent(rcpts)
connection.quit()
