"""The declarations of include/yizhan.h for ctypes. Made by tools/python-abi: do not edit."""
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_int, c_int32, c_int64,
                    c_long, c_longlong, c_size_t, c_ubyte, c_uint, c_uint16, c_uint32, c_uint64, c_ulong, c_void_p)

# enum yz_err
YZ_OK = 0
YZ_E_INVAL = 1
YZ_E_STATE = 2
YZ_E_RESOLVE = 3
YZ_E_CONNECT = 4
YZ_E_TIMEOUT = 5
YZ_E_CLOSED = 6
YZ_E_PROTO = 7
YZ_E_TLS = 8
YZ_E_TLS_VERIFY = 9
YZ_E_GREETING = 10
YZ_E_HELO = 11
YZ_E_AUTH = 12
YZ_E_NOTSUPP = 13
YZ_E_SIZE = 14
YZ_E_SENDER = 15
YZ_E_RCPTS = 16
YZ_E_DATA = 17
YZ_E_REPLY = 18
YZ_E_SOURCE = 19
YZ_E_UNKNOWN = 20
YZ_E_SYSTEM = 21
YZ_E_CANCELLED = 22
YZ_E_LIMIT = 23
YZ_E_AGAIN = 24

# enum yz_phase
YZ_PHASE_NONE = 0
YZ_PHASE_RESOLVE = 1
YZ_PHASE_CONNECT = 2
YZ_PHASE_PROXY = 3
YZ_PHASE_TLS = 4
YZ_PHASE_GREETING = 5
YZ_PHASE_HELLO = 6
YZ_PHASE_AUTH = 7
YZ_PHASE_MAIL = 8
YZ_PHASE_RCPT = 9
YZ_PHASE_DATA = 10
YZ_PHASE_BODY = 11
YZ_PHASE_FINAL = 12
YZ_PHASE_RSET = 13
YZ_PHASE_QUIT = 14
YZ_PHASE_COMMAND = 15

# enum yz_tls_policy
YZ_TLS_DEFAULT = 0
YZ_TLS_NEVER = 1
YZ_TLS_OPTIONAL = 2
YZ_TLS_REQUIRED = 3

# enum yz_verify
YZ_VERIFY_DEFAULT = 0
YZ_VERIFY_YES = 1
YZ_VERIFY_NO = 2

# enum yz_flag
YZ_NO_PIPELINING = 1
YZ_NO_CHUNKING = 2
YZ_NO_8BITMIME = 4
YZ_NO_SMTPUTF8 = 8
YZ_NO_DSN = 16
YZ_NO_SIZE = 32
YZ_NO_RSET = 64
YZ_ALLOW_CLEAR_AUTH = 128
YZ_NO_EHLO = 256
YZ_NO_AUTH = 512

# enum yz_eol
YZ_EOL_FIX = 0
YZ_EOL_STRICT = 1
YZ_EOL_BINARY = 2
YZ_EOL_KEEP = 3

# enum yz_body_type
YZ_BODY_AUTO = 0
YZ_BODY_7BIT = 1
YZ_BODY_8BITMIME = 2
YZ_BODY_BINARYMIME = 3

# enum yz_ret
YZ_RET_NONE = 0
YZ_RET_FULL = 1
YZ_RET_HDRS = 2

# enum yz_notify
YZ_NOTIFY_NEVER = 1
YZ_NOTIFY_SUCCESS = 2
YZ_NOTIFY_FAILURE = 4
YZ_NOTIFY_DELAY = 8

# enum yz_txn_flag
YZ_ALL_OR_NOTHING = 1
YZ_DSN_OR_FAIL = 2
YZ_REQUIRETLS = 4
YZ_SMTPUTF8 = 8
YZ_8BIT_ANYWAY = 16
YZ_NO_DECLARE = 32

# enum yz_outcome
YZ_NOT_SENT = 0
YZ_ACCEPTED = 1
YZ_REFUSED_TEMP = 2
YZ_REFUSED_PERM = 3
YZ_UNKNOWN = 4

# enum yz_events
YZ_READ = 1
YZ_WRITE = 2

# enum yz_trace_kind
YZ_TRACE_RESOLVE = 0
YZ_TRACE_CONNECT = 1
YZ_TRACE_TLS = 2
YZ_TRACE_LINE = 3
YZ_TRACE_DATA = 4
YZ_TRACE_NOTE = 5
YZ_TRACE_CLOSE = 6

# enum yz_dir
YZ_DIR_NONE = 0
YZ_DIR_OUT = 1
YZ_DIR_IN = 2

# enum yz_trace_flag
YZ_TRACE_SECRETS = 1
YZ_TRACE_BODY = 2

# enum yz_way
YZ_WAY_7BIT = 0
YZ_WAY_8BIT = 1
YZ_WAY_BINARY = 2

# enum yz_form
YZ_RAW = 0
YZ_OCTETS = 1
YZ_TEXT = 2
YZ_UNFLOWED = 3

# enum yz_reply_flag
YZ_REPLY_ALL = 1
YZ_REPLY_QUOTE = 2

# enum yz_forward_flag
YZ_FORWARD_INLINE = 1


