/* Received fields and the way of a message: proto/mail's findings with a C face. */
#include <stdlib.h>
#include <string.h>

#include "yizhan.h"

#include "base/mem.h"
#include "base/must.h"
#include "proto/mail/journey.h"

#define TRUST_MAX 256
#define TEXT_MAX  (1 << 20) /* octets of a remark */

struct received_owner {
	struct yz_received face; /* first: what the caller has */
	struct arena *a;
};
struct journey_owner {
	struct yz_journey face;
	struct arena *a;
};

static const char *text(struct arena *a, struct span s)
{
	return s.len ? arena_str(a, s) : NULL;
}

static const char *const *defects_of(struct arena *a, const struct received *r)
{
	const char **list = ARENA_ARRAY(a, const char *, RECEIVED_DEFECT_COUNT + 1);
	size_t n = 0;

	for (unsigned i = 0; i < RECEIVED_DEFECT_COUNT; i++)
		if (received_has(r, (enum received_defect)i))
			list[n++] = received_defect_name((enum received_defect)i);
	return list;
}

static void show(struct arena *a, const struct received *r, struct yz_received *to)
{
	static const enum yz_told told[] = {[RECEIVED_TLS_UNKNOWN] = YZ_NOT_TOLD,
		[RECEIVED_TLS_NO] = YZ_TOLD_NO,
		[RECEIVED_TLS_YES] = YZ_TOLD_YES};

	*to = (struct yz_received){
		.by = text(a, r->by),
		.by_address = text(a, r->by_ip.text),
		.software = text(a, r->software),
		.from = text(a, r->from),
		.helo = text(a, r->helo),
		.reverse_name = text(a, r->reverse),
		.address = text(a, r->from_ip.text),
		.via = text(a, r->via),
		.with = text(a, r->with),
		.id = text(a, r->id),
		.recipient = text(a, r->for_address),
		.sender = text(a, r->sender),
		.login = text(a, r->login),
		.kind = received_kind_name(r->kind),
		.tls = told[r->tls],
		.tls_version = text(a, r->tls_version),
		.tls_cipher = text(a, r->tls_cipher),
		.tls_bits = r->tls_bits,
		.is_auth = r->is_auth,
		.is_utf8 = r->is_utf8,
		.has_date = r->has_date,
		.date = {r->date.unix_sec, r->date.zone_minutes, r->date.has_zone,
			r->date.is_obsolete},
		.date_text = text(a, r->date_text),
		.defects = defects_of(a, r),
	};
}

struct yz_received *yz_received_parse(const char *value, size_t n)
{
	struct received_owner *o = NEW(struct received_owner);
	struct received r;

	o->a = arena_new();
	received_parse(o->a, span_of(value, n), &r);
	show(o->a, &r, &o->face);
	return &o->face;
}

void yz_received_free(struct yz_received **r)
{
	struct received_owner *o = (struct received_owner *)*r;

	if (!o)
		return;
	*r = NULL;
	arena_free(&o->a);
	free(o);
}

static void show_remarks(struct arena *a, const struct journey *j, size_t at, struct yz_hop *to)
{
	const char **names = ARENA_ARRAY(a, const char *, JOURNEY_REMARK_COUNT + 1);
	const char **texts = ARENA_ARRAY(a, const char *, JOURNEY_REMARK_COUNT + 1);
	size_t n = 0;
	struct buf b;

	buf_init(&b, TEXT_MAX);
	for (unsigned i = 0; i < JOURNEY_REMARK_COUNT; i++) {
		if (!journey_has(&j->hops[at], (enum journey_remark)i))
			continue;
		buf_clear(&b);
		journey_remark_put(&b, j, at, (enum journey_remark)i);
		names[n] = journey_remark_name((enum journey_remark)i);
		texts[n++] = arena_str(a, buf_span(&b));
	}
	buf_fini(&b);
	to->remarks = names;
	to->texts = texts;
}

static void show_hops(struct arena *a, const struct journey *j, struct yz_journey *to)
{
	struct yz_hop *hops = ARENA_ARRAY(a, struct yz_hop, j->hop_count + 1);

	for (size_t i = 0; i < j->hop_count; i++) {
		const struct journey_hop *h = &j->hops[i];

		show(a, &h->r, &hops[i].received);
		hops[i].is_local = h->is_local;
		hops[i].is_trusted = h->is_trusted;
		hops[i].has_delay = h->has_delay;
		hops[i].delay_sec = h->delay_sec;
		hops[i].raw_sec = h->raw_sec;
		hops[i].skew_sec = h->skew_sec;
		show_remarks(a, j, i, &hops[i]);
	}
	to->hops = hops;
	to->hop_count = j->hop_count;
	to->hops_left_out = j->hops_left_out;
}

static void show_checks(struct arena *a, const struct journey *j, struct yz_journey *to)
{
	size_t count = 0;
	struct yz_check *checks;

	for (size_t i = 0; i < j->auth_count; i++)
		count += j->auth[i].count;
	to->checks = checks = ARENA_ARRAY(a, struct yz_check, count + 1);
	for (size_t i = 0; i < j->auth_count; i++) {
		const struct journey_auth *auth = &j->auth[i];

		for (size_t k = 0; k < auth->count; k++)
			checks[to->check_count++] = (struct yz_check){arena_str(a, auth->server),
				arena_str(a, auth->items[k].method),
				arena_str(a, auth->items[k].result),
				arena_str(a, auth->items[k].detail),
				arena_str(a, auth->items[k].reason), auth->is_trusted};
	}
}

static void read_options(
	struct arena *a, const struct yz_journey_options *options, struct journey_options *to)
{
	struct yz_journey_options o = {0};
	struct span *trust = ARENA_ARRAY(a, struct span, TRUST_MAX);

	if (options)
		memcpy(&o, options, options->size < sizeof(o) ? options->size : sizeof(o));
	to->now_sec = o.now;
	to->trust = trust;
	for (size_t i = 0; o.trust && o.trust[i] && i < TRUST_MAX; i++)
		trust[to->trust_count++] = span_str(o.trust[i]);
}

struct yz_journey *yz_journey_new(
	const void *octets, size_t n, const struct yz_journey_options *options)
{
	struct arena *a = arena_new();
	struct journey *j = ARENA_NEW(a, struct journey);
	struct journey_options o = {0};
	struct journey_owner *owner;
	struct buf b;

	read_options(a, options, &o);
	if (!journey_read(a, span_of(octets, n), &o, j)) {
		arena_free(&a);
		return NULL;
	}
	owner = NEW(struct journey_owner);
	owner->a = a;
	show_hops(a, j, &owner->face);
	show_checks(a, j, &owner->face);
	owner->face.claims = j->claims;
	owner->face.is_loop = j->is_loop;
	owner->face.has_total = j->has_total;
	owner->face.total_sec = j->total_sec;
	owner->face.network = j->network;
	owner->face.with_tls = j->with_tls;
	buf_init(&b, TEXT_MAX);
	journey_summary_put(&b, j);
	owner->face.summary = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return &owner->face;
}

void yz_journey_free(struct yz_journey **j)
{
	struct journey_owner *o = (struct journey_owner *)*j;

	if (!o)
		return;
	*j = NULL;
	arena_free(&o->a);
	free(o);
}
