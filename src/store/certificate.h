#pragma once
/* Certificates that an authority has given us (ACME, docs/certificates.md), with what is under way for
 * each: what a restart goes on with, and another machine on the same store. Spans of answers live in the
 * arena given. Keys are in here: nothing of a row is logged. */

#include "store/store.h"

#define CERTIFICATE_NAME_MAX 255
#define CERTIFICATE_TEXT_MAX (256 * 1024) /* of a chain */
#define CERTIFICATES_MAX     1000

struct certificate {
	struct span name;  /* of the row: the first of its names */
	struct span names; /* blanks between */
	struct span chain_pem,
		key_pem; /* "" none yet; the last ones stay until new ones are here */
	int64_t not_before_ns, not_after_ns;
	int64_t next_ns;                      /* when it is asked for (again); wall clock */
	int64_t tries;                        /* since the last success */
	struct span order_url, order_key_pem; /* under way; "" none */
	struct span error;                    /* of the last try; "" it went well */
};

FIBER int certificate_find(struct store *s, struct arena *a, struct span name,
	struct certificate *row_r, bool *is_found_r, struct err *e);
/** Add or replace. ERR_LIMIT. */
FIBER int certificate_put(struct store *s, const struct certificate *row, struct err *e);
/** ERR_NOT_FOUND. */
FIBER int certificate_remove(struct store *s, struct span name, struct err *e);
FIBER int certificate_list(struct store *s, struct arena *a, struct certificate **list_r,
	size_t *count_r, struct err *e);
/** The same without a fiber: before loops run, and on lanes. Blocks. */
int certificate_list_blocking(struct store *s, struct arena *a, struct certificate **list_r,
	size_t *count_r, struct err *e);
