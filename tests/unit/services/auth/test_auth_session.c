/* Logins within sessions of SMTP: they end when what was proven counts no more, and what one client does
 * concerns no other. */
#include "auth_stage.h"

#include "base/enc.h"
#include "proto/smtp/smtp_server.h"

#define LINE_MAX_HERE 4096
#define A             "alice@our.example"
#define B             "bob@our.example"
#define ENDED         "421 4.7.0 mx.test Your credentials have changed, log in again"
#define YES           "235 2.7.0 Authentication successful"
#define NO            "535 5.7.8 Authentication credentials invalid"

/* A connection with its server. */
struct desk {
	struct stage *stage;
	struct stream *client, *server;
	struct auth_conn auth;
	struct auth_book *book; /* NULL: none, each MAIL asks */
	struct auth_mark mark;
	bool is_marked;
	struct fiber *fiber;
	struct buf said;
};

static bool desk_offer(void *ctx, const struct smtp_session *s, struct sasl_server_opts *o)
{
	struct desk *d = ctx;

	o->is_clear_allowed = true;
	return auth_offer(&d->auth, o);
}

static void *desk_sasl(void *ctx)
{
	return &((struct desk *)ctx)->auth;
}

static void desk_unmark(struct desk *d)
{
	if (d->is_marked)
		auth_book_remove(d->book, &d->mark);
	d->is_marked = false;
}

static FIBER void desk_auth(
	void *ctx, struct smtp_session *s, bool is_accepted, struct smtp_reply *r)
{
	struct desk *d = ctx;
	struct err e = {0};

	if (auth_settle(&d->auth, s->auth_user, s->auth_identity, s->auth_mech, is_accepted, &e) <
		0) {
		smtp_reply_set(r, e.smtp, e.enh_class, e.enh_subject, e.enh_detail,
			"Authentication credentials invalid");
		return;
	}
	if (!d->book)
		return;
	auth_book_add(d->book, &d->mark, &d->auth);
	d->is_marked = true;
}

static FIBER void desk_mail(
	void *ctx, struct smtp_session *s, const struct smtp_mail *m, struct smtp_reply *r)
{
	struct desk *d = ctx;

	if (!s->auth_user.len)
		smtp_reply_set(r, 530, 5, 7, 0, "Log in first");
	else if (!auth_still(&d->auth))
		smtp_reply_set(
			r, 421, 4, 7, 0, "mx.test Your credentials have changed, log in again");
}

static const char *desk_ended(void *ctx, const struct smtp_session *s)
{
	struct desk *d = ctx;

	return d->mark.is_ended ? "Your credentials have changed, log in again" : NULL;
}

static const struct smtp_decider desk_decider = {
	.mail = desk_mail,
	.auth_offer = desk_offer,
	.sasl = &auth_decider,
	.sasl_ctx = desk_sasl,
	.auth = desk_auth,
	.ended = desk_ended,
};

static FIBER int desk_serve(void *arg)
{
	struct desk *d = arg;
	struct smtp_server_opts opts = {.hostname = "mx.test", .log = &d->stage->log};
	struct err e = {0};

	d->fiber = fiber_self();
	smtp_server_limits_default(&opts.limits);
	opts.limits.auth_delay_ns = opts.limits.errors_delay_ns = 0;
	opts.limits.errors_hard = 0;
	opts.limits.auth_failures = 0;
	opts.limits.command_ns = CLOCK_HOUR;
	assert_true(addr_parse_ip(SPAN("192.0.2.7"), 1234, &d->server->peer));
	smtp_server_run(d->server, &opts, &desk_decider, d, &e);
	desk_unmark(d);
	stream_shutdown(d->server, NULL);
	return 0;
}

/* The last line of the next reply, in d->said. */
static __attribute__((noinline)) FIBER const char *desk_read(struct desk *d)
{
	struct err e = {0};
	struct span line;

	do {
		buf_clear(&d->said);
		if (stream_read_line(d->client, LINE_MAX_HERE, &line, NULL, &e) < 0)
			return "";
		buf_span_put(&d->said, line);
	} while (line.len > 3 && line.ptr[3] == '-');
	return buf_cstr(&d->said);
}

static __attribute__((noinline)) FIBER void desk_tell(
	struct desk *d, const char *line, const char *answer)
{
	stream_printf(d->client, "%s\r\n", line);
	const char *got = desk_read(d);

	if (strncmp(got, answer, strlen(answer)) != 0)
		fail_msg("%s: %s", line, got);
}

