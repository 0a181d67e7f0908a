#include "proto/mail/journey.h"

#include <string.h>

#include "base/must.h"
#include "proto/mail/journey_priv.h"
#include "proto/mail/mail_header.h"
#include "proto/mail/mail_word.h"

struct gathering {
	struct arena *a;
	struct journey *j;
	size_t received; /* seen so far, all of them */
	size_t delivered_at[JOURNEY_LIST_MAX];
	size_t auth_at[JOURNEY_LIST_MAX];
	struct journey_hop *newest_first;
};

static bool is_named(const struct mail_field *f, const char *name)
{
	return span_eq_nocase(f->name, span_str(name));
}

static struct span text_of(struct gathering *g, const struct mail_field *f)
{
	return arena_span(g->a, mail_word_decode(g->a, f->value));
}

static struct span path_of(struct gathering *g, const struct mail_field *f)
{
	return arena_span(g->a, mail_unfold(g->a, f->value));
}

static void once(struct span *to, struct span value)
{
	if (!to->len)
		*to = value;
}

static void take_auth(struct gathering *g, const struct mail_field *f, bool is_spf)
{
	struct journey *j = g->j;

	if (j->auth_count == JOURNEY_LIST_MAX)
		return;
	g->auth_at[j->auth_count] = g->received;
	(is_spf ? journey_spf_parse : journey_auth_parse)(
		g->a, arena_span(g->a, f->value), &j->auth[j->auth_count]);
	j->auth_count++;
}

/* An address twice with stations between: it came back (RFC 5321 section 6.3). */
static void take_delivered(struct gathering *g, const struct mail_field *f)
{
	struct journey *j = g->j;
	struct span to = path_of(g, f);

	if (to.len > 2 && to.ptr[0] == '<' && to.ptr[to.len - 1] == '>')
		to = span_sub(to, 1, to.len - 2);
	for (size_t i = 0; i < j->delivered_count; i++)
		if (span_eq_nocase(to, j->delivered_to[i]) && g->delivered_at[i] < g->received)
			j->delivered_twice = to;
	if (j->delivered_count == JOURNEY_LIST_MAX)
		return;
	g->delivered_at[j->delivered_count] = g->received;
	j->delivered_to[j->delivered_count++] = to;
}

static void take_received(struct gathering *g, const struct mail_field *f)
{
	struct journey *j = g->j;

	if (j->hop_count < JOURNEY_HOPS_MAX) {
		struct journey_hop *h = &g->newest_first[j->hop_count++];

		received_parse(g->a, f->value, &h->r);
		h->place = g->received;
		if (f->is_cut)
			h->r.defects |= 1ULL << RECEIVED_CUT;
	} else {
		j->hops_left_out++;
	}
	g->received++;
}

static void take_other(struct gathering *g, const struct mail_field *f)
{
	struct journey *j = g->j;

	if (is_named(f, "X-Received"))
		j->x_received++;
	else if (is_named(f, "X-Original-To"))
		once(&j->original_to, path_of(g, f));
	else if (is_named(f, "Received-SPF"))
		take_auth(g, f, true);
	else if (is_named(f, "ARC-Seal"))
		j->arc_seals++;
	else if (is_named(f, "ARC-Authentication-Results"))
		j->arc_results++;
	else if (is_named(f, "ARC-Message-Signature"))
		j->arc_signatures++;
	else if (is_named(f, "DKIM-Signature") && j->signature_count < JOURNEY_LIST_MAX)
		journey_signature_parse(g->a, f->value, &j->signatures[j->signature_count++]);
}

static void take_field(void *arg, const struct mail_field *f)
{
	struct gathering *g = arg;
	struct journey *j = g->j;

	switch (f->id) {
	case MAIL_RECEIVED: take_received(g, f); break;
	case MAIL_DELIVERED_TO: take_delivered(g, f); break;
	case MAIL_RETURN_PATH: once(&j->return_path, path_of(g, f)); break;
	case MAIL_FROM: once(&j->from, text_of(g, f)); break;
	case MAIL_TO: once(&j->to, text_of(g, f)); break;
	case MAIL_SUBJECT: once(&j->subject, text_of(g, f)); break;
	case MAIL_MESSAGE_ID: once(&j->message_id, path_of(g, f)); break;
	case MAIL_DATE:
		if (!j->date_text.len) {
			j->date_text = path_of(g, f);
			j->has_date = received_date(j->date_text, &j->date);
		}
		break;
	case MAIL_AUTHENTICATION_RESULTS: take_auth(g, f, false); break;
	default: take_other(g, f);
	}
}

/* A result counts when it stands above every claim and its server is one of the trusted stations. */
static void trust_results(struct gathering *g)
{
	struct journey *j = g->j;
	size_t trusted = j->hop_count - j->claims;

	for (size_t i = 0; i < j->auth_count; i++) {
		struct journey_auth *auth = &j->auth[i];

		/* a station writes its results above its Received field, or right below it */
		for (size_t k = 0; k < trusted && g->auth_at[i] <= trusted; k++) {
			const struct received *r = &j->hops[j->hop_count - 1 - k].r;

			auth->is_trusted |= !auth->server.len ||
				span_eq_nocase(auth->server, r->by) ||
				journey_same_site(auth->server, r->by);
		}
	}
}

bool journey_read(struct arena *a, struct span message, const struct journey_options *options,
	struct journey *j_r)
{
	struct gathering *g = ARENA_NEW(a, struct gathering);
	struct mail_header h;

	memset(j_r, 0, sizeof(*j_r));
	g->a = a;
	g->j = j_r;
	g->newest_first = ARENA_ARRAY(a, struct journey_hop, JOURNEY_HOPS_MAX);
	mail_header_init(&h, take_field, g);
	mail_header_feed(&h, message);
	mail_header_finish(&h);
	j_r->fields = h.fields;
	j_r->is_cut = (h.troubles & MAIL_HEADER_TOO_LONG) != 0;
	mail_header_fini(&h);
	j_r->hops = ARENA_ARRAY(a, struct journey_hop, j_r->hop_count + 1);
	for (size_t i = 0; i < j_r->hop_count; i++)
		j_r->hops[i] = g->newest_first[j_r->hop_count - 1 - i];
	j_r->slowest = j_r->hop_count;
	journey_judge(j_r, options);
	journey_trust(j_r, options);
	trust_results(g);
	return j_r->fields > 0;
}