ENUMS = {
    'yz_err': {
        "YZ_OK": 0,
        "YZ_E_INVAL": 1,
        "YZ_E_STATE": 2,
        "YZ_E_RESOLVE": 3,
        "YZ_E_CONNECT": 4,
        "YZ_E_TIMEOUT": 5,
        "YZ_E_CLOSED": 6,
        "YZ_E_PROTO": 7,
        "YZ_E_TLS": 8,
        "YZ_E_TLS_VERIFY": 9,
        "YZ_E_GREETING": 10,
        "YZ_E_HELO": 11,
        "YZ_E_AUTH": 12,
        "YZ_E_NOTSUPP": 13,
        "YZ_E_SIZE": 14,
        "YZ_E_SENDER": 15,
        "YZ_E_RCPTS": 16,
        "YZ_E_DATA": 17,
        "YZ_E_REPLY": 18,
        "YZ_E_SOURCE": 19,
        "YZ_E_UNKNOWN": 20,
        "YZ_E_SYSTEM": 21,
        "YZ_E_CANCELLED": 22,
        "YZ_E_LIMIT": 23,
        "YZ_E_AGAIN": 24,
    },
    'yz_phase': {
        "YZ_PHASE_NONE": 0,
        "YZ_PHASE_RESOLVE": 1,
        "YZ_PHASE_CONNECT": 2,
        "YZ_PHASE_PROXY": 3,
        "YZ_PHASE_TLS": 4,
        "YZ_PHASE_GREETING": 5,
        "YZ_PHASE_HELLO": 6,
        "YZ_PHASE_AUTH": 7,
        "YZ_PHASE_MAIL": 8,
        "YZ_PHASE_RCPT": 9,
        "YZ_PHASE_DATA": 10,
        "YZ_PHASE_BODY": 11,
        "YZ_PHASE_FINAL": 12,
        "YZ_PHASE_RSET": 13,
        "YZ_PHASE_QUIT": 14,
        "YZ_PHASE_COMMAND": 15,
    },
    'yz_tls_policy': {
        "YZ_TLS_DEFAULT": 0,
        "YZ_TLS_NEVER": 1,
        "YZ_TLS_OPTIONAL": 2,
        "YZ_TLS_REQUIRED": 3,
    },
    'yz_verify': {
        "YZ_VERIFY_DEFAULT": 0,
        "YZ_VERIFY_YES": 1,
        "YZ_VERIFY_NO": 2,
    },
    'yz_flag': {
        "YZ_NO_PIPELINING": 1,
        "YZ_NO_CHUNKING": 2,
        "YZ_NO_8BITMIME": 4,
        "YZ_NO_SMTPUTF8": 8,
        "YZ_NO_DSN": 16,
        "YZ_NO_SIZE": 32,
        "YZ_NO_RSET": 64,
        "YZ_ALLOW_CLEAR_AUTH": 128,
        "YZ_NO_EHLO": 256,
        "YZ_NO_AUTH": 512,
    },
    'yz_eol': {
        "YZ_EOL_FIX": 0,
        "YZ_EOL_STRICT": 1,
        "YZ_EOL_BINARY": 2,
        "YZ_EOL_KEEP": 3,
    },
    'yz_body_type': {
        "YZ_BODY_AUTO": 0,
        "YZ_BODY_7BIT": 1,
        "YZ_BODY_8BITMIME": 2,
        "YZ_BODY_BINARYMIME": 3,
    },
    'yz_ret': {
        "YZ_RET_NONE": 0,
        "YZ_RET_FULL": 1,
        "YZ_RET_HDRS": 2,
    },
    'yz_notify': {
        "YZ_NOTIFY_NEVER": 1,
        "YZ_NOTIFY_SUCCESS": 2,
        "YZ_NOTIFY_FAILURE": 4,
        "YZ_NOTIFY_DELAY": 8,
    },
    'yz_txn_flag': {
        "YZ_ALL_OR_NOTHING": 1,
        "YZ_DSN_OR_FAIL": 2,
        "YZ_REQUIRETLS": 4,
        "YZ_SMTPUTF8": 8,
        "YZ_8BIT_ANYWAY": 16,
        "YZ_NO_DECLARE": 32,
    },
    'yz_outcome': {
        "YZ_NOT_SENT": 0,
        "YZ_ACCEPTED": 1,
        "YZ_REFUSED_TEMP": 2,
        "YZ_REFUSED_PERM": 3,
        "YZ_UNKNOWN": 4,
    },
    'yz_events': {
        "YZ_READ": 1,
        "YZ_WRITE": 2,
    },
    'yz_trace_kind': {
        "YZ_TRACE_RESOLVE": 0,
        "YZ_TRACE_CONNECT": 1,
        "YZ_TRACE_TLS": 2,
        "YZ_TRACE_LINE": 3,
        "YZ_TRACE_DATA": 4,
        "YZ_TRACE_NOTE": 5,
        "YZ_TRACE_CLOSE": 6,
    },
    'yz_dir': {
        "YZ_DIR_NONE": 0,
        "YZ_DIR_OUT": 1,
        "YZ_DIR_IN": 2,
    },
    'yz_trace_flag': {
        "YZ_TRACE_SECRETS": 1,
        "YZ_TRACE_BODY": 2,
    },
    'yz_way': {
        "YZ_WAY_7BIT": 0,
        "YZ_WAY_8BIT": 1,
        "YZ_WAY_BINARY": 2,
    },
    'yz_form': {
        "YZ_RAW": 0,
        "YZ_OCTETS": 1,
        "YZ_TEXT": 2,
        "YZ_UNFLOWED": 3,
    },
    'yz_reply_flag': {
        "YZ_REPLY_ALL": 1,
        "YZ_REPLY_QUOTE": 2,
    },
    'yz_forward_flag': {
        "YZ_FORWARD_INLINE": 1,
    },
}