static __attribute__((noinline)) FIBER void desk_open(
	struct desk *d, struct stage *s, struct auth_book *book, struct fiber_group *g)
{
	*d = (struct desk){.stage = s, .book = book};
	buf_init(&d->said, LINE_MAX_HERE);
	stream_pair(&d->client, &d->server, CLOCK_MS);
	stream_set_timeout(d->client, CLOCK_DAY);
	auth_conn_init(&d->auth, s->auth, ACCOUNT_SCOPE_SUBMIT, d->server);
	assert_int_equal(fiber_start(g, "server", desk_serve, d, NULL), 0);
	assert_int_equal(strncmp(desk_read(d), "220", 3), 0);
	desk_tell(d, "EHLO c.test", "250 ");
}

static void desk_close(struct desk *d)
{
	auth_conn_fini(&d->auth);
	stream_free(&d->client);
	stream_free(&d->server);
	buf_fini(&d->said);
}

/* "AUTH PLAIN …" for a name and a password, in the stage's arena. */
static const char *plain(struct stage *s, const char *user, const char *password)
{
	struct buf *b = arena_buf(s->a, LINE_MAX_HERE), *line = arena_buf(s->a, LINE_MAX_HERE);

	buf_char(b, '\0');
	buf_str(b, user);
	buf_char(b, '\0');
	buf_str(b, password);
	buf_str(line, "AUTH PLAIN ");
	enc_put_base64(line, buf_span(b));
	return buf_cstr(line);
}

struct floor { /* what each test stands on */
	struct stage *stage;
	struct fiber_group g, book_group;
	struct auth_book *book;
};

static FIBER void floor_begin(struct floor *f, struct stage *s)
{
	f->stage = s;
	stage_people(s);
	f->book = auth_book_new(s->auth);
	fiber_group_init(&f->g);
	fiber_group_init(&f->book_group);
	assert_int_equal(fiber_start(&f->book_group, "book", auth_book_main, f->book, NULL), 0);
}

static FIBER void floor_end(struct floor *f)
{
	fiber_group_join(&f->g);
	fiber_group_cancel(&f->book_group);
	fiber_group_join(&f->book_group);
	auth_book_free(&f->book);
	stage_streams_free(f->stage);
}

/* ---- what ends a session that waits for its next command ---- */

static const char alice[] = A;

static FIBER void new_password(struct stage *s)
{
	stage_password(s, s->alice, "other");
}

static FIBER void same_password(struct stage *s)
{
	stage_password(s, s->alice, "wonder");
}

static FIBER void suspend(struct stage *s)
{
	stage_suspend(s, alice, true);
}

static FIBER void remove_account(struct stage *s)
{
	assert_int_equal(directory_account_remove(s->store, span_str(alice), NULL), 0);
}

static FIBER void remove_app(struct stage *s)
{
	assert_int_equal(account_app_remove(s->store, s->alice, SPAN("phone"), NULL), 0);
}

static FIBER void remove_other_app(struct stage *s)
{
	assert_int_equal(account_app_remove(s->store, s->alice, SPAN("tablet"), NULL), 0);
}

static FIBER void change_bob(struct stage *s)
{
	stage_password(s, s->bob, "other");
}

static FIBER void add_somebody(struct stage *s)
{
	stage_account(s, "carol@our.example", "");
}

static const struct {
	const char *name;
	FIBER void (*change)(struct stage *s);
	bool is_by_app, is_ended;
} changes[] = {
	{"a new password", new_password, false, true},
	{"the same password, set again", same_password, false, true},
	{"suspended", suspend, false, true},
	{"removed", remove_account, false, true},
	{"an app password that it did not use", remove_app, false, false},
	{"somebody else's password", change_bob, false, false},
	{"a new account", add_somebody, false, false},
	{"its app password removed", remove_app, true, true},
	{"another app password removed", remove_other_app, true, false},
	{"suspended, by app password", suspend, true, true},
};

static __attribute__((noinline)) FIBER void change_once(
	struct stage *s, size_t i, bool has_book, const char *app)
{
	struct floor f = {.stage = s};
	struct desk d, other;
	const char *got;

