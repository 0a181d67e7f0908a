"""Mail with libyizhan. yizhan.smtplib is a drop-in for the standard module smtplib."""
