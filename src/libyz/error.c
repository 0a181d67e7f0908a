/* Errors of the library: codes, texts, and how those of lower floors become ours. */

#include "libyz/libyz_priv.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"

static const struct {
	const char *name, *text;
} errors[] = {
#define X(id, value, name, text) [value] = {name, text},
	YZ_ERRORS(X)
#undef X
};

static const char *const phases[] = {
#define X(id, name) [YZ_PHASE_##id] = name,
	YZ_PHASES(X)
#undef X
};

const char *yz_err_name(int err)
{
	return err >= 0 && (size_t)err < ARRAY_LEN(errors) ? errors[err].name : "?";
}

const char *yz_err_text(int err)
{
	return err >= 0 && (size_t)err < ARRAY_LEN(errors) ? errors[err].text
							   : "no error of this library";
}

const char *yz_phase_name(enum yz_phase phase)
{
	return (size_t)phase < ARRAY_LEN(phases) ? phases[phase] : "?";
}

/* What is worth another try by itself; a reply decides that by its class. */
static bool is_temporary(int code)
{
	switch (code) {
	case YZ_E_RESOLVE:
	case YZ_E_CONNECT:
	case YZ_E_TIMEOUT:
	case YZ_E_CLOSED:
	case YZ_E_SYSTEM: return true;
	default: return false;
	}
}

/* Codes behind which nothing more can be said on the connection. */
static bool ends_connection(int code)
{
	switch (code) {
	case YZ_E_TIMEOUT:
	case YZ_E_CLOSED:
	case YZ_E_PROTO:
	case YZ_E_TLS:
	case YZ_E_TLS_VERIFY:
	case YZ_E_GREETING:
	case YZ_E_SOURCE:
	case YZ_E_UNKNOWN:
	case YZ_E_CANCELLED:
	case YZ_E_SYSTEM: return true;
	default: return false;
	}
}

void error_fill(struct yz_error *to, int code, enum yz_phase phase, const char *text)
{
	size_t n = strnlen(text, sizeof(to->text) - 1);

	memset(to, 0, sizeof(*to));
	to->code = code;
	to->phase = phase;
	to->is_temporary = is_temporary(code);
	memcpy(to->text, text, n);
}

static int fail_text(struct yz_session *s, int code, const char *text)
{
	error_fill(&s->error, code, s->phase, text);
	if (ends_connection(code))
		session_close(s);
	return code;
}

int fail(struct yz_session *s, int code, const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 4 * YZ_ERROR_TEXT);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	fail_text(s, code, buf_ok(&b) ? buf_cstr(&b) : yz_err_text(code));
	buf_fini(&b);
	return code;
}

int error_code(const struct err *e)
{
	switch (e->code) {
	case ERR_NONE: return YZ_OK;
	case ERR_TIMEOUT: return YZ_E_TIMEOUT;
	case ERR_CANCELLED: return YZ_E_CANCELLED;
	case ERR_EOF: return YZ_E_CLOSED;
	case ERR_IO: return e->scope == ERR_SCOPE_PEER ? YZ_E_CLOSED : YZ_E_SYSTEM;
	case ERR_TLS: return YZ_E_TLS;
	case ERR_DNS:
	case ERR_NOT_FOUND: return YZ_E_RESOLVE;
	case ERR_REPLY: return YZ_E_CLOSED; /* a 421: where a reply decides, fail_reply is asked */
	case ERR_PROTO:
	case ERR_LIMIT: return YZ_E_PROTO;
	case ERR_SYNTAX: return e->scope == ERR_SCOPE_PEER ? YZ_E_PROTO : YZ_E_INVAL;
	case ERR_STATE:
	case ERR_CONFIG: return YZ_E_INVAL;
	case ERR_UNSUPPORTED: return YZ_E_NOTSUPP;
	default: return YZ_E_SYSTEM;
	}
}

int fail_err(struct yz_session *s, const struct err *e)
{
	int code = error_code(e);

	fail_text(s, code, e->text);
	s->error.os_errno = e->sys_errno;
	return code;
}

int fail_reply(struct yz_session *s, int code)
{
	const struct yz_reply *r = s->last.reply;
	int triple = 0;

	MUST(r);
	triple = r->cls != 0;
	if (triple)
		fail(s, code, "%s: %d %u.%u.%u %.200s", yz_phase_name(s->phase), r->code, r->cls,
			r->subject, r->detail, r->text);
	else
		fail(s, code, "%s: %d %.200s", yz_phase_name(s->phase), r->code, r->text);
	/* One line for people. */
	for (char *p = s->error.text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	s->error.reply = r;
	s->error.is_temporary = r->code < 500;
	return code;
}
