/* Whatever is submitted: what leaves has one From, every reader finds nobody but the account in it, its
 * header ends where the gate says, no blind copy is left, and the cut of the input does not matter. */
#include <string.h>

#include "base/must.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_address.h"
#include "services/submission/submission.h"

static const struct submission_policy policy = {.hostname = "mx.our.example", .separator = '+'};
static const struct submission_user alice = {
	.account_id = 1, .address = SPAN("alice@our.example"), .name = SPAN("Alice")};

static bool is_hers(struct span address)
{
	return span_eq_nocase(address, alice.address) ||
		span_eq_nocase(address, SPAN("team@our.example"));
}

static int may(void *arg, struct span address, struct err *e)
{
	(void)arg;
	return is_hers(address) ? 0 : err_set(e, ERR_DENIED, "not hers");
}

static bool pass(struct arena *a, const uint8_t *data, size_t size, size_t cut, struct span *out_r)
{
	struct submission_gate_opts opts = {
		.policy = &policy, .user = &alice, .is_smtputf8 = size % 2, .may = may};
	struct submission_gate *g = submission_gate_new(a, &opts);
	struct span header, rest;
	size_t at = 0, taken = 0, n = 1;
	bool is_good = true;

	for (; is_good && at < size && !submission_gate_is_done(g) && n; at += taken) {
		n = cut < size - at ? cut : size - at;
		is_good = submission_gate_feed(g, span_of(data + at, n), &taken, NULL) == 0;
		if (taken < n)
			n = 0; /* the header ends within it */
	}
	is_good = is_good && submission_gate_end(g, &header, &rest, NULL) == 0;
	if (is_good) {
		struct buf *out = arena_buf(a, 16 * 1024 * 1024);
		struct mail_header h;

		buf_span_put(out, header);
		buf_span_put(out, rest);
		buf_span_put(out, span_of(data + at, size - at));
		MUST(buf_ok(out));
		*out_r = buf_span(out);
		mail_header_init(&h, NULL, NULL);
		mail_header_feed(&h, *out_r);
		mail_header_finish(&h);
		MUST(h.body_offset == header.len && h.count[MAIL_FROM] == 1);
		MUST(!h.count[MAIL_BCC] && !h.count[MAIL_RETURN_PATH] && h.count[MAIL_DATE] == 1);
		mail_header_fini(&h);
	}
	submission_gate_free(&g);
	return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct mime_address_list l;
	struct mail_mailbox m;
	struct span out, again, from;
	bool is_good = pass(a, data, size, SIZE_MAX, &out);

	MUST(pass(a, data, size, size % 5 + 1, &again) == is_good);
	if (is_good) {
		MUST(span_eq(out, again));
		MUST(mail_header_find(out, SPAN("From"), &from));
		mime_address_parse(a, from, 1000, &l);
		MUST(l.count && l.count == l.mailboxes);
		for (size_t i = 0; i < l.count; i++)
			MUST(is_hers(mime_address_spec(a, &l.items[i])));
		while (mail_mailbox_next(a, &from, &m))
			MUST(is_hers(m.address));
	}
	arena_free(&a);
	return 0;
}
