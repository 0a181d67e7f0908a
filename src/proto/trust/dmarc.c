#include "proto/trust/dmarc.h"

#include "proto/trust/trust_record.h"

static const char *const policy_names[] = {
#define X(id, name) [DMARC_##id] = name,
	DMARC_POLICIES(X)
#undef X
};

const char *dmarc_policy_str(enum dmarc_policy p)
{
	return p < DMARC_POLICY_COUNT ? policy_names[p] : "?";
}

/* What has been seen of a record; "bad" is a policy that is none of the three. */
struct seen {
	bool p, p_bad, sp, sp_bad, np, np_bad, t, psd, rua, rua_good;
};

static struct span trim_blanks(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		s = span_skip(s, 1);
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* dmarc-tag: 1*ALPHA *WSP "=" *WSP value, of printing characters. */
static bool cut_tag(struct span field, struct span *name_r, struct span *value_r)
{
	if (!span_cut(field, '=', name_r, value_r))
		return false;
	*name_r = trim_blanks(*name_r);
	*value_r = trim_blanks(*value_r);
	for (size_t i = 0; i < name_r->len; i++) {
		char c = (char)span_lower((unsigned char)name_r->ptr[i]);

		if (c < 'a' || c > 'z')
			return false;
	}
	for (size_t i = 0; i < value_r->len; i++) {
		unsigned char c = (unsigned char)value_r->ptr[i];

		if (c < 0x20 || c > 0x7e)
			return false;
	}
	return name_r->len > 0 && value_r->len > 0;
}

static void take_policy(struct span value, bool *has, bool *is_bad, enum dmarc_policy *p_r)
{
	if (*has || *is_bad)
		return;
	for (size_t i = 0; i < DMARC_POLICY_COUNT; i++)
		if (span_eq_nocase(value, span_str(policy_names[i]))) {
			*p_r = (enum dmarc_policy)i;
			*has = true;
			return;
		}
	*is_bad = true;
}

/* Somebody reads reports: at least one URI that could be one. */
static bool is_rua(struct span value)
{
	struct span uri, scheme, rest;
	bool is_more = true;

	while (is_more) {
		is_more = span_cut(value, ',', &uri, &value);
		if (span_cut(trim_blanks(uri), ':', &scheme, &rest) && trust_is_name(scheme) &&
			rest.len)
			return true;
	}
	return false;
}

static void take_flag(struct span value, const char *allowed, bool *has, char *flag_r)
{
	char c = value.len == 1 ? (char)span_lower((unsigned char)value.ptr[0]) : 0;

	if (*has)
		return;
	*has = true;
	for (; *allowed; allowed++)
		if (*allowed == c)
			*flag_r = c;
}

static void take_tag(struct dmarc_record *r, struct seen *s, struct span name, struct span value)
{
	char t = r->is_testing ? 'y' : 'n';

	if (span_eq_nocase(name, SPAN("p"))) {
		take_policy(value, &s->p, &s->p_bad, &r->p);
	} else if (span_eq_nocase(name, SPAN("sp"))) {
		take_policy(value, &s->sp, &s->sp_bad, &r->sp);
	} else if (span_eq_nocase(name, SPAN("np"))) {
		take_policy(value, &s->np, &s->np_bad, &r->np);
	} else if (span_eq_nocase(name, SPAN("psd"))) {
		take_flag(value, "ynu", &s->psd, &r->psd);
	} else if (span_eq_nocase(name, SPAN("t"))) {
		take_flag(value, "yn", &s->t, &t);
		r->is_testing = t == 'y';
	} else if (span_eq_nocase(name, SPAN("rua")) && !s->rua) {
		s->rua = true;
		s->rua_good = is_rua(value);
	}
}

/* dmarc-version: the first tag, and its value in this very case. */
static bool is_version(struct span field)
{
	struct span name, value;

	return cut_tag(trim_blanks(field), &name, &value) && span_eq_nocase(name, SPAN("v")) &&
		span_eq(value, SPAN("DMARC1"));
}

bool dmarc_parse(struct span text, struct dmarc_record *r_r)
{
	struct seen s = {0};
	struct span field, name, value;
	bool is_more;

	*r_r = (struct dmarc_record){.psd = 'u'};
	if (text.len > DMARC_TXT_MAX)
		return false;
	is_more = span_cut(text, ';', &field, &text);
	if (!is_version(field))
		return false;
	while (is_more) {
		is_more = span_cut(text, ';', &field, &text);
		if (cut_tag(trim_blanks(field), &name, &value))
			take_tag(r_r, &s, name, value);
	}
	/* Section 4.10.1: what is not understood asks for nothing, and counts as a record only where
	 * somebody reads reports. A record without p is one of p=none (section 4.7). */
	if (s.p_bad || s.sp_bad || s.np_bad) {
		r_r->p = r_r->sp = r_r->np = DMARC_NONE;
		return s.rua_good;
	}
	r_r->has_sp = s.sp;
	r_r->has_np = s.np;
	if (!s.sp)
		r_r->sp = r_r->p;
	if (!s.np)
		r_r->np = r_r->sp;
	return true;
}

enum dmarc_policy dmarc_policy_for(const struct dmarc_record *r, bool is_subdomain, bool exists)
{
	enum dmarc_policy p = r->p;

	if (is_subdomain)
		p = exists ? r->sp : r->np;
	/* Section 4.7, "t": a policy that is tried out is applied one step below. */
	return r->is_testing && p != DMARC_NONE ? p - 1 : p;
}
