#include "proto/trust/dkim.h"

#include "base/must.h"
#include "proto/trust/trust_record.h"

static const char *const algorithm_names[] = {
#define X(id, name, key) [DKIM_##id] = name,
	DKIM_ALGORITHMS(X)
#undef X
};
static const char *const key_names[] = {
#define X(id, name, key) [DKIM_##id] = key,
	DKIM_ALGORITHMS(X)
#undef X
};
static const char *const canon_names[] = {
#define X(id, name) [DKIM_##id] = name,
	DKIM_CANONS(X)
#undef X
};

/* What a reader sees or acts on can neither be changed nor added to. What lists and forwarders add by
 * right (List-*, Sender, Resent-*) is sealed or covered only where it stood already: a list that leaves
 * a message as it was leaves its signature good. Not signed: what stations change (Received,
 * Return-Path, Authentication-Results), Bcc, and fields that nobody shows. */
static const struct dkim_rule rules[] = {
	{"From", DKIM_COVER_ALWAYS},
	{"To", DKIM_COVER_ALWAYS},
	{"Cc", DKIM_COVER_ALWAYS},
	{"Subject", DKIM_COVER_ALWAYS},
	{"Date", DKIM_COVER_ALWAYS},
	{"Reply-To", DKIM_COVER_ALWAYS},
	{"Message-ID", DKIM_COVER_ALWAYS},
	{"In-Reply-To", DKIM_COVER_ALWAYS},
	{"References", DKIM_COVER_ALWAYS},
	{"MIME-Version", DKIM_COVER_ALWAYS},
	{"Content-Type", DKIM_COVER_ALWAYS},
	{"Content-Transfer-Encoding", DKIM_COVER_ALWAYS},
	{"Content-Disposition", DKIM_COVER_SEALED},
	{"Content-ID", DKIM_COVER_SEALED},
	{"Content-Language", DKIM_COVER_SEALED},
	{"Sender", DKIM_COVER_SEALED},
	{"Auto-Submitted", DKIM_COVER_SEALED},
	{"List-Id", DKIM_COVER_SEALED},
	{"List-Unsubscribe", DKIM_COVER_SEALED}, /* RFC 8058 section 4: covered, both */
	{"List-Unsubscribe-Post", DKIM_COVER_SEALED},
	{"List-Subscribe", DKIM_COVER_SEALED},
	{"List-Post", DKIM_COVER_SEALED},
	{"List-Owner", DKIM_COVER_SEALED},
	{"List-Help", DKIM_COVER_SEALED},
	{"List-Archive", DKIM_COVER_SEALED},
	{"Autocrypt", DKIM_COVER_SEALED},
	{"Resent-From", DKIM_COVER_PRESENT},
	{"Resent-Sender", DKIM_COVER_PRESENT},
	{"Resent-To", DKIM_COVER_PRESENT},
	{"Resent-Cc", DKIM_COVER_PRESENT},
	{"Resent-Date", DKIM_COVER_PRESENT},
	{"Resent-Message-ID", DKIM_COVER_PRESENT},
};

const struct dkim_dialect dkim_rfc6376 = {.field = "DKIM-Signature",
	.version = "1",
	.key_version = "DKIM1",
	.key_label = "_domainkey",
	.service = "email",
	.rules = rules,
	.rule_count = ARRAY_LEN(rules)};

static bool find(const char *const *names, size_t count, struct span name, size_t *at_r)
{
	for (*at_r = 0; *at_r < count; ++*at_r) {
		if (span_eq(name, span_str(names[*at_r])))
			return true;
	}
	return false;
}

const char *dkim_algorithm_str(enum dkim_algorithm a)
{
	return a < DKIM_ALGORITHM_COUNT ? algorithm_names[a] : "?";
}

const char *dkim_algorithm_key_str(enum dkim_algorithm a)
{
	return a < DKIM_ALGORITHM_COUNT ? key_names[a] : "?";
}

bool dkim_algorithm_parse(struct span name, enum dkim_algorithm *a_r)
{
	size_t at;

	if (!find(algorithm_names, DKIM_ALGORITHM_COUNT, name, &at))
		return false;
	*a_r = (enum dkim_algorithm)at;
	return true;
}

bool dkim_algorithm_parse_key(struct span type, enum dkim_algorithm *a_r)
{
	size_t at;

	if (!find(key_names, DKIM_ALGORITHM_COUNT, type, &at))
		return false;
	*a_r = (enum dkim_algorithm)at;
	return true;
}

const char *dkim_canon_str(enum dkim_canon c)
{
	return c < DKIM_CANON_COUNT ? canon_names[c] : "?";
}

bool dkim_canon_parse(struct span name, enum dkim_canon *c_r)
{
	size_t at;

	if (!find(canon_names, DKIM_CANON_COUNT, name, &at))
		return false;
	*c_r = (enum dkim_canon)at;
	return true;
}

struct span dkim_key_name(
	struct arena *a, const struct dkim_dialect *d, struct span selector, struct span domain)
{
	return span_str(arena_printf(
		a, SPAN_FMT ".%s." SPAN_FMT, SPAN_ARG(selector), d->key_label, SPAN_ARG(domain)));
}

bool dkim_is_selector(struct span s)
{
	return trust_is_domain(s) && s.ptr[s.len - 1] != '.';
}

bool dkim_is_within(struct span domain, struct span parent)
{
	if (!parent.len || !span_ends_nocase(domain, parent))
		return false;
	return domain.len == parent.len || domain.ptr[domain.len - parent.len - 1] == '.';
}