	floor_begin(&f, s);
	if (changes[i].is_by_app || changes[i].change == remove_app)
		app = stage_app(s, s->alice, (struct account_app_password){.name = SPAN("phone")})
			      .ptr;
	stage_app(s, s->alice, (struct account_app_password){.name = SPAN("tablet")});
	desk_open(&d, s, has_book ? f.book : NULL, &f.g);
	desk_tell(&d, plain(s, A, changes[i].is_by_app ? app : "wonder"), YES);
	assert_int_equal(d.auth.who.app_id != 0, changes[i].is_by_app);
	/* One that is not logged in lives on in any case. */
	desk_open(&other, s, f.book, &f.g);
	changes[i].change(s);
	fiber_sleep(10 * CLOCK_MS, NULL);
	if (!has_book) {
		desk_tell(&d, "MAIL FROM:<" A ">", changes[i].is_ended ? ENDED : "250 ");
	} else if (changes[i].is_ended) {
		/* It hears of it without having asked. */
		got = desk_read(&d);
		if (strcmp(got, ENDED) != 0)
			fail_msg("%s: %s", changes[i].name, got);
	} else {
		desk_tell(&d, "NOOP", "250 ");
	}
	if (!changes[i].is_ended)
		desk_tell(&d, "QUIT", "221 ");
	desk_tell(&other, "QUIT", "221 ");
	floor_end(&f);
	desk_close(&d);
	desk_close(&other);
}

static size_t change_now;
static bool change_has_book;

static FIBER int change_main(void *arg)
{
	change_once(arg, change_now, change_has_book, "");
	return 0;
}

static void what_ends_a_session(void **state)
{
	(void)state;
	for (change_now = 0; change_now < ARRAY_LEN(changes); change_now++) {
		change_has_book = true;
		stage_play(change_main, false, false);
		change_has_book = false;
		stage_play(change_main, false, false);
	}
}

/* An app password that ends while the session goes on. */
static FIBER int expire_main(void *arg)
{
	struct stage *s = arg;
	struct floor f = {0};
	struct desk d;
	const char *app;

	floor_begin(&f, s);
	app = stage_app(s, s->alice,
		(struct account_app_password){
			.name = SPAN("late"), .expires_ns = loop_wall_ns() + CLOCK_MIN})
		      .ptr;
	desk_open(&d, s, f.book, &f.g);
	desk_tell(&d, plain(s, A, app), YES);
	desk_tell(&d, "MAIL FROM:<" A ">", "250 ");
	desk_tell(&d, "RSET", "250 ");
	fiber_sleep(CLOCK_MIN, NULL);
	desk_tell(&d, "MAIL FROM:<" A ">", ENDED);
	floor_end(&f);
	desk_close(&d);
	return 0;
}

static void an_app_password_ends_within_a_session(void **state)
{
	(void)state;
	stage_play(expire_main, false, false);
}

/* More sessions than one question to the store holds; some of one account. */
#define MANY (ACCOUNT_STATES_MAX + 20)

static FIBER int many_main(void *arg)
{
	struct stage *s = arg;
	struct floor f = {0};
	struct desk *d = mem_alloc(sizeof(*d) * MANY);

	floor_begin(&f, s);
	for (size_t i = 0; i < MANY; i++) {
		char *name = arena_printf(s->a, "user%zu@our.example", i / 2);

		if (i % 2 == 0)
			stage_account(s, name, "");
		desk_open(&d[i], s, f.book, &f.g);
		/* as settled as any, without a derivation each */
		struct account_login l;
		bool is_found;

		assert_int_equal(
			account_login_find(s->store, s->a, span_str(name), &l, &is_found, NULL), 0);
		d[i].auth.who = (struct auth_who){
			.account_id = l.id, .credential = l.credential, .address = l.address};
		auth_book_add(f.book, &d[i].mark, &d[i].auth);
		d[i].mark.fiber = d[i].fiber;
		d[i].is_marked = true;
	}
	/* Removal of one in the middle, while all the others are looked at. */
	assert_int_equal(directory_account_remove(s->store, SPAN("user100@our.example"), NULL), 0);
	fiber_sleep(10 * CLOCK_MS, NULL);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(d[i].mark.is_ended, i / 2 == 100);
		if (d[i].mark.is_ended)
			assert_string_equal(desk_read(&d[i]), ENDED);
		else
			desk_tell(&d[i], "QUIT", "221 ");
	}
	floor_end(&f);
	for (size_t i = 0; i < MANY; i++)
		desk_close(&d[i]);
	free(d);
	return 0;
}

static void all_of_a_long_book_are_looked_at(void **state)
{
	(void)state;
	stage_play(many_main, false, false);
}

/* ---- what clients do wrong ---- */

