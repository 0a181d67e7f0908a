#pragma once
/* Shared between the files of the HTTP grammar; nobody else includes it. */

#include "proto/http/http_syntax.h"

/** Fill h->status and `e` (scope peer, never again); -1. */
int http_refuse(struct http_head *h, unsigned status, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5), cold));

/** h->target to path, query and segments, and the authority of an absolute form. */
int http_target_parse(struct arena *a, struct http_head *h, struct span *authority_r,
	bool *is_https_r, struct err *e);

bool http_is_tchar(unsigned char c);
static inline bool http_is_blank(char c)
{
	return c == ' ' || c == '\t';
}
/** `s` in lower case, in the arena. */
struct span http_lower(struct arena *a, struct span s);
