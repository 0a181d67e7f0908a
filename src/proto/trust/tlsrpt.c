#include "proto/trust/tlsrpt.h"

#include "proto/trust/trust_record.h"

static const char *const result_names[] = {
#define X(id, name) [TLSRPT_##id] = name,
	TLSRPT_RESULTS(X)
#undef X
};
static const char *const policy_names[] = {
#define X(id, name) [TLSRPT_POLICY_##id] = name,
	TLSRPT_POLICIES(X)
#undef X
};

const char *tlsrpt_result_str(enum tlsrpt_result r)
{
	return r < TLSRPT_RESULT_COUNT ? result_names[r] : "?";
}

const char *tlsrpt_policy_str(enum tlsrpt_policy p)
{
	return p < TLSRPT_POLICY_COUNT ? policy_names[p] : "?";
}

bool tlsrpt_txt_claims(struct span text)
{
	return trust_record_claims(text, SPAN("v=TLSRPTv1"));
}

static void take_rua(struct tlsrpt_record *record, struct span value)
{
	struct span uri;
	bool is_more = true;

	while (is_more) {
		is_more = span_cut(value, ',', &uri, &value);
		uri = span_trim(uri);
		if (record->count == TLSRPT_RUA_MAX || span_find(uri, ' ') >= 0 ||
			span_find(uri, '\t') >= 0)
			continue;
		if ((span_starts_nocase(uri, SPAN("mailto:")) && uri.len > 7) ||
			(span_starts_nocase(uri, SPAN("https://")) && uri.len > 8))
			record->rua[record->count++] = uri;
	}
}

int tlsrpt_txt_parse(struct span text, struct tlsrpt_record *record_r, struct err *e)
{
	struct trust_record r;
	struct span key, value;
	bool has_rua = false;

	*record_r = (struct tlsrpt_record){0};
	if (text.len > TLSRPT_TXT_MAX)
		return err_set(e, ERR_LIMIT, "the record is longer than %d octets", TLSRPT_TXT_MAX);
	if (!tlsrpt_txt_claims(text))
		return err_set(e, ERR_SYNTAX, "it does not begin with \"v=TLSRPTv1;\"");
	trust_record_begin(&r, text);
	while (trust_record_next(&r, &key, &value)) {
		if (!span_eq(key, SPAN("rua")) || has_rua)
			continue;
		has_rua = true;
		take_rua(record_r, value);
	}
	if (!r.is_good)
		return err_set(e, ERR_SYNTAX, "not understood: \"" SPAN_FMT "\"",
			SPAN_ARG(span_sub(r.field, 0, 100)));
	if (!record_r->count)
		return err_set(e, ERR_SYNTAX,
			has_rua ? "no address in its rua is one of mailto: or https:"
				: "it has no rua");
	return 0;
}
