"""The exceptions of smtplib: the standard module's own, so that `except smtplib.SMTPException` means the same
whichever of the two modules a program's parts import. Where there is no standard smtplib they are made here."""
__all__ = ["SMTPException", "SMTPNotSupportedError", "SMTPServerDisconnected", "SMTPResponseException",
           "SMTPSenderRefused", "SMTPRecipientsRefused", "SMTPDataError", "SMTPConnectError", "SMTPHeloError",
           "SMTPAuthenticationError"]

try:
    from smtplib import (SMTPAuthenticationError, SMTPConnectError, SMTPDataError, SMTPException, SMTPHeloError,
                         SMTPNotSupportedError, SMTPRecipientsRefused, SMTPResponseException, SMTPSenderRefused,
                         SMTPServerDisconnected)
except ImportError:
    class SMTPException(OSError):
        """Whatever goes wrong with mail."""

    class SMTPNotSupportedError(SMTPException):
        """The server does not offer what this needs."""

    class SMTPServerDisconnected(SMTPException):
        """There is no connection, or no longer."""

    class SMTPResponseException(SMTPException):
        """A reply that refuses: smtp_code and smtp_error."""

        def __init__(self, code, msg):
            self.smtp_code, self.smtp_error = code, msg
            self.args = (code, msg)

    class SMTPSenderRefused(SMTPResponseException):
        """MAIL was refused, for `sender`."""

        def __init__(self, code, msg, sender):
            super().__init__(code, msg)
            self.sender = sender
            self.args = (code, msg, sender)

    class SMTPRecipientsRefused(SMTPException):
        """Every RCPT was refused: recipients is {address: (code, text)}."""

        def __init__(self, recipients):
            self.recipients = recipients
            self.args = (recipients,)

    class SMTPDataError(SMTPResponseException):
        """The message was refused."""

    class SMTPConnectError(SMTPResponseException):
        """The greeting is not 220."""

    class SMTPHeloError(SMTPResponseException):
        """EHLO and HELO were refused."""

    class SMTPAuthenticationError(SMTPResponseException):
        """Login failed."""
