#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"

static const char *const err_names[ERR_CODE_COUNT] = {
#define X(id, name) [ERR_##id] = name,
	ERR_CODES(X)
#undef X
};

const char *err_code_str(enum err_code code)
{
	return (unsigned)code < ERR_CODE_COUNT ? err_names[code] : "?";
}

/* An error text is one line, whatever a peer managed to put into it. */
static void err_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
	MUST(code != ERR_NONE);
	if (!e)
		return -1;
	/* The text may quote e itself: format first, fill after. */
	char text[ERR_TEXT_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	memset(e, 0, sizeof(*e));
	e->code = code;
	e->scope = ERR_SCOPE_SELF;
	e->again = ERR_AGAIN_LATER;
	memcpy(e->text, text, sizeof(text));
	err_one_line(e->text);
	return -1;
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(e, code, fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *e, int sys_errno, const char *fmt, ...)
{
	char why[80];
	va_list ap;
	size_t used;

	if (!e)
		return -1;
	va_start(ap, fmt);
	err_vset(e, ERR_IO, fmt, ap);
	va_end(ap);
	e->sys_errno = sys_errno;
	used = strlen(e->text);
	snprintf(e->text + used, sizeof(e->text) - used, ": %s",
		strerror_r(sys_errno, why, sizeof(why)));
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	size_t used;

	if (!e)
		return -1;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_one_line(text);
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, ": %s", e->text);
	memcpy(e->text, text, sizeof(text));
	return -1;
}

int err_scope_set(struct err *e, enum err_scope scope, enum err_again again)
{
	if (e) {
		e->scope = scope;
		e->again = again;
	}
	return -1;
}

int err_smtp(struct err *e, unsigned code, unsigned cls, unsigned subject, unsigned detail)
{
	if (e) {
		e->smtp = (uint16_t)code;
		e->enh_class = (uint16_t)cls;
		e->enh_subject = (uint16_t)subject;
		e->enh_detail = (uint16_t)detail;
	}
	return -1;
}

void err_clear(struct err *e)
{
	if (e)
		memset(e, 0, sizeof(*e));
}

int err_copy(struct err *to, const struct err *from)
{
	if (to && from && to != from)
		*to = *from;
	return -1;
}
