#pragma once
/* Header fields as JMAP tells them (RFC 8621 sections 4.1.2 and 4.1.3). Pure but for iconv: not on a loop's
 * thread. */

#include "base/arena.h"
#include "base/json_out.h"
#include "proto/mail/mime_address.h"

#define JMAP_HEADER_NAME_MAX 200 /* octets of a field's name in a property */

/* id, suffix of the property */
#define JMAP_FORMS(X)                                                                              \
	X(RAW, "asRaw")                                                                            \
	X(TEXT, "asText")                                                                          \
	X(ADDRESSES, "asAddresses")                                                                \
	X(GROUPED, "asGroupedAddresses")                                                           \
	X(IDS, "asMessageIds")                                                                     \
	X(DATE, "asDate")                                                                          \
	X(URLS, "asURLs")
enum jmap_form {
#define X(id, suffix) JMAP_FORM_##id,
	JMAP_FORMS(X)
#undef X
		JMAP_FORM_COUNT
};

/* "header:List-Post:asURLs:all" */
struct jmap_header_want {
	struct span name;
	enum jmap_form form;
	bool is_all;
};
/** Of a property that begins with "header:". False: it is none that there may be: no field's name, an unknown
 * form, or one that the field may not be asked in (section 4.1.2). Borrows from `property`. */
bool jmap_header_want_of(struct span property, struct jmap_header_want *w_r);

/* The fields of one header section, in order. */
struct jmap_field {
	struct span name, value; /* value raw, without the last line end */
};
struct jmap_headers {
	struct jmap_field *list;
	size_t count, room;
};
/** Append those of `section` (octets behind it do no harm); copies live in `a`. */
void jmap_headers_add(struct arena *a, struct jmap_headers *h, struct span section);

/** The value of what is wanted: the last such field's, null when there is none; all of them as a list. */
void jmap_put_header(struct json_out *j, struct arena *a, const struct jmap_headers *h,
	const struct jmap_header_want *w);
/** [{"name", "value"} …] (the property `headers`). */
void jmap_put_headers(struct json_out *j, const struct jmap_headers *h);

/* Values in one form each, as jmap_put_header has them; `value` is raw. */
void jmap_put_form(struct json_out *j, struct arena *a, struct span value, enum jmap_form form);
/** [{"name", "email"} …] of a list that was parsed already. */
void jmap_put_addresses(struct json_out *j, struct arena *a, const struct mime_address_list *list);