class yz_reply(Structure):
    pass


class yz_error(Structure):
    pass


class yz_tls_options(Structure):
    pass


class yz_resolver(Structure):
    pass


class yz_timeouts(Structure):
    pass


class yz_proxy_header(Structure):
    pass


class yz_options(Structure):
    pass


class yz_transport(Structure):
    pass


class yz_attempt(Structure):
    pass


class yz_cert(Structure):
    pass


class yz_tls_info(Structure):
    pass


class yz_mail_params(Structure):
    pass


class yz_rcpt_params(Structure):
    pass


class yz_source(Structure):
    pass


class yz_result(Structure):
    pass


class yz_want(Structure):
    pass


class yz_trace_event(Structure):
    pass


class yz_address(Structure):
    pass


class yz_addresses(Structure):
    pass


class yz_date(Structure):
    pass


class yz_attachment(Structure):
    pass


class yz_msg_options(Structure):
    pass


class yz_mail_options(Structure):
    pass


class yz_place(Structure):
    pass


class yz_field(Structure):
    pass


class yz_defect(Structure):
    pass


class yz_report_field(Structure):
    pass


class yz_dsn_rcpt(Structure):
    pass


class yz_dsn(Structure):
    pass


class yz_mdn(Structure):
    pass


class yz_envelope(Structure):
    pass


yz_sasl_fn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t, c_void_p, POINTER(c_size_t))

yz_trace_fn = CFUNCTYPE(None, c_void_p, POINTER(yz_trace_event))

yz_write_fn = CFUNCTYPE(c_int, c_void_p, c_void_p, c_size_t)

yz_reply._fields_ = [
    ("code", c_int),
    ("cls", c_uint),
    ("subject", c_uint),
    ("detail", c_uint),
    ("line_count", c_size_t),
    ("lines", POINTER(c_char_p)),
    ("text", c_char_p),
]

yz_error._fields_ = [
    ("code", c_int),
    ("phase", c_int),
    ("os_errno", c_int),
    ("tls_verify", c_long),
    ("is_temporary", c_bool),
    ("reply", POINTER(yz_reply)),
    ("text", c_char * 320),
]

yz_tls_options._fields_ = [
    ("size", c_size_t),
    ("ca_file", c_char_p),
    ("ca_dir", c_char_p),
    ("cert_file", c_char_p),
    ("key_file", c_char_p),
    ("key_password", c_char_p),
    ("min_version", c_int),
    ("max_version", c_int),
    ("ciphers", c_char_p),
    ("ciphersuites", c_char_p),
    ("pins", c_char_p),
    ("verify", CFUNCTYPE(c_int, c_void_p, c_void_p, c_long)),
    ("verify_arg", c_void_p),
    ("alpn", c_char_p),
]

yz_resolver._fields_ = [
    ("size", c_size_t),
    ("addresses", CFUNCTYPE(c_int, c_void_p, c_char_p, c_int, CFUNCTYPE(None, c_void_p, c_char_p), c_void_p)),
    ("mx", CFUNCTYPE(c_int, c_void_p, c_char_p, CFUNCTYPE(None, c_void_p, c_uint, c_char_p), c_void_p)),
    ("arg", c_void_p),
    ("nameserver", c_char_p),
]

yz_timeouts._fields_ = [
    ("connect", c_int64),
    ("greeting", c_int64),
    ("command", c_int64),
    ("data", c_int64),
    ("block", c_int64),
    ("final", c_int64),
    ("quit", c_int64),
]

yz_proxy_header._fields_ = [
    ("version", c_int),
    ("is_local", c_bool),
    ("source", c_char_p),
    ("destination", c_char_p),
    ("source_port", c_int),
    ("destination_port", c_int),
]

yz_options._fields_ = [
    ("size", c_size_t),
    ("hello_name", c_char_p),
    ("flags", c_uint),
    ("tls", c_int),
    ("verify", c_int),
    ("tls_name", c_char_p),
    ("no_sni", c_bool),
    ("timeouts", yz_timeouts),
    ("family", c_int),
    ("source_address", c_char_p),
    ("interface", c_char_p),
    ("proxy", c_char_p),
    ("proxy_header", yz_proxy_header),
    ("user", c_char_p),
    ("password", c_char_p),
    ("authzid", c_char_p),
    ("mechanisms", c_char_p),
    ("secret", CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p, c_void_p, c_size_t)),
    ("secret_arg", c_void_p),
    ("token", c_char_p),
    ("local_certificate_name", c_char_p),
]

