/* The signer with a store of its own: whose keys sign, and what becomes of the message. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/scratch.h"
#include "run/fiber.h"
#include "proto/trust/dkim_verify.h"
#include "store/dkim_keys.h"
#include "store/store.h"
#include "services/sign/sign.h"

#define MESSAGE                                                                                    \
	"Received: from a by b; Mon, 1 Jan 2026 00:00:00 +0000\r\n"                                \
	"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n"                 \
	"Date: Mon, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nHi.  \r\n\r\n"

struct world {
	struct arena *a;
	char dir[SCRATCH_MAX];
	struct store *s;
	struct loop *loop;
	struct signer *signer;
	struct log log;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct loop_opts loop = {.name = "test"};
	struct store_opts opts = {.dir = w->dir, .is_fsync_off = true};
	struct signer_opts sign = {.log = &w->log};

	w->a = arena_new();
	w->loop = loop_new_uv(&loop, NULL);
	assert_true(scratch_new(w->dir));
	sign.store = w->s = store_open(&opts, NULL);
	assert_non_null(w->s);
	w->signer = signer_new(&sign);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	signer_free(&w->signer);
	store_close(&w->s);
	loop_free(&w->loop);
	assert_true(scratch_remove(w->dir));
	arena_free(&w->a);
	free(w);
	return 0;
}

static void play(void **state, int (*fn)(void *arg))
{
	struct world *w = *state;
	struct err e = {0};

	if (loop_run(w->loop, fn, w, &e) != 0)
		fail_msg("%s", e.text);
}

/* A new key; its record, in the world's arena. */
static struct span add_key(struct world *w, const char *domain, const char *selector,
	enum dkim_algorithm algorithm, enum dkim_keys_state state, bool is_wide)
{
	struct buf *pem = arena_buf(w->a, DKIM_PEM_MAX), *record = arena_buf(w->a, 4096);
	struct dkim_pkey *k = dkim_pkey_generate(algorithm, 2048, NULL);
	struct dkim_keys_row row = {.domain = span_str(domain),
		.selector = span_str(selector),
		.algorithm = span_str(dkim_algorithm_key_str(algorithm)),
		.state = state,
		.is_wide = is_wide};

	assert_int_equal(dkim_pkey_write(k, pem, NULL), 0);
	assert_int_equal(dkim_pkey_record(k, &dkim_rfc6376, false, record, NULL), 0);
	row.pem = buf_span(pem);
	assert_int_equal(dkim_keys_add(w->s, &row, NULL), 0);
	dkim_pkey_free(&k);
	return buf_span(record);
}

static struct span sign(struct world *w, const char *domain)
{
	struct buf *fields = arena_buf(w->a, SIGN_FIELDS_MAX);
	struct err e = {0};

	if (sign_bytes(w->signer, span_str(domain), SPAN(MESSAGE), fields, &e) < 0)
		fail_msg("%s", e.text);
	return buf_span(fields);
}

static size_t count_fields(struct span fields)
{
	size_t n = 0;

	for (size_t i = 0; i < fields.len; i++)
		n += span_starts(span_skip(fields, i), SPAN("DKIM-Signature: "));
	return n;
}

/* Does signature `i` of the fields pass, by that record? */
static bool passes(struct world *w, struct span fields, size_t i, struct span record, const char *d)
{
	struct dkim_verifier *v = dkim_verifier_new(
		w->a, &dkim_rfc6376, loop_wall_ns() / CLOCK_SEC);
	struct dkim_result *r;

	dkim_verifier_feed(v, fields);
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_true(dkim_verifier_end(v, &r) > i);
	dkim_verifier_key(v, i, DKIM_KEY_FOUND, &record, 1);
	return r[i].verdict == DKIM_PASS && span_eq(r[i].domain, span_str(d));
}

static int play_keys(void *arg)
{
	struct world *w = arg;
	struct span ed, rsa, newer, fields;
	bool is;

	assert_int_equal(signer_is_needed(w->signer, &is, NULL), 0);
	assert_false(is);
	assert_int_equal(sign(w, "example.org").len, 0);
	add_key(w, "example.org", "p", DKIM_RSA_SHA256, DKIM_KEYS_PENDING, false);
	assert_int_equal(sign(w, "example.org").len, 0);
	assert_int_equal(signer_is_needed(w->signer, &is, NULL), 0);
	assert_false(is);

	ed = add_key(w, "example.org", "e", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, false);
	assert_int_equal(signer_is_needed(w->signer, &is, NULL), 0);
	assert_true(is);
	fields = sign(w, "Example.ORG");
	assert_int_equal(count_fields(fields), 1);
	assert_true(passes(w, fields, 0, ed, "example.org"));
	rsa = add_key(w, "example.org", "r", DKIM_RSA_SHA256, DKIM_KEYS_ACTIVE, false);
	fields = sign(w, "example.org");
	assert_int_equal(count_fields(fields), 2);
	assert_true(passes(w, fields, 0, ed, "example.org"));
	assert_true(passes(w, fields, 1, rsa, "example.org"));

	/* of two active ones of an algorithm the newer signs */
	newer = add_key(w, "example.org", "f", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, false);
	fields = sign(w, "example.org");
	assert_int_equal(count_fields(fields), 2);
	assert_true(passes(w, fields, 0, newer, "example.org"));
	assert_int_equal(
		dkim_keys_move(w->s, SPAN("example.org"), SPAN("r"), DKIM_KEYS_RETIRING, NULL), 0);
	assert_int_equal(count_fields(sign(w, "example.org")), 1);
	return 0;
}

static void active_keys_sign(void **state)
{
	play(state, play_keys);
}

