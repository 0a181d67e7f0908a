#include "proto/trust/mta_sts.h"

#include <string.h>

#include "base/must.h"
#include "proto/trust/trust_record.h"

#define MTA_STS_KEY_MAX 64

static const char *const mode_names[] = {
#define X(id, name) [MTA_STS_##id] = name,
	MTA_STS_MODES(X)
#undef X
};

const char *mta_sts_mode_str(enum mta_sts_mode m)
{
	return m < MTA_STS_MODE_COUNT ? mode_names[m] : "?";
}

/* ---- the TXT record (section 3.1) ---- */

bool mta_sts_txt_claims(struct span text)
{
	return trust_record_claims(text, SPAN("v=STSv1"));
}

static bool is_id(struct span id)
{
	for (size_t i = 0; i < id.len; i++)
		if (!trust_is_alnum(id.ptr[i]))
			return false;
	return id.len > 0 && id.len <= MTA_STS_ID_MAX;
}

int mta_sts_txt_parse(struct span text, struct span *id_r, struct err *e)
{
	struct trust_record r;
	struct span key, value;

	*id_r = SPAN_NONE;
	if (text.len > MTA_STS_TXT_MAX)
		return err_set(
			e, ERR_LIMIT, "the record is longer than %d octets", MTA_STS_TXT_MAX);
	if (!mta_sts_txt_claims(text))
		return err_set(e, ERR_SYNTAX, "it does not begin with \"v=STSv1;\"");
	trust_record_begin(&r, text);
	while (trust_record_next(&r, &key, &value)) {
		if (!span_eq(key, SPAN("id")) || id_r->len)
			continue;
		if (!is_id(value))
			return err_set(e, ERR_SYNTAX, "its id is not 1 to %d letters and digits",
				MTA_STS_ID_MAX);
		*id_r = value;
	}
	if (!r.is_good)
		return err_set(e, ERR_SYNTAX, "not understood: \"" SPAN_FMT "\"",
			SPAN_ARG(span_sub(r.field, 0, 100)));
	if (!id_r->len)
		return err_set(e, ERR_SYNTAX, "it has no id");
	return 0;
}

/* ---- the policy (section 3.2) ---- */

struct reader {
	struct arena *arena;
	struct mta_sts_policy *policy;
	bool has_version, has_mode, has_age;
};

static bool take_mode(struct mta_sts_policy *p, struct span value)
{
	for (size_t i = 0; i < MTA_STS_MODE_COUNT; i++)
		if (span_eq(value, span_str(mode_names[i]))) {
			p->mode = (enum mta_sts_mode)i;
			return true;
		}
	return false;
}

/* 1*10(DIGIT), and no more than a year counts. */
static bool take_age(struct mta_sts_policy *p, struct span value)
{
	if (value.len > 10 || !span_u64(value, &p->max_age))
		return false;
	if (p->max_age > MTA_STS_AGE_MAX)
		p->max_age = MTA_STS_AGE_MAX;
	return true;
}

static bool take_mx(struct reader *r, struct span value)
{
	struct mta_sts_policy *p = r->policy;
	struct span name = span_starts(value, SPAN("*.")) ? span_skip(value, 2) : value;
	char *copy;

	if (!trust_is_domain(name) || p->mx_count == MTA_STS_PATTERNS_MAX)
		return false;
	if (!p->mx)
		p->mx = ARENA_ARRAY(r->arena, struct span, MTA_STS_PATTERNS_MAX);
	if (value.ptr[value.len - 1] == '.')
		value.len--;
	copy = arena_str(r->arena, value);
	for (size_t i = 0; i < value.len; i++)
		copy[i] = (char)span_lower((unsigned char)copy[i]);
	p->mx[p->mx_count++] = span_of(copy, value.len);
	return true;
}

static bool take_field(struct reader *r, struct span key, struct span value)
{
	bool is_first;

	if (span_eq(key, SPAN("version"))) {
		is_first = !r->has_version;
		r->has_version = true;
		return !is_first || span_eq(value, SPAN("STSv1"));
	}
	if (span_eq(key, SPAN("mode"))) {
		is_first = !r->has_mode;
		r->has_mode = true;
		return !is_first || take_mode(r->policy, value);
	}
	if (span_eq(key, SPAN("max_age"))) {
		is_first = !r->has_age;
		r->has_age = true;
		return !is_first || take_age(r->policy, value);
	}
	if (span_eq(key, SPAN("mx")))
		return take_mx(r, value);
	return trust_is_name(key);
}

int mta_sts_parse(struct arena *a, struct span text, struct mta_sts_policy *policy_r, struct err *e)
{
	struct reader r = {.arena = a, .policy = policy_r};
	struct span line, key, value;
	bool is_more = true;

	*policy_r = (struct mta_sts_policy){0};
	if (text.len > MTA_STS_FILE_MAX)
		return err_set(e, ERR_LIMIT, "longer than %d octets", MTA_STS_FILE_MAX);
	while (is_more) {
		is_more = span_cut(text, '\n', &line, &text);
		line = span_trim(line);
		if (line.len == 0)
			continue;
		if (!span_cut(line, ':', &key, &value) || !trust_is_text(line) ||
			!take_field(&r, span_trim(key), span_trim(value)))
			return err_set(e, ERR_SYNTAX, "not understood: \"" SPAN_FMT "\"",
				SPAN_ARG(span_sub(line, 0, 200)));
	}
	if (!r.has_version)
		return err_set(e, ERR_SYNTAX, "it lacks \"version: STSv1\"");
	if (!r.has_mode)
		return err_set(e, ERR_SYNTAX, "it has no mode");
	if (!r.has_age)
		return err_set(e, ERR_SYNTAX, "it has no max_age");
	if (policy_r->mx_count == 0 && policy_r->mode != MTA_STS_NONE)
		return err_set(e, ERR_SYNTAX, "it names no mx");
	return 0;
}

/* ---- hosts (section 4.1) ---- */

static struct span without_dot(struct span name)
{
	if (name.len && name.ptr[name.len - 1] == '.')
		name.len--;
	return name;
}

bool mta_sts_fits(struct span pattern, struct span host)
{
	struct span first, rest;

	pattern = without_dot(pattern);
	host = without_dot(host);
	if (host.len == 0)
		return false;
	if (!span_starts(pattern, SPAN("*.")))
		return span_eq_nocase(pattern, host);
	/* exactly one label stands for the star */
	return span_cut(host, '.', &first, &rest) && first.len &&
		span_eq_nocase(span_skip(pattern, 2), rest);
}

bool mta_sts_allows(const struct mta_sts_policy *p, struct span host)
{
	for (size_t i = 0; i < p->mx_count; i++)
		if (mta_sts_fits(p->mx[i], host))
			return true;
	return false;
}