static const struct {
	const char *name;
	const char *lines[4]; /* the last one ends the exchange */
	const char *answer;
} wrongs[] = {
	{"PLAIN cancelled", {"AUTH PLAIN", "*"}, "501 5.7.0"},
	{"LOGIN cancelled at the name", {"AUTH LOGIN", "*"}, "501 5.7.0"},
	{"LOGIN cancelled at the password", {"AUTH LOGIN", "YWxpY2VAb3VyLmV4YW1wbGU=", "*"},
		"501 5.7.0"},
	{"SCRAM cancelled at once", {"AUTH SCRAM-SHA-256", "*"}, "501 5.7.0"},
	/* n,,n=alice,r=abc */
	{"SCRAM cancelled at the challenge", {"AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==", "*"},
		"501 5.7.0"},
	{"no base64", {"AUTH PLAIN !!!!"}, "501 5.5.2"},
	{"no base64, later", {"AUTH LOGIN", "YWxpY2VAb3VyLmV4YW1wbGU=", "d29u\tZGVy"}, "501 5.5.2"},
	{"no base64, padding", {"AUTH PLAIN AGFsaWNlAHdvbmRlcg"}, "501 5.5.2"},
	/* \0 al\xff \0 wonder; al\xc0\xafce; alice \0 without a password */
	{"a name that is no UTF-8", {"AUTH PLAIN AGFs/wB3b25kZXI="}, "501 5.5.2"},
	{"a name that is overlong UTF-8", {"AUTH PLAIN AGFswK9jZQB3b25kZXI="}, "501 5.5.2"},
	{"a name that is no UTF-8, LOGIN", {"AUTH LOGIN YWz/"}, "501 5.5.2"},
	/* n,,n=al\xff,r=abc */
	{"a name that is no UTF-8, SCRAM", {"AUTH SCRAM-SHA-256 biwsbj1hbP8scj1hYmM="},
		"501 5.5.2"},
	{"no password", {"AUTH PLAIN AGFsaWNlAA=="}, "501 5.5.2"},
	/* p=tls-exporter,,n=alice,r=abc: there is no binding here */
	{"SCRAM that claims a binding",
		{"AUTH SCRAM-SHA-256 cD10bHMtZXhwb3J0ZXIsLG49YWxpY2Uscj1hYmM="}, NO},
	{"SCRAM-PLUS where there is none",
		{"AUTH SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIsLG49YWxpY2Uscj1hYmM="}, "504 5.5.4"},
	/* c=biws,r=abc,p=… with another nonce than ours */
	{"SCRAM with a nonce of its own",
		{"AUTH SCRAM-SHA-256 biwsbj1hbGljZSxyPWFiYw==",
			"Yz1iaXdzLHI9YWJjLHA9ZEhsNldHOVJia3B2WTJkdE9UVXdkWGhPUlhsd1p6TlVVWEU="},
		NO},
};

static FIBER int wrong_main(void *arg)
{
	struct stage *s = arg;
	struct floor f = {0};
	struct desk d, other;

	floor_begin(&f, s);
	desk_open(&d, s, f.book, &f.g);
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		const char *const *line = wrongs[i].lines;

		/* Somebody else is in the middle of a login. */
		desk_open(&other, s, f.book, &f.g);
		desk_tell(&other, "AUTH LOGIN", "334 ");
		desk_tell(&other, "Ym9iQG91ci5leGFtcGxl", "334 ");
		for (; line[1]; line++)
			desk_tell(&d, *line, "334 ");
		stream_printf(d.client, "%s\r\n", *line);
		const char *got = desk_read(&d);

		if (strncmp(got, wrongs[i].answer, strlen(wrongs[i].answer)) != 0)
			fail_msg("%s: %s", wrongs[i].name, got);
		assert_int_equal(d.auth.who.account_id, 0);
		desk_tell(&d, "MAIL FROM:<" A ">", "530 ");
		desk_tell(&other, "d29uZGVy", YES);
		desk_tell(&other, "QUIT", "221 ");
		assert_int_equal(other.auth.who.account_id, s->bob);
		fiber_sleep(CLOCK_SEC, NULL);
		desk_close(&other);
	}
	/* And after all that it can log in. */
	desk_tell(&d, plain(s, A, "wonder"), YES);
	desk_tell(&d, "MAIL FROM:<" A ">", "250 ");
	desk_tell(&d, "QUIT", "221 ");
	floor_end(&f);
	desk_close(&d);
	return 0;
}

static void what_one_client_does_wrong_hurts_no_other(void **state)
{
	(void)state;
	stage_play(wrong_main, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ends_a_session),
		cmocka_unit_test(an_app_password_ends_within_a_session),
		cmocka_unit_test(all_of_a_long_book_are_looked_at),
		cmocka_unit_test(what_one_client_does_wrong_hurts_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
