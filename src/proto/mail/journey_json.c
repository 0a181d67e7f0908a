#include "proto/mail/journey.h"

#include "base/clock.h"

#define JSON_TEXT_MAX (16 * 1024) /* octets of a sentence of ours */

static void put(struct json_out *j, const char *key, struct span value)
{
	if (value.len)
		json_kv_span(j, key, value);
}

static void put_time(struct json_out *j, const char *key, int64_t sec)
{
	struct buf b;

	buf_init(&b, 64);
	clock_put_rfc3339(&b, sec);
	json_kv_span(j, key, buf_span(&b));
	buf_fini(&b);
}

static void put_remarks(struct json_out *out, const struct journey *j, size_t at)
{
	struct buf b;

	json_key(out, "remarks");
	json_open_array(out);
	buf_init(&b, JSON_TEXT_MAX);
	for (unsigned i = 0; i < JOURNEY_REMARK_COUNT; i++) {
		if (!journey_has(&j->hops[at], (enum journey_remark)i))
			continue;
		buf_clear(&b);
		journey_remark_put(&b, j, at, (enum journey_remark)i);
		json_open_object(out);
		json_kv_str(out, "kind", journey_remark_name((enum journey_remark)i));
		json_kv_span(out, "text", buf_span(&b));
		json_close(out);
	}
	buf_fini(&b);
	json_close(out);
	json_key(out, "defects");
	json_open_array(out);
	for (unsigned i = 0; i < RECEIVED_DEFECT_COUNT; i++)
		if (received_has(&j->hops[at].r, (enum received_defect)i))
			json_str(out, received_defect_name((enum received_defect)i));
	json_close(out);
}

static void put_tls(struct json_out *out, const struct received *r)
{
	if (r->tls != RECEIVED_TLS_UNKNOWN)
		json_kv_bool(out, "tls", r->tls == RECEIVED_TLS_YES);
	put(out, "tls_version", r->tls_version);
	put(out, "tls_cipher", r->tls_cipher);
	if (r->tls_bits)
		json_kv_u64(out, "tls_bits", r->tls_bits);
}

static void put_hop(struct json_out *out, const struct journey *j, size_t at)
{
	const struct journey_hop *h = &j->hops[at];
	const struct received *r = &h->r;

	json_open_object(out);
	json_kv_u64(out, "hop", at + 1);
	put(out, "by", r->by);
	put(out, "by_address", r->by_ip.text);
	put(out, "software", r->software);
	put(out, "from", r->from);
	put(out, "helo", r->helo);
	put(out, "reverse_name", r->reverse);
	put(out, "address", r->from_ip.text);
	put(out, "protocol", r->with);
	put(out, "kind", span_str(received_kind_name(r->kind)));
	put(out, "via", r->via);
	put_tls(out, r);
	json_kv_bool(out, "logged_in", r->is_auth);
	put(out, "login", r->login);
	put(out, "id", r->id);
	put(out, "for", r->for_address);
	put(out, "sender", r->sender);
	json_kv_bool(out, "local", h->is_local);
	json_kv_bool(out, "trusted", h->is_trusted);
	put(out, "date", r->date_text);
	if (r->has_date) {
		put_time(out, "time", r->date.unix_sec);
		json_kv_i64(out, "zone_minutes", r->date.zone_minutes);
		json_kv_i64(out, "raw_delay_seconds", h->raw_sec);
	}
	if (h->has_delay)
		json_kv_i64(out, h->is_since_written ? "since_written_seconds" : "delay_seconds",
			h->delay_sec);
	if (h->skew_sec)
		json_kv_i64(out, "skew_seconds", h->skew_sec);
	put_remarks(out, j, at);
	json_close(out);
}

static void put_auth(struct json_out *out, const struct journey *j)
{
	json_key(out, "authentication");
	json_open_array(out);
	for (size_t i = 0; i < j->auth_count; i++) {
		const struct journey_auth *auth = &j->auth[i];

		for (size_t k = 0; k < auth->count; k++) {
			json_open_object(out);
			json_kv_str(out, "field",
				auth->is_spf ? "Received-SPF" : "Authentication-Results");
			put(out, "server", auth->server);
			json_kv_bool(out, "trusted", auth->is_trusted);
			json_kv_span(out, "method", auth->items[k].method);
			json_kv_span(out, "result", auth->items[k].result);
			put(out, "subject", auth->items[k].detail);
			put(out, "reason", auth->items[k].reason);
			json_close(out);
		}
	}
	json_close(out);
	json_key(out, "signatures");
	json_open_array(out);
	for (size_t i = 0; i < j->signature_count; i++) {
		json_open_object(out);
		put(out, "domain", j->signatures[i].domain);
		put(out, "selector", j->signatures[i].selector);
		put(out, "algorithm", j->signatures[i].algorithm);
		json_close(out);
	}
	json_close(out);
	json_kv_u64(out, "arc_seals", j->arc_seals);
	json_kv_u64(out, "arc_authentication_results", j->arc_results);
}

static void put_sums(struct json_out *out, const struct journey *j)
{
	struct buf b;

	buf_init(&b, JSON_TEXT_MAX);
	journey_summary_put(&b, j);
	json_kv_span(out, "summary", buf_span(&b));
	buf_fini(&b);
	json_kv_u64(out, "hop_count", j->hop_count + j->hops_left_out);
	json_kv_u64(out, "hops_left_out", j->hops_left_out);
	json_kv_u64(out, "claims", j->claims);
	json_kv_u64(out, "network_hops", j->network);
	json_kv_u64(out, "with_tls", j->with_tls);
	json_kv_u64(out, "without_tls", j->without_tls);
	json_kv_bool(out, "loop", j->is_loop);
	json_kv_bool(out, "cut", j->is_cut);
	put(out, "delivered_twice", j->delivered_twice);
	if (j->has_total)
		json_kv_i64(out, "total_seconds", j->total_sec);
	if (j->slowest < j->hop_count)
		json_kv_u64(out, "slowest_hop", j->slowest + 1);
}

void journey_json_put(struct json_out *out, const struct journey *j)
{
	put(out, "message_id", j->message_id);
	put(out, "from", j->from);
	put(out, "to", j->to);
	put(out, "subject", j->subject);
	put(out, "date", j->date_text);
	if (j->has_date)
		put_time(out, "written", j->date.unix_sec);
	put(out, "return_path", j->return_path);
	put(out, "original_to", j->original_to);
	json_key(out, "delivered_to");
	json_open_array(out);
	for (size_t i = 0; i < j->delivered_count; i++)
		json_span(out, j->delivered_to[i]);
	json_close(out);
	put_sums(out, j);
	json_key(out, "hops");
	json_open_array(out);
	for (size_t i = 0; i < j->hop_count; i++)
		put_hop(out, j, i);
	json_close(out);
	put_auth(out, j);
}
