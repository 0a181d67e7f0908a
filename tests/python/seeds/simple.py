from common import arguments, sent, smtplib

server, sender, rcpts, message = arguments()
connection = smtplib.SMTP(server)
connection.sendmail(sender, rcpts, message)
connection.quit()
sent(rcpts)
