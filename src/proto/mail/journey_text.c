#include "base/must.h"
#include "proto/mail/journey_priv.h"

const char *journey_remark_name(enum journey_remark remark)
{
	static const char *const names[] = {
#define X(id, name) [JOURNEY_##id] = name,
		JOURNEY_REMARKS(X)
#undef X
	};

	return (size_t)remark < ARRAY_LEN(names) ? names[remark] : "";
}

void journey_duration_put(struct buf *b, int64_t sec)
{
	long long s = sec < 0 ? -(long long)sec : (long long)sec;

	if (s < 60)
		buf_printf(b, "%lld s", s);
	else if (s < 3600 && s % 60)
		buf_printf(b, "%lld min %lld s", s / 60, s % 60);
	else if (s < 3600)
		buf_printf(b, "%lld min", s / 60);
	else if (s < 86400)
		buf_printf(b, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		buf_printf(b, "%lld d %lld h", s / 86400, s / 3600 % 24);
}

static struct span station(const struct received *r)
{
	return r->by.len ? r->by : r->software.len ? r->software : SPAN("a station without a name");
}

static struct span peer(const struct received *r)
{
	return r->reverse.len ? r->reverse : r->helo.len ? r->helo : r->from_ip.text;
}

static void clock_put(struct buf *b, const struct journey_hop *h)
{
	buf_str(b, "its clock is at least ");
	journey_duration_put(b, h->skew_sec);
	buf_str(b, h->skew_sec < 0 ? " behind the others" : " ahead of the others");
}

static const struct received *before(const struct journey *j, size_t hop)
{
	while (hop-- > 0)
		if (j->hops[hop].r.by.len)
			return &j->hops[hop].r;
	return &j->hops[0].r;
}

void journey_remark_put(
	struct buf *b, const struct journey *j, size_t hop, enum journey_remark what)
{
	const struct journey_hop *h = &j->hops[hop];
	const struct received *r = &h->r;

	switch (what) {
	case JOURNEY_NEGATIVE:
		buf_str(b, "arrived ");
		journey_duration_put(b, h->raw_sec);
		buf_str(b, " before it left: the clocks differ");
		break;
	case JOURNEY_CLOCK: clock_put(b, h); break;
	case JOURNEY_FUTURE: buf_str(b, "its time lies in the future"); break;
	case JOURNEY_UNDATED:
		buf_str(b,
			received_has(r, RECEIVED_DATE_BAD) ? "the date cannot be read" : "no date");
		break;
	case JOURNEY_LOOP:
		buf_printf(b, "was here before (hop %zu) for the same recipient: a loop?",
			h->loop_with + 1);
		break;
	case JOURNEY_BREAK:
		buf_str(b, "came from ");
		buf_span_put(b, peer(r));
		buf_str(b, ", but the station before was ");
		buf_span_put(b, station(before(j, hop)));
		break;
	case JOURNEY_PRIVATE:
		buf_str(b, "the private address ");
		buf_span_put(b, r->from_ip.text);
		buf_str(b, " cannot come from another site");
		break;
	case JOURNEY_NAME:
		buf_str(b, "calls itself ");
		buf_span_put(b, r->helo);
		buf_str(b, ", but its address is ");
		buf_span_put(b, r->reverse);
		break;
	case JOURNEY_NO_NAME: buf_str(b, "its address has no name in the DNS"); break;
	case JOURNEY_DOUBTFUL: buf_str(b, "the name may be forged, says the station"); break;
	case JOURNEY_CLEAR_LOGIN: buf_str(b, "logged in without TLS, as far as it tells"); break;
	case JOURNEY_REMARK_COUNT: break;
	}
}

static void tls_put(struct buf *b, const struct journey *j)
{
	size_t unknown = j->network - j->with_tls - j->without_tls;

	if (!j->network)
		return;
	if (j->with_tls == j->network)
		buf_str(b, ", all with TLS");
	else if (!j->with_tls)
		buf_str(b, unknown == j->network ? ", TLS not told" : ", none with TLS");
	else
		buf_printf(b, ", all but %zu with TLS", j->network - j->with_tls);
	if (unknown && unknown < j->network && !(j->with_tls + unknown == j->network))
		buf_printf(b, " (%zu do not tell)", unknown);
	else if (unknown && j->with_tls)
		buf_str(b, unknown == 1 ? " (which does not tell)" : " (which do not tell)");
}

void journey_summary_put(struct buf *b, const struct journey *j)
{
	size_t hops = j->hop_count + j->hops_left_out;

	if (!hops) {
		buf_str(b, "no Received fields: it has not travelled");
		return;
	}
	buf_printf(b, "%zu hop%s", hops, hops == 1 ? "" : "s");
	if (j->has_total) {
		buf_str(b, ", ");
		journey_duration_put(b, j->total_sec);
	}
	tls_put(b, j);
	if (j->slowest < j->hop_count) {
		buf_str(b, ", slowest: ");
		buf_span_put(b, station(&j->hops[j->slowest].r));
		buf_str(b, " (");
		journey_duration_put(b, j->hops[j->slowest].delay_sec);
		buf_char(b, ')');
	}
}
