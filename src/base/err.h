#pragma once
/* struct err: what went wrong, how far it reaches, and whether trying again can help.
 *
 * A function that can fail returns 0 / -1 (or NULL) and fills `struct err *e`, always its last
 * parameter; NULL is allowed and means "I do not care". It returns the error *or* reports it,
 * never both. What a peer is told comes from one translator per border, never from here.
 *
 *	struct err e = {0};
 *	if (thing_open(path, &t, &e) < 0)
 *		return err_wrap(&e, "opening the thing");
 */

#include <stdarg.h>
#include <stdint.h>

#include "base/span.h"

/* code, name */
#define ERR_CODES(X)                                                                               \
	X(NONE, "none")                                                                            \
	X(IO, "io")               /* a system call failed; sys_errno says how */                   \
	X(EOF, "eof")             /* the peer closed */                                            \
	X(TIMEOUT, "timeout")     /* a deadline passed */                                          \
	X(CANCELLED, "cancelled") /* the fiber was told to stop */                                 \
	X(LIMIT, "limit")         /* a named limit was reached */                                  \
	X(SYNTAX, "syntax")       /* bytes that do not follow the grammar */                       \
	X(PROTO, "protocol")      /* well-formed, but not what the protocol allows now */          \
	X(REPLY, "reply")         /* the peer refused; smtp/text hold its reply */                 \
	X(TLS, "tls")                                                                              \
	X(DNS, "dns")                                                                              \
	X(NOT_FOUND, "not-found")                                                                  \
	X(EXISTS, "exists")                                                                        \
	X(DENIED, "denied")                                                                        \
	X(BUSY, "busy")       /* a bounded queue or lease is taken; later may work */              \
	X(FULL, "full")       /* disk or budget spent */                                           \
	X(CORRUPT, "corrupt") /* stored data does not hold what it promises */                     \
	X(CONFIG, "config")                                                                        \
	X(STATE, "state")     /* not allowed in this state */                                      \
	X(VERSION, "version") /* made by a newer version */                                        \
	X(UNSUPPORTED, "unsupported")

enum err_code {
#define X(id, name) ERR_##id,
	ERR_CODES(X)
#undef X
		ERR_CODE_COUNT
};

/* How far the trouble reaches, smallest first: one recipient, the message, the peer (session,
 * site), ourselves. */
enum err_scope { ERR_SCOPE_RCPT, ERR_SCOPE_MSG, ERR_SCOPE_PEER, ERR_SCOPE_SELF };

enum err_again { ERR_AGAIN_LATER, ERR_AGAIN_NOW, ERR_AGAIN_NEVER };

#define ERR_TEXT_MAX 320

struct err {
	enum err_code code;
	enum err_scope scope;
	enum err_again again;
	int sys_errno; /* 0 when none */
	uint16_t smtp; /* reply code, 0 when none was said or is owed */
	uint16_t enh_class, enh_subject, enh_detail; /* RFC 3463 x.y.z, all 0 when none */
	char text[ERR_TEXT_MAX]; /* "outer: inner: cause", UTF-8, one line, for logs */
};

/** Fill `e` (when not NULL) and return -1. Scope becomes self, again later, no SMTP triple. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
int err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0), cold));
/** The same with ": " strerror(sys_errno) behind the text. */
int err_sys(struct err *e, int sys_errno, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
/** Put "fmt: " in front of the text; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
/** Set scope and again; returns -1, so that it ends a line: return err_scope_set(...). */
int err_scope_set(struct err *e, enum err_scope scope, enum err_again again);
/** Attach the SMTP triple: reply code and enhanced status code (0,0,0 for none); returns -1. */
int err_smtp(struct err *e, unsigned code, unsigned cls, unsigned subject, unsigned detail);
void err_clear(struct err *e);
/** Copy; either may be NULL. Returns -1. */
int err_copy(struct err *to, const struct err *from);

/** "timeout", "limit", ... */
const char *err_code_str(enum err_code code);
