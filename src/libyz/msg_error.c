/* Errors of messages. */
#include <stdarg.h>
#include <string.h>

#include "libyz/msg_priv.h"

int msg_fine(struct yz_error *to)
{
	memset(to, 0, sizeof(*to));
	return YZ_OK;
}

static int code_of(const struct err *e)
{
	switch (e->code) {
	case ERR_EXISTS:
	case ERR_STATE: return YZ_E_STATE;
	case ERR_LIMIT: return YZ_E_LIMIT;
	case ERR_UNSUPPORTED: return YZ_E_NOTSUPP;
	case ERR_IO: return e->sys_errno ? YZ_E_SYSTEM : YZ_E_SOURCE;
	default: return YZ_E_INVAL;
	}
}

static void put_text(struct yz_error *to, const char *text)
{
	size_t n = strnlen(text, sizeof(to->text) - 1);

	memcpy(to->text, text, n);
	to->text[n] = '\0';
}

int msg_error(struct yz_error *to, const struct err *e)
{
	msg_fine(to);
	to->code = code_of(e);
	to->os_errno = e->sys_errno;
	to->is_temporary = to->code == YZ_E_SYSTEM;
	put_text(to, e->text);
	return to->code;
}

int msg_error_set(struct yz_error *to, int code, const char *fmt, ...)
{
	struct err e = {0};
	va_list ap;

	va_start(ap, fmt);
	err_vset(&e, ERR_SYNTAX, fmt, ap);
	va_end(ap);
	msg_fine(to);
	to->code = code;
	put_text(to, e.text);
	return code;
}