static int play_subdomains(void *arg)
{
	struct world *w = arg;
	struct span wide;
	bool has;

	add_key(w, "example.org", "n", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, false);
	assert_int_equal(sign(w, "sub.example.org").len, 0);
	wide = add_key(w, "example.net", "w", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, true);
	assert_true(passes(w, sign(w, "mx.example.net"), 0, wide, "example.net"));
	assert_int_equal(sign(w, "no such domain").len, 0);
	assert_int_equal(sign(w, "").len, 0);
	assert_int_equal(signer_has(w->signer, SPAN("mx.example.net"), &has, NULL), 0);
	assert_true(has);
	assert_int_equal(signer_has(w->signer, SPAN("sub.example.org"), &has, NULL), 0);
	assert_false(has);
	return 0;
}

static void a_key_above_signs_where_it_is_wide(void **state)
{
	play(state, play_subdomains);
}

static int play_errors(void *arg)
{
	struct world *w = arg;
	struct dkim_keys_row row = {.domain = SPAN("broken.example"),
		.selector = SPAN("x"),
		.algorithm = SPAN("rsa"),
		.state = DKIM_KEYS_ACTIVE,
		.pem = SPAN("no key")};
	struct buf *fields = arena_buf(w->a, SIGN_FIELDS_MAX);
	struct buf *long_header = arena_buf(w->a, 400000);
	struct sign_stats st;
	struct err e = {0};

	add_key(w, "example.org", "e", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, false);
	assert_int_equal(sign_bytes(w->signer, SPAN("example.org"),
				 SPAN("Subject: x\r\n\r\nHi\r\n"), fields, &e),
		-1);
	assert_int_equal(e.smtp, 550);
	assert_int_equal(buf_len(fields), 0);
	buf_str(long_header, "From: a@example.org\r\n");
	while (buf_len(long_header) < 300000)
		buf_str(long_header, "X-Long: 0123456789 0123456789 0123456789\r\n");
	err_clear(&e);
	assert_int_equal(
		sign_bytes(w->signer, SPAN("example.org"), buf_span(long_header), fields, &e), -1);
	assert_int_equal(e.smtp, 552);
	assert_int_equal(dkim_keys_add(w->s, &row, NULL), 0);
	err_clear(&e);
	assert_int_equal(
		sign_bytes(w->signer, SPAN("broken.example"), SPAN(MESSAGE), fields, &e), -1);
	assert_int_equal(e.smtp, 451);
	assert_null(strstr(e.text, "no key"));
	signer_stats(w->signer, &st);
	assert_int_equal(st.failures, 3);
	assert_int_equal(st.signatures, 0);
	/* without a signer nothing is done, and nothing is wrong */
	assert_int_equal(sign_bytes(NULL, SPAN("example.org"), SPAN(MESSAGE), fields, &e), 0);
	assert_int_equal(buf_len(fields), 0);
	return 0;
}

static void what_cannot_be_signed_is_told(void **state)
{
	play(state, play_errors);
}

/* One message for many: what stands in front of each is signed with it. */
static int play_fronts(void *arg)
{
	static const char *const fronts[] = {
		"List-Unsubscribe: <https://x/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
		"List-Unsubscribe: <https://x/2>\r\n", ""};
	struct world *w = arg;
	struct span ed = add_key(
		w, "example.org", "e", DKIM_ED25519_SHA256, DKIM_KEYS_ACTIVE, false);
	struct sign_job *job = sign_job_new(w->signer, w->a);
	struct span signatures[ARRAY_LEN(fronts)];

	sign_feed(job, SPAN(MESSAGE));
	for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
		struct buf *fields = arena_buf(w->a, SIGN_FIELDS_MAX);
		struct err e = {0};

		if (sign_front(job, span_str(fronts[i]), SPAN("example.org"), fields, &e) < 0)
			fail_msg("%s", e.text);
		signatures[i] = buf_span(fields);
	}
	for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
		for (size_t k = 0; k < ARRAY_LEN(fronts); k++) {
			struct span front = span_str(arena_printf(
				w->a, SPAN_FMT "%s", SPAN_ARG(signatures[i]), fronts[k]));

			/* what was signed without such a field says nothing of one that is added */
			assert_int_equal(passes(w, front, 0, ed, "example.org"), i == k || i == 2);
		}
	}
	return 0;
}

static void each_copy_is_signed_with_what_is_its_own(void **state)
{
	play(state, play_fronts);
}

static void the_domain_of_from(void **state)
{
	static const struct {
		const char *header, *want;
	} t[] = {
		{"From: a@example.org\r\n\r\n", "example.org"},
		{"Subject: x\r\nFROM: \"a@b\" <a@Example.org> (x@y)\r\n\r\n", "Example.org"},
		{"From: a@one.example, b@two.example\r\n\r\n", "one.example"},
		{"From: team: a@one.example;\r\n\r\n", "one.example"},
		{"From: nobody\r\n\r\n", ""},
		{"From:\r\n a@example.org\r\n\r\n", "example.org"},
		{"Subject: x\r\n\r\nFrom: a@example.org\r\n", ""},
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct span d = sign_from_domain(w->a, span_str(t[i].header));

		if (!span_eq(d, span_str(t[i].want)))
			fail_msg("%s: " SPAN_FMT, t[i].header, SPAN_ARG(d));
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(active_keys_sign),
		CASE(a_key_above_signs_where_it_is_wide),
		CASE(what_cannot_be_signed_is_told),
		CASE(each_copy_is_signed_with_what_is_its_own),
		CASE(the_domain_of_from),
	};

	return cmocka_run_group_tests_name("sign/sign", tests, NULL, NULL);
}
