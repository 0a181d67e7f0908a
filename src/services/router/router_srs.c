/* The keys of SRS: the setting "srs.keys" holds "SECONDS:HEX SECONDS:HEX …", when each was made and the
 * key, the newest first. */

#include <string.h>
#include <sys/random.h>

#include "base/enc.h"
#include "run/loop.h"
#include "services/router/router_priv.h"

#define SRS_KEY_OCTETS 32

struct srs_made {
	int64_t sec;
	struct span hex;
};

/* The keys of a setting; what is none is left out. */
static size_t cut_keys(struct span setting, struct srs_made made[SRS_KEYS_MAX])
{
	struct span rest = setting, word, sec;
	size_t n = 0;

	while (n < SRS_KEYS_MAX && (word = span_word(&rest)).len) {
		uint64_t value;

		if (span_cut(word, ':', &sec, &made[n].hex) &&
			span_u64_max(sec, INT64_MAX / CLOCK_SEC, &value) && made[n].hex.len)
			made[n++].sec = (int64_t)value;
	}
	return n;
}

void router_srs_keys(struct arena *a, struct span setting, struct srs_keys *keys_r)
{
	struct srs_made made[SRS_KEYS_MAX];
	size_t count = cut_keys(setting, made);

	*keys_r = (struct srs_keys){0};
	for (size_t i = 0; i < count; i++) {
		struct buf b;

		buf_init(&b, 256);
		if (enc_get_hex(&b, made[i].hex))
			keys_r->keys[keys_r->count++] = arena_span(a, buf_span(&b));
		buf_fini(&b);
	}
}

FIBER int router_srs_turn(struct store *s, bool is_forced, struct err *e)
{
	unsigned char key[SRS_KEY_OCTETS];
	struct srs_made made[SRS_KEYS_MAX];
	struct arena *a = arena_new();
	struct directory_facts facts;
	int64_t now = loop_wall_ns() / CLOCK_SEC;
	struct buf b;
	size_t count;
	int rc = -1;

	buf_init(&b, 4096);
	if (directory_facts(s, a, &facts, e) < 0)
		goto out;
	count = cut_keys(facts.srs_keys, made);
	rc = 0;
	if (count && !is_forced && now - made[0].sec < ROUTER_SRS_TURN_NS / CLOCK_SEC)
		goto out;
	rc = -1;
	if (getrandom(key, sizeof(key), 0) != sizeof(key)) {
		err_set(e, ERR_IO, "no random numbers");
		goto out;
	}
	buf_i64(&b, now);
	buf_char(&b, ':');
	enc_put_hex(&b, span_of(key, sizeof(key)));
	/* Key n signed until key n - 1 was made; its bounces come for SRS_DAYS more. */
	for (size_t i = 0; i < count && i + 1 < SRS_KEYS_MAX; i++) {
		int64_t ended = i ? made[i - 1].sec : now;

		if (now - ended > (SRS_DAYS + 1) * (CLOCK_DAY / CLOCK_SEC))
			break;
		buf_printf(&b, " %lld:" SPAN_FMT, (long long)made[i].sec, SPAN_ARG(made[i].hex));
	}
	rc = directory_setting_set(s, SPAN(DIRECTORY_SRS_KEYS), buf_span(&b), e);
out:
	buf_fini(&b);
	arena_free(&a);
	return rc;
}
