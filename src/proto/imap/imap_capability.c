#include "proto/imap/imap_capability.h"

#include "base/must.h"

static const struct imap_cap_row rows[IMAP_CAP_COUNT] = {
#define X(id, name, rfc, shown, is_enable)                                                         \
	[IMAP_CAP_##id] = {name, rfc, IMAP_SHOW_##shown, is_enable},
	IMAP_CAPABILITIES(X)
#undef X
};

/* What stands on others: without one of `wants` it goes. */
static const struct {
	uint64_t bit, wants;
} needs[] = {
	/* RFC 9051 appendix E: these are within it */
	{IMAP_BIT(IMAP4REV2),
		IMAP_BIT(NAMESPACE) | IMAP_BIT(UNSELECT) | IMAP_BIT(UIDPLUS) | IMAP_BIT(ESEARCH) |
			IMAP_BIT(SEARCHRES) | IMAP_BIT(ENABLE) | IMAP_BIT(IDLE) |
			IMAP_BIT(SASL_IR) | IMAP_BIT(LIST_EXTENDED) | IMAP_BIT(LIST_STATUS) |
			IMAP_BIT(CHILDREN) | IMAP_BIT(SPECIAL_USE) | IMAP_BIT(MOVE) |
			IMAP_BIT(BINARY) | IMAP_BIT(STATUS_SIZE)},
	{IMAP_BIT(CONDSTORE), IMAP_BIT(ENABLE)},
	/* RFC 7162 section 3.2.3 */
	{IMAP_BIT(QRESYNC), IMAP_BIT(CONDSTORE) | IMAP_BIT(ENABLE)},
	{IMAP_BIT(UTF8_ACCEPT), IMAP_BIT(ENABLE)},
	{IMAP_BIT(UIDONLY), IMAP_BIT(ENABLE)},
	{IMAP_BIT(SEARCHRES), IMAP_BIT(ESEARCH)},
	/* RFC 9394 section 3.1: it is a return option */
	{IMAP_BIT(PARTIAL), IMAP_BIT(ESEARCH)},
	{IMAP_BIT(MULTISEARCH), IMAP_BIT(ESEARCH)},
	{IMAP_BIT(ESORT), IMAP_BIT(SORT) | IMAP_BIT(ESEARCH)},
	{IMAP_BIT(SORT_DISPLAY), IMAP_BIT(SORT)},
	{IMAP_BIT(LIST_STATUS), IMAP_BIT(LIST_EXTENDED)},
	{IMAP_BIT(LIST_MYRIGHTS), IMAP_BIT(LIST_EXTENDED) | IMAP_BIT(ACL)},
	{IMAP_BIT(LIST_METADATA), IMAP_BIT(LIST_EXTENDED) | IMAP_BIT(METADATA)},
	{IMAP_BIT(CREATE_SPECIAL_USE), IMAP_BIT(SPECIAL_USE)},
	{IMAP_BIT(RIGHTS_TEKX), IMAP_BIT(ACL)},
	{IMAP_BIT(QUOTA_RES_STORAGE), IMAP_BIT(QUOTA)},
	{IMAP_BIT(QUOTA_RES_MESSAGE), IMAP_BIT(QUOTA)},
	{IMAP_BIT(QUOTASET), IMAP_BIT(QUOTA)},
};

const struct imap_cap_row *imap_cap_row(enum imap_cap cap)
{
	MUST(cap < IMAP_CAP_COUNT);
	return &rows[cap];
}

int imap_cap_find(struct span name)
{
	for (int i = 0; i < IMAP_CAP_COUNT; i++)
		if (span_eq_nocase(name, span_str(rows[i].name)))
			return i;
	return -1;
}

uint64_t imap_caps_close(uint64_t caps)
{
	uint64_t before;

	do {
		before = caps;
		for (size_t i = 0; i < ARRAY_LEN(needs); i++)
			if ((caps & needs[i].wants) != needs[i].wants)
				caps &= ~needs[i].bit;
	} while (caps != before);
	return caps;
}

static bool is_shown(
	enum imap_cap cap, uint64_t caps, bool is_logged_in, const struct imap_cap_values *values)
{
	if (!(caps & (UINT64_C(1) << cap)))
		return false;
	/* RFC 9738 section 4: never without its value */
	if (cap == IMAP_CAP_MESSAGELIMIT && !values->message_limit)
		return false;
	/* RFC 7888 section 5: never both */
	if (cap == IMAP_CAP_LITERAL_MINUS && (caps & IMAP_BIT(LITERAL_PLUS)))
		return false;
	switch (rows[cap].shown) {
	case IMAP_SHOW_EARLY: return true;
	case IMAP_SHOW_LATE: return is_logged_in;
	case IMAP_SHOW_CLEAR: return !is_logged_in;
	}
	return false;
}

void imap_caps_put(
	struct buf *b, uint64_t caps, bool is_logged_in, const struct imap_cap_values *values)
{
	for (int i = 0; i < IMAP_CAP_COUNT; i++) {
		uint64_t value = i == IMAP_CAP_APPENDLIMIT ? values->append_limit
			: i == IMAP_CAP_MESSAGELIMIT       ? values->message_limit
							   : 0;

		if (!is_shown((enum imap_cap)i, caps, is_logged_in, values))
			continue;
		buf_char(b, ' ');
		buf_str(b, rows[i].name);
		if (value) {
			buf_char(b, '=');
			buf_u64(b, value);
		}
	}
}
