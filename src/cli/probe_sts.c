/* MTA-STS (RFC 8461): the policy behind https, and the hosts that it names. */

#include "proto/trust/mta_sts.h"
#include "services/tlspolicy/sts_fetch.h"
#include "cli/probe.h"

static void read_policy(struct probe *p, struct span text)
{
	struct probe_domain *d = &p->domain;
	struct mta_sts_policy policy;
	struct err e = {0};

	if (mta_sts_parse(p->arena, text, &policy, &e) < 0) {
		d->policy_why = arena_str(p->arena, span_str(e.text));
		return;
	}
	d->policy_mode = mta_sts_mode_str(policy.mode);
	d->max_age = policy.max_age;
	d->patterns = ARENA_ARRAY(p->arena, const char *, policy.mx_count);
	for (size_t i = 0; i < policy.mx_count; i++)
		d->patterns[d->pattern_count++] = arena_str(p->arena, policy.mx[i]);
	for (size_t i = 0; i < p->host_count; i++)
		p->hosts[i].is_in_policy = mta_sts_allows(&policy, span_str(p->hosts[i].name))
			? PROBE_YES
			: PROBE_NO;
}

FIBER void probe_sts(struct probe *p)
{
	struct probe_domain *d = &p->domain;
	struct sts_fetch fetch = {.lane = p->lane,
		.dns = p->dns,
		.timeout_ns = p->timeout_ns,
		.agent = "yizhan-probe/" YIZHAN_VERSION,
		.ca_file = p->ca_file};
	enum tlsrpt_result kind;
	struct err e = {0};
	struct span text;

	if (!d->sts_txt)
		return;
	for (size_t i = 0; i < p->map_count; i++)
		if (p->maps[i].from == 443)
			fetch.port = p->maps[i].to;
	if (sts_fetch(&fetch, p->arena, span_str(d->name), &text, &kind, &e) < 0) {
		d->policy_why = arena_str(p->arena, span_str(e.text));
		return;
	}
	d->policy = arena_str(p->arena, text);
	read_policy(p, text);
}
