/* Addresses, dates, ids and parameters: they end, stay within their text, and an address written out
 * again is read as the same one. */
#include "base/must.h"
#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"
#include "proto/mail/mime_param.h"

static void again(struct arena *a, const struct mime_address *m)
{
	struct mime_address_list l;
	struct span text = mime_address_spec(a, m);

	if (m->kind != MIME_MAILBOX || m->defects || !m->domain.len || m->domain.ptr[0] == '[')
		return;
	for (size_t i = 0; i < text.len; i++) /* a fold within quotes goes away */
		if (text.ptr[i] == '\r' || text.ptr[i] == '\n' || !text.ptr[i])
			return;
	mime_address_parse(a, text, 10, &l);
	MUST(l.count == 1 && span_eq(l.items[0].local, m->local));
	MUST(span_eq(l.items[0].domain, m->domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct arena *a = arena_new();
	struct mime_address_list l;
	struct mime_date d;
	struct mime_ids ids;
	struct mime_value v;
	uint64_t defects = 0;

	mime_address_parse(a, in, 1000, &l);
	MUST(l.count <= 1002);
	for (size_t i = 0; i < l.count; i++)
		again(a, &l.items[i]);
	if (mime_date_parse(in, &d))
		MUST(d.zone_minutes > -6000 && d.zone_minutes < 6000);
	mime_ids_parse(a, in, &ids);
	for (size_t i = 0; i < ids.count; i++)
		MUST(ids.items[i].len >= 2 && ids.items[i].ptr[0] == '<');
	mime_type_parse(a, in, 100, &v);
	for (size_t i = 0; i < v.param_count; i++)
		mime_param_text(a, &v.params[i], &defects);
	MUST(v.param_count <= v.raw_count && v.raw_count <= 100);
	mime_disposition_parse(a, in, 100, &v);
	arena_free(&a);
	return 0;
}