yz_transport._fields_ = [
    ("size", c_size_t),
    ("read", CFUNCTYPE(c_long, c_void_p, c_void_p, c_size_t, c_int64, POINTER(c_int))),
    ("write", CFUNCTYPE(c_long, c_void_p, c_void_p, c_size_t, c_int64, POINTER(c_int))),
    ("starttls", CFUNCTYPE(c_int, c_void_p, c_char_p)),
    ("close", CFUNCTYPE(None, c_void_p)),
    ("fd", c_int),
    ("arg", c_void_p),
]

yz_attempt._fields_ = [
    ("host", c_char_p),
    ("address", c_char_p),
    ("err", c_int),
    ("os_errno", c_int),
    ("text", c_char_p),
]

yz_cert._fields_ = [
    ("subject", c_char_p),
    ("issuer", c_char_p),
    ("names", c_char_p),
    ("not_before", c_int64),
    ("not_after", c_int64),
    ("serial", c_char_p),
    ("key", c_char_p),
    ("signature", c_char_p),
    ("sha256", c_char_p),
    ("spki_sha256", c_char_p),
    ("pem", c_char_p),
]

yz_tls_info._fields_ = [
    ("version", c_char_p),
    ("cipher", c_char_p),
    ("bits", c_uint),
    ("group", c_char_p),
    ("name", c_char_p),
    ("alpn", c_char_p),
    ("is_verified", c_bool),
    ("is_resumed", c_bool),
    ("verify_error", c_long),
    ("verify_text", c_char_p),
    ("cert_count", c_size_t),
    ("certs", POINTER(yz_cert)),
]

yz_mail_params._fields_ = [
    ("size", c_size_t),
    ("flags", c_uint),
    ("body", c_int),
    ("ret", c_int),
    ("envid", c_char_p),
    ("auth", c_char_p),
    ("by_seconds", c_int64),
    ("by_mode", c_char),
    ("by_trace", c_bool),
    ("hold_for", c_int64),
    ("hold_until", c_int64),
    ("has_priority", c_bool),
    ("priority", c_int),
    ("declared_size", c_uint64),
    ("extra", c_char_p),
]

yz_rcpt_params._fields_ = [
    ("size", c_size_t),
    ("notify", c_uint),
    ("orcpt", c_char_p),
    ("extra", c_char_p),
    ("user", c_void_p),
]

yz_source._fields_ = [
    ("size_of", c_size_t),
    ("read", CFUNCTYPE(c_long, c_void_p, c_void_p, c_size_t)),
    ("rewind", CFUNCTYPE(c_int, c_void_p)),
    ("size", c_longlong),
    ("arg", c_void_p),
]

yz_result._fields_ = [
    ("path", c_char_p),
    ("outcome", c_int),
    ("phase", c_int),
    ("reply", POINTER(yz_reply)),
    ("rcpt", POINTER(yz_reply)),
    ("is_ours", c_bool),
    ("text", c_char_p),
    ("user", c_void_p),
]

yz_want._fields_ = [
    ("fd", c_int),
    ("events", c_int),
    ("timeout_ms", c_int64),
]

yz_trace_event._fields_ = [
    ("kind", c_int),
    ("dir", c_int),
    ("is_encrypted", c_bool),
    ("is_masked", c_bool),
    ("is_unexpected", c_bool),
    ("time_ns", c_int64),
    ("text", c_char_p),
    ("len", c_size_t),
    ("octets", c_uint64),
]

yz_address._fields_ = [
    ("name", c_char_p),
    ("address", c_char_p),
    ("local", c_char_p),
    ("domain", c_char_p),
    ("group", c_char_p),
    ("is_malformed", c_bool),
]

yz_addresses._fields_ = [
    ("count", c_size_t),
    ("items", POINTER(yz_address)),
    ("group_count", c_size_t),
    ("groups", POINTER(c_char_p)),
    ("is_malformed", c_bool),
]

yz_date._fields_ = [
    ("unix_sec", c_int64),
    ("zone_minutes", c_int),
    ("has_zone", c_bool),
    ("is_obsolete", c_bool),
]

yz_attachment._fields_ = [
    ("size", c_size_t),
    ("filename", c_char_p),
    ("type", c_char_p),
    ("id", c_char_p),
    ("description", c_char_p),
    ("is_inline", c_bool),
    ("is_borrowed", c_bool),
]

yz_msg_options._fields_ = [
    ("size", c_size_t),
    ("way", c_int),
    ("is_utf8", c_bool),
    ("is_ascii_domains", c_bool),
    ("keeps_bcc", c_bool),
    ("is_lf", c_bool),
    ("charset", c_char_p),
    ("fold", c_size_t),
]

yz_mail_options._fields_ = [
    ("size", c_size_t),
    ("parts", c_size_t),
    ("depth", c_size_t),
    ("params", c_size_t),
    ("header_octets", c_size_t),
    ("fields", c_size_t),
    ("memory", c_size_t),
    ("allows_from_line", c_bool),
    ("is_structure_only", c_bool),
]

yz_place._fields_ = [
    ("header", c_uint64),
    ("body", c_uint64),
    ("end", c_uint64),
    ("preamble_end", c_uint64),
    ("epilogue", c_uint64),
    ("body_lines", c_uint64),
    ("has_8bit", c_bool),
    ("has_nul", c_bool),
]

yz_field._fields_ = [
    ("name", c_char_p),
    ("raw", c_char_p),
    ("raw_len", c_size_t),
    ("offset", c_uint64),
    ("len", c_uint64),
    ("value_offset", c_uint64),
]

yz_defect._fields_ = [
    ("name", c_char_p),
    ("entity", c_void_p),
    ("offset", c_uint64),
    ("is_ambiguous", c_bool),
]

yz_report_field._fields_ = [
    ("name", c_char_p),
    ("value", c_char_p),
]

yz_dsn_rcpt._fields_ = [
    ("action", c_char_p),
    ("status", c_char_p),
    ("cls", c_uint),
    ("subject", c_uint),
    ("detail", c_uint),
    ("final_recipient", c_char_p),
    ("original_recipient", c_char_p),
    ("remote_mta", c_char_p),
    ("diagnostic", c_char_p),
    ("diagnostic_type", c_char_p),
    ("final_log_id", c_char_p),
    ("last_attempt", yz_date),
    ("will_retry_until", yz_date),
    ("fields", POINTER(yz_report_field)),
    ("field_count", c_size_t),
]

yz_dsn._fields_ = [
    ("reporting_mta", c_char_p),
    ("received_from_mta", c_char_p),
    ("dsn_gateway", c_char_p),
    ("envid", c_char_p),
    ("arrival", yz_date),
    ("rcpts", POINTER(yz_dsn_rcpt)),
    ("rcpt_count", c_size_t),
    ("fields", POINTER(yz_report_field)),
    ("field_count", c_size_t),
    ("text", c_void_p),
    ("original", c_void_p),
    ("original_message_id", c_char_p),
]

yz_mdn._fields_ = [
    ("reporting_ua", c_char_p),
    ("mdn_gateway", c_char_p),
    ("final_recipient", c_char_p),
    ("original_recipient", c_char_p),
    ("original_message_id", c_char_p),
    ("disposition", c_char_p),
    ("is_automatic", c_bool),
    ("was_sent_automatically", c_bool),
    ("modifiers", c_char_p),
    ("error", c_char_p),
    ("fields", POINTER(yz_report_field)),
    ("field_count", c_size_t),
    ("text", c_void_p),
    ("original", c_void_p),
]

yz_envelope._fields_ = [
    ("from", c_char_p),
    ("rcpts", POINTER(c_char_p)),
    ("rcpt_count", c_size_t),
    ("is_resent", c_bool),
    ("needs_utf8", c_bool),
]

STRUCTS = (yz_reply, yz_error, yz_tls_options, yz_resolver, yz_timeouts, yz_proxy_header, yz_options, yz_transport, yz_attempt, yz_cert, yz_tls_info, yz_mail_params, yz_rcpt_params, yz_source, yz_result, yz_want, yz_trace_event, yz_address, yz_addresses, yz_date, yz_attachment, yz_msg_options, yz_mail_options, yz_place, yz_field, yz_defect, yz_report_field, yz_dsn_rcpt, yz_dsn, yz_mdn, yz_envelope,)

# name: (result, arguments)
FUNCTIONS = {
    "yz_version": (c_char_p, []),
    "yz_set_oom_hook": (None, [CFUNCTYPE(None, c_size_t)]),
    "yz_err_name": (c_char_p, [c_int]),
    "yz_err_text": (c_char_p, [c_int]),
    "yz_phase_name": (c_char_p, [c_int]),
    "yz_ctx_new": (c_void_p, []),
    "yz_ctx_free": (None, [POINTER(c_void_p)]),
    "yz_ctx_set_tls": (c_int, [c_void_p, POINTER(yz_tls_options), POINTER(yz_error)]),
    "yz_ctx_set_resolver": (c_int, [c_void_p, POINTER(yz_resolver)]),
    "yz_session_new": (c_void_p, [c_void_p, POINTER(yz_options)]),
    "yz_session_free": (None, [POINTER(c_void_p)]),
    "yz_error": (POINTER(yz_error), [c_void_p]),
    "yz_set_timeout": (c_int, [c_void_p, c_int64]),
    "yz_connect": (c_int, [c_void_p, c_char_p]),
    "yz_open": (c_int, [c_void_p, c_char_p]),
    "yz_attach": (c_int, [c_void_p, POINTER(yz_transport), c_char_p, c_bool]),
    "yz_greeting": (c_int, [c_void_p]),
    "yz_talk": (c_int, [c_void_p]),
    "yz_hello": (c_int, [c_void_p, c_char_p]),
    "yz_ehlo": (c_int, [c_void_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_helo": (c_int, [c_void_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_starttls": (c_int, [c_void_p]),
    "yz_login": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_auth": (c_int, [c_void_p, c_char_p, yz_sasl_fn, c_void_p]),
    "yz_cmd": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_put": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_get_reply": (c_int, [c_void_p, POINTER(POINTER(yz_reply))]),
    "yz_cmd_mail": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_cmd_rcpt": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_cmd_data": (c_int, [c_void_p, c_void_p, c_size_t, c_int, POINTER(POINTER(yz_reply))]),
    "yz_cmd_starttls": (c_int, [c_void_p, POINTER(POINTER(yz_reply))]),
    "yz_vrfy": (c_int, [c_void_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_expn": (c_int, [c_void_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_help": (c_int, [c_void_p, c_char_p, POINTER(POINTER(yz_reply))]),
    "yz_noop": (c_int, [c_void_p, POINTER(POINTER(yz_reply))]),
    "yz_rset": (c_int, [c_void_p, POINTER(POINTER(yz_reply))]),
    "yz_quit": (c_int, [c_void_p]),
    "yz_close": (None, [c_void_p]),
    "yz_is_connected": (c_bool, [c_void_p]),
    "yz_cap": (c_char_p, [c_void_p, c_char_p]),
    "yz_cap_at": (c_char_p, [c_void_p, c_size_t, POINTER(c_char_p)]),
    "yz_size_max": (c_uint64, [c_void_p]),
    "yz_is_esmtp": (c_bool, [c_void_p]),
    "yz_greeting_reply": (POINTER(yz_reply), [c_void_p]),
    "yz_hello_reply": (POINTER(yz_reply), [c_void_p]),
    "yz_auth_reply": (POINTER(yz_reply), [c_void_p]),
    "yz_auth_mechanism": (c_char_p, [c_void_p]),
    "yz_hello_name": (c_char_p, [c_void_p]),
    "yz_host": (c_char_p, [c_void_p]),
    "yz_peer": (c_char_p, [c_void_p]),
    "yz_local": (c_char_p, [c_void_p]),
    "yz_fd": (c_int, [c_void_p]),
    "yz_attempts": (c_size_t, [c_void_p, POINTER(POINTER(yz_attempt))]),
    "yz_tls": (POINTER(yz_tls_info), [c_void_p]),
    "yz_txn_new": (c_void_p, [c_void_p, c_char_p, POINTER(yz_mail_params)]),
    "yz_txn_free": (None, [POINTER(c_void_p)]),
    "yz_txn_rcpt": (c_int, [c_void_p, c_char_p, POINTER(yz_rcpt_params)]),
    "yz_txn_body": (c_int, [c_void_p, c_void_p, c_size_t, c_int]),
    "yz_txn_source": (c_int, [c_void_p, POINTER(yz_source), c_int]),
    "yz_txn_fd": (c_int, [c_void_p, c_int, c_int]),
    "yz_txn_file": (c_int, [c_void_p, c_char_p, c_int]),
    "yz_txn_progress": (None, [c_void_p, CFUNCTYPE(None, c_void_p, c_uint64, c_int64), c_void_p]),
    "yz_outcome_str": (c_char_p, [c_int]),
    "yz_send": (c_int, [c_void_p]),
    "yz_send_many": (c_int, [c_void_p, POINTER(c_void_p), c_size_t]),
    "yz_txn_count": (c_size_t, [c_void_p]),
    "yz_txn_result": (POINTER(yz_result), [c_void_p, c_size_t]),
    "yz_txn_accepted": (c_size_t, [c_void_p]),
    "yz_txn_outcome": (c_int, [c_void_p]),
    "yz_txn_reply": (POINTER(yz_reply), [c_void_p]),
    "yz_txn_error": (POINTER(yz_error), [c_void_p]),
    "yz_txn_octets": (c_uint64, [c_void_p]),
    "yz_sendmail": (c_int, [c_char_p, c_char_p, POINTER(c_char_p), c_void_p, c_size_t, c_void_p, c_size_t]),
    "yz_set_nonblocking": (c_int, [c_void_p, c_bool]),
    "yz_step": (c_int, [c_void_p, POINTER(yz_want)]),
    "yz_wants": (None, [c_void_p, POINTER(yz_want)]),
    "yz_cancel": (None, [c_void_p]),
    "yz_set_trace": (None, [c_void_p, yz_trace_fn, c_void_p, c_uint]),
    "yz_quote_address": (c_void_p, [c_char_p]),
    "yz_quote_data": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "yz_free": (None, [c_void_p]),
    "yz_msg_new": (c_void_p, []),
    "yz_msg_free": (None, [POINTER(c_void_p)]),
    "yz_msg_error": (POINTER(yz_error), [c_void_p]),
    "yz_msg_add": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_msg_set": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_msg_add_ready": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_msg_remove": (c_size_t, [c_void_p, c_char_p]),
    "yz_msg_get": (c_char_p, [c_void_p, c_char_p]),
    "yz_msg_field": (c_char_p, [c_void_p, c_size_t, POINTER(c_char_p)]),
    "yz_msg_addresses": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_msg_from": (c_int, [c_void_p, c_char_p]),
    "yz_msg_sender": (c_int, [c_void_p, c_char_p]),
    "yz_msg_reply_to": (c_int, [c_void_p, c_char_p]),
    "yz_msg_to": (c_int, [c_void_p, c_char_p]),
    "yz_msg_cc": (c_int, [c_void_p, c_char_p]),
    "yz_msg_bcc": (c_int, [c_void_p, c_char_p]),
    "yz_msg_mailbox": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p]),
    "yz_msg_group": (c_int, [c_void_p, c_char_p, c_char_p, POINTER(yz_address), c_size_t]),
    "yz_msg_subject": (c_int, [c_void_p, c_char_p]),
    "yz_msg_date": (c_int, [c_void_p, c_char_p, c_int64, c_int]),
    "yz_msg_id": (c_int, [c_void_p, c_char_p]),
    "yz_msg_message_id": (c_char_p, [c_void_p]),
    "yz_msg_host": (c_int, [c_void_p, c_char_p]),
    "yz_msg_zone": (c_int, [c_void_p, c_int]),
    "yz_msg_list_unsubscribe": (c_int, [c_void_p, c_char_p, c_char_p, c_bool]),
    "yz_msg_text": (c_int, [c_void_p, c_char_p]),
    "yz_msg_html": (c_int, [c_void_p, c_char_p]),
    "yz_msg_flowed": (None, [c_void_p, c_bool]),
    "yz_msg_calendar": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_msg_attach": (c_int, [c_void_p, c_void_p, c_size_t, POINTER(yz_attachment)]),
    "yz_msg_attach_file": (c_int, [c_void_p, c_char_p, POINTER(yz_attachment)]),
    "yz_msg_attach_fd": (c_int, [c_void_p, c_int, POINTER(yz_attachment)]),
    "yz_msg_attach_source": (c_int, [c_void_p, POINTER(yz_source), POINTER(yz_attachment)]),
    "yz_msg_attach_message": (c_int, [c_void_p, c_void_p, c_size_t]),
    "yz_part_text": (c_void_p, [c_void_p, c_char_p, c_char_p]),
    "yz_part_octets": (c_void_p, [c_void_p, c_char_p, c_void_p, c_size_t]),
    "yz_part_source": (c_void_p, [c_void_p, c_char_p, POINTER(yz_source)]),
    "yz_part_message": (c_void_p, [c_void_p, c_void_p, c_size_t]),
    "yz_part_multi": (c_void_p, [c_void_p, c_char_p]),
    "yz_part_add": (c_int, [c_void_p, c_void_p]),
    "yz_part_param": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_part_disposition": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_part_id": (c_int, [c_void_p, c_char_p]),
    "yz_part_description": (c_int, [c_void_p, c_char_p]),
    "yz_msg_body": (c_int, [c_void_p, c_void_p]),
    "yz_msg_clear_body": (None, [c_void_p]),
    "yz_msg_write": (c_int, [c_void_p, POINTER(yz_msg_options), yz_write_fn, c_void_p]),
    "yz_msg_write_fd": (c_int, [c_void_p, POINTER(yz_msg_options), c_int]),
    "yz_msg_write_file": (c_int, [c_void_p, POINTER(yz_msg_options), c_char_p]),
    "yz_msg_write_mem": (c_int, [c_void_p, POINTER(yz_msg_options), c_size_t, POINTER(c_void_p), POINTER(c_size_t)]),
    "yz_msg_needs_utf8": (c_bool, [c_void_p, c_bool]),
    "yz_mail_new": (c_void_p, [POINTER(yz_mail_options)]),
    "yz_mail_feed": (c_int, [c_void_p, c_void_p, c_size_t]),
    "yz_mail_end": (c_int, [c_void_p]),
    "yz_mail_parse": (c_void_p, [c_void_p, c_size_t, POINTER(yz_mail_options)]),
    "yz_mail_parse_fd": (c_int, [c_int, POINTER(yz_mail_options), POINTER(c_void_p)]),
    "yz_mail_parse_file": (c_int, [c_char_p, POINTER(yz_mail_options), POINTER(c_void_p)]),
    "yz_mail_free": (None, [POINTER(c_void_p)]),
    "yz_mail_error": (POINTER(yz_error), [c_void_p]),
    "yz_mail_root": (c_void_p, [c_void_p]),
    "yz_mail_size": (c_uint64, [c_void_p]),
    "yz_entity_parent": (c_void_p, [c_void_p]),
    "yz_entity_child": (c_void_p, [c_void_p, c_size_t]),
    "yz_entity_children": (c_size_t, [c_void_p]),
    "yz_entity_next": (c_void_p, [c_void_p]),
    "yz_entity_depth": (c_uint, [c_void_p]),
    "yz_entity_place": (None, [c_void_p, POINTER(yz_place)]),
    "yz_entity_type": (c_char_p, [c_void_p]),
    "yz_entity_is": (c_bool, [c_void_p, c_char_p]),
    "yz_entity_is_multipart": (c_bool, [c_void_p]),
    "yz_entity_param": (c_char_p, [c_void_p, c_char_p]),
    "yz_entity_param_at": (c_char_p, [c_void_p, c_size_t, POINTER(c_char_p)]),
    "yz_entity_charset": (c_char_p, [c_void_p]),
    "yz_entity_encoding": (c_char_p, [c_void_p]),
    "yz_entity_disposition": (c_char_p, [c_void_p]),
    "yz_entity_disposition_param": (c_char_p, [c_void_p, c_char_p]),
    "yz_entity_filename": (c_char_p, [c_void_p]),
    "yz_entity_id": (c_char_p, [c_void_p]),
    "yz_entity_is_attachment": (c_bool, [c_void_p]),
    "yz_entity_fields": (c_size_t, [c_void_p]),
    "yz_entity_field": (c_int, [c_void_p, c_size_t, POINTER(yz_field)]),
    "yz_entity_get": (c_char_p, [c_void_p, c_char_p, c_size_t]),
    "yz_entity_raw": (c_char_p, [c_void_p, c_char_p, c_size_t]),
    "yz_entity_addresses": (POINTER(yz_addresses), [c_void_p, c_char_p]),
    "yz_entity_date": (c_int, [c_void_p, c_char_p, POINTER(yz_date)]),
    "yz_entity_ids": (POINTER(c_char_p), [c_void_p, c_char_p, POINTER(c_size_t)]),
    "yz_mail_get": (c_char_p, [c_void_p, c_char_p]),
    "yz_entity_read": (c_int, [c_void_p, c_int, yz_write_fn, c_void_p]),
    "yz_entity_read_mem": (c_int, [c_void_p, c_int, c_size_t, POINTER(c_void_p), POINTER(c_size_t)]),
    "yz_mail_body": (c_void_p, [c_void_p, c_char_p]),
    "yz_mail_attachments": (POINTER(c_void_p), [c_void_p, POINTER(c_size_t)]),
    "yz_mail_defects": (c_size_t, [c_void_p]),
    "yz_mail_defect": (c_int, [c_void_p, c_size_t, POINTER(yz_defect)]),
    "yz_defect_name": (c_char_p, [c_uint]),
    "yz_mail_is_ambiguous": (c_bool, [c_void_p]),
    "yz_mail_check": (c_int, [c_void_p]),
    "yz_mail_remove": (c_size_t, [c_void_p, c_char_p]),
    "yz_mail_replace": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_mail_prepend": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_mail_append": (c_int, [c_void_p, c_char_p, c_char_p]),
    "yz_mail_write": (c_int, [c_void_p, yz_write_fn, c_void_p]),
    "yz_mail_write_mem": (c_int, [c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t)]),
    "yz_mail_reply": (c_void_p, [c_void_p, c_char_p, c_uint]),
    "yz_mail_forward": (c_void_p, [c_void_p, c_uint]),
    "yz_mail_dsn": (POINTER(yz_dsn), [c_void_p]),
    "yz_mail_mdn": (POINTER(yz_mdn), [c_void_p]),
    "yz_txn_message": (c_int, [c_void_p, c_void_p]),
    "yz_send_message": (c_int, [c_void_p, c_void_p, POINTER(yz_mail_params), POINTER(c_void_p)]),
    "yz_send_message_bytes": (c_int, [c_void_p, c_void_p, c_size_t, POINTER(yz_mail_params), POINTER(c_void_p)]),
    "yz_send_mail": (c_int, [c_void_p, c_void_p, POINTER(yz_mail_params), POINTER(c_void_p)]),
    "yz_msg_envelope": (c_int, [c_void_p, POINTER(yz_envelope)]),
    "yz_mail_envelope": (c_int, [c_void_p, POINTER(yz_envelope)]),
    "yz_addresses_parse": (POINTER(yz_addresses), [c_char_p, c_bool]),
    "yz_addresses_free": (None, [POINTER(POINTER(yz_addresses))]),
    "yz_address_format": (c_void_p, [c_char_p, c_char_p, c_bool]),
    "yz_address_split": (c_bool, [c_char_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "yz_date_parse": (c_bool, [c_char_p, POINTER(yz_date)]),
    "yz_date_format": (c_void_p, [c_int64, c_int]),
    "yz_make_message_id": (c_void_p, [c_char_p, c_char_p]),
    "yz_words_decode": (c_void_p, [c_char_p]),
    "yz_words_encode": (c_void_p, [c_char_p, c_char_p, c_size_t]),
    "yz_rfc2231_encode": (c_void_p, [c_char_p, c_char_p]),
    "yz_rfc2231_decode": (c_void_p, [c_char_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "yz_param_encode": (c_void_p, [c_char_p, c_char_p]),
    "yz_param_get": (c_void_p, [c_char_p, c_char_p]),
    "yz_quote": (c_void_p, [c_char_p]),
    "yz_unquote": (c_void_p, [c_char_p]),
    "yz_base64_encode": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "yz_base64_decode": (c_void_p, [c_char_p, c_size_t, c_bool, POINTER(c_size_t)]),
    "yz_qp_encode": (c_void_p, [c_void_p, c_size_t, c_bool, POINTER(c_size_t)]),
    "yz_qp_decode": (c_void_p, [c_char_p, c_size_t, POINTER(c_size_t)]),
    "yz_to_utf8": (c_void_p, [c_void_p, c_size_t, c_char_p, POINTER(c_size_t)]),
    "yz_type_of_name": (c_char_p, [c_char_p]),
    "yz_mbox_next": (c_bool, [c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_char_p), POINTER(c_size_t), POINTER(c_void_p), POINTER(c_size_t)]),
    "yz_mbox_unquote": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "yz_mbox_quote": (c_void_p, [c_void_p, c_size_t, c_char_p, c_int64, POINTER(c_size_t)]),
}
