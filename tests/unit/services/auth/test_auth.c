/* Who gets in, by which mechanism, and what a wrong password costs. */
#include "auth_stage.h"

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/enc.h"

DB_SQL(sql_make_team, "UPDATE account SET kind = 1 WHERE id = $1");
DB_SQL(sql_remove, "UPDATE account SET removed_ns = 1 WHERE id = $1");
DB_SQL(sql_old_verifier, "UPDATE account SET scram_sha256 = '4096:AAAA:broken' WHERE id = $1");
DB_SQL(sql_member,
	"INSERT INTO account_member (account_id, member_id, rights) "
	"SELECT id, $1, 4 FROM account WHERE local = 'team'");

struct login_case {
	const char *name;
	struct stage_login l;
	unsigned code;
	unsigned derived; /* so much work it was */
};

#define PLUS "SCRAM-SHA-256-PLUS"
#define S256 "SCRAM-SHA-256"
#define A    "alice@our.example"

static const struct login_case logins[] = {
	{"PLAIN", {"PLAIN", A, "wonder"}, 235, 1},
	{"PLAIN, name in capitals", {"PLAIN", "Alice@OUR.example", "wonder"}, 235, 1},
	{"PLAIN, local part alone", {"PLAIN", "alice", "wonder"}, 235, 1},
	{"LOGIN", {"LOGIN", A, "wonder"}, 235, 1},
	{"SCRAM-SHA-256", {S256, A, "wonder"}, 235, 0},
	{"SCRAM-SHA-256, local part alone", {S256, "alice", "wonder"}, 235, 0},
	{"SCRAM-SHA-256, client can bind", {S256, A, "wonder", .binding = BINDING}, 235, 0},
	{"SCRAM-SHA-256-PLUS", {PLUS, A, "wonder", .binding = BINDING}, 235, 0},
	{"SCRAM-SHA-1", {"SCRAM-SHA-1", A, "wonder"}, 235, 0},
	{"SCRAM-SHA-1-PLUS", {"SCRAM-SHA-1-PLUS", A, "wonder", .binding = BINDING}, 235, 0},
	{"SCRAM-SHA-256-PLUS, another connection's binding",
		{PLUS, A, "wonder", .binding = "fedcba9876543210fedcba9876543210"}, 535, 0},
	{"for itself", {"PLAIN", A, "wonder", "alice"}, 235, 1},
	{"for a team that it writes as", {"PLAIN", A, "wonder", "team@our.example"}, 235, 1},
	{"for a team, SCRAM", {S256, A, "wonder", "team@our.example"}, 235, 0},
	{"for somebody else", {"PLAIN", A, "wonder", "bob@our.example"}, 535, 1},
	{"for somebody else, SCRAM", {S256, A, "wonder", "bob@our.example"}, 535, 0},
	{"for a team that is not its own",
		{"PLAIN", "bob@our.example", "wonder", "team@our.example"}, 535, 1},
	{"for nobody there", {"PLAIN", A, "wonder", "nobody@our.example"}, 535, 1},
	{"any scope by its own password", {"PLAIN", A, "wonder", .scope = ACCOUNT_SCOPE_IMAP}, 235,
		1},
	/* All of these cost one derivation and hear the same. */
	{"wrong password", {"PLAIN", A, "wrong"}, 535, 1},
	{"wrong password, LOGIN", {"LOGIN", A, "wrong"}, 535, 1},
	{"unknown user", {"PLAIN", "eve@our.example", "wonder"}, 535, 1},
	{"unknown domain", {"PLAIN", "alice@their.example", "wonder"}, 535, 1},
	{"no address at all", {"PLAIN", "alice@@x@", "wonder"}, 535, 1},
	{"suspended", {"PLAIN", "sue@our.example", "wonder"}, 535, 1},
	{"suspended, wrong password", {"PLAIN", "sue@our.example", "wrong"}, 535, 1},
	{"removed", {"PLAIN", "rita@our.example", "wonder"}, 535, 1},
	{"a team", {"PLAIN", "team@our.example", "wonder"}, 535, 1},
	{"no password set", {"PLAIN", "nell@our.example", "wonder"}, 535, 1},
	{"a verifier that cannot be read", {"PLAIN", "odd@our.example", "wonder"}, 535, 1},
	{"a long password",
		{"PLAIN", A,
			"0123456789012345678901234567890123456789012345678901234567890123456789"},
		535, 1},
	{"what SASLprep does not allow",
		{"PLAIN", A,
			"won\x07"
			"der"},
		535, 1},
	{"composed or not, it is the same", {"PLAIN", "jo@our.example", "caf\x65\xcc\x81"}, 235, 1},
	{"composed or not, SCRAM", {S256, "jo@our.example", "caf\xc3\xa9"}, 235, 0},
	{"kept as it was typed", {"PLAIN", "raw@our.example", "caf\x65\xcc\x81"}, 235, 1},
	{"kept as it was typed, wrong", {"PLAIN", "raw@our.example", "raf\x65\xcc\x81"}, 535, 1},
	{"unknown user, SCRAM", {S256, "eve@our.example", "wonder"}, 535, 0},
	{"suspended, SCRAM", {S256, "sue@our.example", "wonder"}, 535, 0},
	{"removed, SCRAM", {S256, "rita@our.example", "wonder"}, 535, 0},
	{"a team, SCRAM", {S256, "team@our.example", "wonder"}, 535, 0},
	{"no password, SCRAM", {S256, "nell@our.example", "wonder"}, 535, 0},
	{"a verifier that cannot be read, SCRAM", {S256, "odd@our.example", "wonder"}, 535, 0},
	{"wrong password, SCRAM", {S256, A, "wrong"}, 535, 0},
	{"wrong password, SCRAM-SHA-1", {"SCRAM-SHA-1", A, "wrong"}, 535, 0},
};

static __attribute__((noinline)) FIBER void more_people(struct stage *s)
{
	uint64_t id;

	id = stage_account(s, "sue@our.example", "");
	stage_password(s, id, "wonder");
	stage_suspend(s, "sue@our.example", true);
	id = stage_account(s, "rita@our.example", "");
	stage_password(s, id, "wonder");
	stage_sql(s, &sql_remove, id);
	id = stage_account(s, "team@our.example", "");
	stage_password(s, id, "wonder");
	stage_sql(s, &sql_make_team, id);
	stage_sql(s, &sql_member, s->alice);
	stage_account(s, "nell@our.example", "");
	stage_account(s, "raw@our.example", "caf\x65\xcc\x81");
	id = stage_account(s, "odd@our.example", "");
	stage_password(s, id, "wonder");
	stage_sql(s, &sql_old_verifier, id);
	id = stage_account(s, "jo@our.example", "");
	stage_password(s, id, "caf\xc3\xa9");
}

static FIBER int log_in_each(void *arg)
{
	struct stage *s = arg;

	stage_people(s);
	more_people(s);
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		uint64_t before = stage_derived(s);
		unsigned code = stage_log_in(s, &logins[i].l);

		if (code != logins[i].code)
			fail_msg("%s: %u", logins[i].name, code);
		if (stage_derived(s) - before != logins[i].derived)
			fail_msg("%s: %d derivations", logins[i].name,
				(int)(stage_derived(s) - before));
		/* nothing is remembered for the next one */
		fiber_sleep(AUTH_CACHE_NS, NULL);
	}
	stage_streams_free(s);
	return 0;
}

static void each_way_to_log_in_and_what_it_costs(void **state)
{
	(void)state;
	stage_play(log_in_each, true, false);
}

/* ---- what is offered ---- */

static FIBER int offer(void *arg)
{
	struct stage *s = arg;
	struct sasl_server_opts o = {0};
	struct auth_conn c;
	struct err e = {0};
	char *secret;

	stream_pair(&s->near, &s->far, 0);
	auth_conn_init(&c, s->auth, ACCOUNT_SCOPE_SUBMIT, s->near);
	/* Not before the secret of fake challenges is there. */
	assert_false(auth_offer(&c, &o));
	assert_int_equal(auth_begin(s->auth, &e), 0);
	assert_true(auth_offer(&c, &o));
	assert_string_equal(o.mechs,
		s->auth->opts.is_sha1
			? "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 PLAIN LOGIN"
			: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
	assert_int_equal(o.iterations, VERIFIER_ITERATIONS);
	/* The next start has the same secret. */
	secret = arena_str(s->a, o.secret);
	memset(s->auth->secret, 0, sizeof(s->auth->secret));
	assert_int_equal(auth_begin(s->auth, &e), 0);
	assert_memory_equal(s->auth->secret, secret, AUTH_SECRET);
	auth_conn_fini(&c);
	stage_streams_free(s);
	return 0;
}

static void sha1_is_offered_where_it_is_kept(void **state)
{
	(void)state;
	stage_play(offer, false, false);
	stage_play(offer, true, false);
}

/* ---- the cache ---- */

static __attribute__((noinline)) FIBER void costs(struct stage *s, const char *what,
	const struct stage_login *l, unsigned code, unsigned derived)
{
	uint64_t before = stage_derived(s);
	unsigned got = stage_log_in(s, l);

	if (got != code || stage_derived(s) - before != derived)
		fail_msg("%s: %u, %d derivations", what, got, (int)(stage_derived(s) - before));
}

static FIBER int remember(void *arg)
{
	const struct stage_login alice = {"PLAIN", A, "wonder"};
	const struct stage_login bob = {"PLAIN", "bob@our.example", "wonder"};
	const struct stage_login imap = {"PLAIN", A, "wonder", .scope = ACCOUNT_SCOPE_IMAP};
	const struct stage_login wrong = {"PLAIN", A, "Wonder"};
	const struct stage_login as_bob = {"PLAIN", A, "wonder", "bob@our.example"};
	const struct stage_login second = {"PLAIN", A, "other"};
	struct stage *s = arg;
	struct err e = {0};

	stage_people(s);
	costs(s, "the first", &alice, 235, 1);
	costs(s, "the second", &alice, 235, 0);
	costs(s, "somebody else with the same password", &bob, 235, 1);
	costs(s, "the same for another use", &imap, 235, 1);
	costs(s, "each of them again", &bob, 235, 0);
	costs(s, "each of them again", &imap, 235, 0);
	costs(s, "another password", &wrong, 535, 1);
	costs(s, "a wrong one is not remembered", &wrong, 535, 1);
	costs(s, "for somebody else", &as_bob, 535, 0);
	/* The directory moves, but nothing of hers. */
	stage_account(s, "carol@our.example", "");
	costs(s, "after a change of others", &alice, 235, 0);
	fiber_sleep(AUTH_CACHE_NS / 2, NULL);
	costs(s, "use does not make it last", &alice, 235, 0);
	fiber_sleep(AUTH_CACHE_NS / 2, NULL);
	costs(s, "five minutes later", &alice, 235, 1);
	stage_password(s, s->alice, "other");
	costs(s, "the old password", &alice, 535, 1);
	costs(s, "the new one", &second, 235, 1);
	costs(s, "the new one again", &second, 235, 0);
	stage_suspend(s, A, true);
	costs(s, "suspended", &second, 535, 1);
	stage_suspend(s, A, false);
	costs(s, "back again", &second, 235, 1);
	/* The name gets another account. */
	assert_int_equal(directory_account_remove(s->store, SPAN(A), &e), 0);
	costs(s, "gone", &second, 535, 1);
	s->alice = stage_account(s, A, "");
	stage_password(s, s->alice, "third");
	costs(s, "another alice", &second, 535, 1);
	stage_streams_free(s);
	return 0;
}

static void the_cache_knows_the_whole_of_what_was_asked(void **state)
{
	(void)state;
	stage_play(remember, false, false);
}

static void the_cache_is_bounded(void **state)
{
	struct auth_cache *c = auth_cache_new();
	struct arena *a = arena_new();
	struct auth_cached what = {1, 2, 3, SPAN("a@b"), SPAN("A")}, got;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < AUTH_CACHE_MAX * 5 / 4; i++) {
		struct auth_cache_key key = {
			ACCOUNT_SCOPE_SUBMIT, SPAN("a"), span_of(&i, sizeof(i))};

		auth_cache_put(c, &key, i, &what);
	}
	assert_true(auth_cache_count(c) <= AUTH_CACHE_MAX);
	assert_true(auth_cache_count(c) > AUTH_CACHE_MAX / 2);
	/* Those of the end are there. */
	for (unsigned i = AUTH_CACHE_MAX * 5 / 4 - 100; i < AUTH_CACHE_MAX * 5 / 4; i++) {
		struct auth_cache_key key = {
			ACCOUNT_SCOPE_SUBMIT, SPAN("a"), span_of(&i, sizeof(i))};

		found += auth_cache_get(c, a, &key, 1000000, &got);
	}
	assert_int_equal(found, 100);
	arena_free(&a);
	auth_cache_free(&c);
}

/* ---- app passwords ---- */

struct made {
	const char *phone, *spaces, *mail, *home, *late, *only;
};

static FIBER void each_costs(struct stage *s, const struct login_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		costs(s, cases[i].name, &cases[i].l, cases[i].code, cases[i].derived);
}

static __attribute__((noinline)) FIBER void apps_by_name(struct stage *s, const struct made *m)
{
	const struct login_case cases[] = {
		{"as it was shown", {"PLAIN", A, m->phone}, 235, 0},
		{"with blanks, in capitals", {"PLAIN", A, m->spaces}, 235, 0},
		{"by its name", {"PLAIN", A "#phone", m->phone}, 235, 0},
		{"by its name, local part alone", {"LOGIN", "alice#Phone", m->phone}, 235, 0},
		{"SCRAM by its name", {S256, A "#phone", m->phone}, 235, 0},
		{"SCRAM-PLUS by its name", {PLUS, A "#phone", m->phone, .binding = BINDING}, 235,
			0},
		{"SCRAM without its name", {S256, A, m->phone}, 535, 0},
		{"by another's name", {"PLAIN", A "#mail", m->phone}, 535, 1},
		{"by no name of hers", {"PLAIN", A "#car", m->phone}, 535, 1},
		{"SCRAM by no name of hers", {S256, A "#car", m->phone}, 535, 0},
		{"the account's own password by the name of one", {"PLAIN", A "#phone", "wonder"},
			535, 1},
		{"somebody else's", {"PLAIN", "bob@our.example", m->phone}, 535, 1},
		{"of nobody", {"PLAIN", "eve@our.example#phone", m->phone}, 535, 1},
	};

	each_costs(s, cases, ARRAY_LEN(cases));
}

static __attribute__((noinline)) FIBER void apps_by_use(struct stage *s, const struct made *m)
{
	const struct login_case cases[] = {
		{"of another use", {"PLAIN", A, m->mail}, 535, 1},
		{"of another use, SCRAM", {S256, A "#mail", m->mail}, 535, 0},
		{"of this use", {"PLAIN", A, m->mail, .scope = ACCOUNT_SCOPE_IMAP}, 235, 0},
		{"from elsewhere", {"PLAIN", A, m->home}, 535, 1},
		{"from elsewhere, SCRAM", {S256, A "#home", m->home}, 535, 0},
		{"from its network", {"PLAIN", A, m->home, .from = "198.51.100.9"}, 235, 0},
		{"from its other network", {S256, A "#home", m->home, .from = "2001:db8::1"}, 235,
			0},
		{"before its end", {"PLAIN", A, m->late}, 235, 0},
		{"the only one", {"PLAIN", "ann@our.example", m->only}, 235, 0},
		{"of an account that has no other, wrong", {"PLAIN", "ann@our.example", "x"}, 535,
			1},
	};

	each_costs(s, cases, ARRAY_LEN(cases));
}

static __attribute__((noinline)) FIBER const char *app(struct stage *s, uint64_t account,
	const char *name, unsigned scopes, const char *networks, int64_t expires_ns)
{
	struct account_app_password made = {.name = span_str(name),
		.scopes = scopes,
		.networks = span_str(networks),
		.expires_ns = expires_ns};

	return stage_app(s, account, made).ptr;
}

static __attribute__((noinline)) FIBER void app_used(struct stage *s)
{
	struct account_app_password *list;
	size_t count, used = 0;

	assert_int_equal(account_app_list(s->store, s->a, s->alice, &list, &count, NULL), 0);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++) {
		if (!span_eq(list[i].name, SPAN("home")))
			continue;
		/* The second use came within a minute. */
		assert_true(span_eq(list[i].used_from, SPAN("198.51.100.9")));
		used += list[i].used_ns > 0;
	}
	assert_int_equal(used, 1);
}

static FIBER int apps(void *arg)
{
	struct stage *s = arg;
	struct made m;

	stage_people(s);
	m.phone = app(s, s->alice, "phone", 0, "", 0);
	m.mail = app(s, s->alice, "mail", ACCOUNT_SCOPE_IMAP, "", 0);
	m.home = app(s, s->alice, "home", 0, "198.51.100.0/24 2001:db8::/32", 0);
	m.late = app(s, s->alice, "late", 0, "", loop_wall_ns() + CLOCK_HOUR);
	m.only = app(s, stage_account(s, "ann@our.example", ""), "only", 0, "", 0);
	assert_int_equal(strlen(m.phone), 24);
	char *spaces = arena_str(s->a, span_str(m.phone));

	for (size_t i = 0; spaces[i]; i++)
		spaces[i] = (char)(spaces[i] == '-' ? ' '
				: spaces[i] >= 'a'  ? spaces[i] - 32
						    : spaces[i]);
	m.spaces = spaces;
	apps_by_name(s, &m);
	apps_by_use(s, &m);
	app_used(s);
	fiber_sleep(CLOCK_HOUR, NULL);
	costs(s, "after its end", &(struct stage_login){"PLAIN", A, m.late}, 535, 1);
	costs(s, "after its end, SCRAM", &(struct stage_login){S256, A "#late", m.late}, 535, 0);
	/* Suspended: none of them. Gone: not that one. */
	stage_suspend(s, A, true);
	costs(s, "suspended", &(struct stage_login){"PLAIN", A, m.phone}, 535, 1);
	costs(s, "suspended, SCRAM", &(struct stage_login){S256, A "#phone", m.phone}, 535, 0);
	stage_suspend(s, A, false);
	assert_int_equal(account_app_remove(s->store, s->alice, SPAN("phone"), NULL), 0);
	costs(s, "removed", &(struct stage_login){"PLAIN", A, m.phone}, 535, 1);
	stage_streams_free(s);
	return 0;
}

static void app_passwords_are_good_for_what_they_were_made(void **state)
{
	(void)state;
	stage_play(apps, false, false);
}

/* ---- hashes of other systems ---- */

/* Of the octets as they are typed, not as SASLprep has them. */
static struct span sha_of(struct stage *s, struct span password)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	struct buf *b = arena_buf(s->a, 100);

	SHA1((const unsigned char *)password.ptr, password.len, digest);
	buf_str(b, "{SHA}");
	enc_put_base64(b, span_of(digest, sizeof(digest)));
	return buf_span(b);
}

/* {PLAIN} and its likes become verifiers at once; these wait for the first login. */
static const struct {
	const char *name, *hash, *password;
} imports[] = {
	{"SHA-512 crypt",
		"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
		"Hello world!"},
	{"SHA-1 of what SASLprep would change", "{SHA}SSHA", "caf\x65\xcc\x81"},
};

static FIBER int import(void *arg)
{
	struct stage *s = arg;
	struct err e = {0};

	stage_people(s);
	for (size_t i = 0; i < ARRAY_LEN(imports); i++) {
		const struct stage_login right = {"PLAIN", A, imports[i].password};
		const struct stage_login wrong = {"PLAIN", A, "wrong"};
		const struct stage_login scram = {S256, A, imports[i].password};
		struct span hash = span_str(imports[i].hash);
		struct account_login l;
		bool is_found;

		if (span_eq(hash, SPAN("{SHA}SSHA")))
			hash = sha_of(s, span_str(imports[i].password));
		if (account_import_hash(s->store, SPAN(A), hash, &e) < 0)
			fail_msg("%s: %s", imports[i].name, e.text);
		costs(s, "wrong", &wrong, 535, 1);
		costs(s, "not for SCRAM yet", &scram, 535, 0);
		costs(s, imports[i].name, &right, 235, 1);
		assert_int_equal(account_login_get(s->store, s->a, s->alice, &l, &is_found, &e), 0);
		assert_int_equal(l.imported.len, 0);
		assert_true(l.scram_sha256.len > 0);
		costs(s, "now for SCRAM", &scram, 235, 0);
		fiber_sleep(AUTH_CACHE_NS, NULL);
		costs(s, "by its verifier", &right, 235, 1);
		costs(s, "still wrong", &wrong, 535, 1);
	}
	stage_streams_free(s);
	return 0;
}

static void an_imported_hash_serves_until_the_first_login(void **state)
{
	(void)state;
	stage_play(import, false, false);
}

/* ---- who is wrong too often ---- */

static FIBER int wrong_often(void *arg)
{
	struct stage *s = arg;
	unsigned code = 535;
	uint64_t before;
	char password[2] = "a";

	stage_people(s);
	for (unsigned i = 0; i < 100 && code == 535; i++) {
		password[0] = (char)('a' + i % 26);
		code = stage_plain(s, i % 2 ? A : "eve@our.example", password);
	}
	assert_int_equal(code, 454);
	/* Now nothing is tried, whoever it is, right or wrong. */
	before = stage_derived(s);
	assert_int_equal(stage_plain(s, A, "wonder"), 454);
	assert_int_equal(stage_plain(s, "nobody@our.example", "wonder"), 454);
	assert_int_equal(stage_log_in(s, &(struct stage_login){S256, A, "wonder"}), 454);
	assert_int_equal(stage_derived(s), before);
	/* Others are not concerned. */
	assert_int_equal(
		stage_log_in(
			s, &(struct stage_login){"PLAIN", A, "wonder", .from = "198.51.100.7"}),
		235);
	stage_streams_free(s);
	return 0;
}

static void who_is_wrong_too_often_waits(void **state)
{
	(void)state;
	stage_play(wrong_often, false, true);
}

/* From everywhere, under every way to write one name. */
static FIBER int spelled(void *arg)
{
	static const char *const names[] = {"alice@our.example", "Alice@OUR.example.",
		"alice@our\343\200\202example", "alice@our.example#x"};
	struct stage *s = arg;
	unsigned code = 535;

	stage_people(s);
	for (unsigned i = 0; i < 30 && code == 535; i++) {
		struct stage_login l = {"PLAIN", names[i % ARRAY_LEN(names)],
			arena_printf(s->a, "wrong%u", i),
			.from = arena_printf(s->a, "10.%u.0.1", i)};

		code = stage_log_in(s, &l);
	}
	assert_int_equal(code, 454);
	stage_streams_free(s);
	return 0;
}

static void all_ways_to_write_a_name_are_counted_as_one(void **state)
{
	(void)state;
	stage_play(spelled, false, true);
}

/* ---- whose session is being ended ---- */

struct late {
	struct auth_conn conn;
	bool is_still;
};

static FIBER int late_main(void *arg)
{
	struct late *l = arg;

	fiber_cancel(fiber_self());
	l->is_still = auth_still(&l->conn);
	return 0;
}

static FIBER int late(void *arg)
{
	struct stage *s = arg;
	struct fiber_group group;
	struct err e = {0};
	struct late l;

	stage_people(s);
	auth_conn_init(&l.conn, s->auth, ACCOUNT_SCOPE_SUBMIT, s->near);
	assert_int_equal(auth_password(&l.conn, SPAN(A), SPAN("wonder"), &e), 0);
	assert_int_equal(account_password_set(s->store, s->alice, SPAN("other"), false, &e), 0);
	fiber_group_init(&group);
	assert_int_equal(fiber_start(&group, "late", late_main, &l, &e), 0);
	fiber_group_join(&group);
	assert_false(l.is_still);
	auth_conn_fini(&l.conn);
	stage_streams_free(s);
	return 0;
}

static void a_session_that_is_being_ended_counts_no_more(void **state)
{
	(void)state;
	stage_play(late, false, false);
}

/* ---- what a challenge tells ---- */

/* The salt that SCRAM shows for a name. */
static FIBER const char *salt_of(struct stage *s, const char *user)
{
	struct sasl_server_opts so = {.has_tls = true};
	struct span rest, nonce, salt;
	enum sasl_verdict verdict;
	struct sasl_server *server;
	struct buf challenge;
	struct auth_conn c;
	struct err e = {0};
	const char *text;

	auth_conn_init(&c, s->auth, ACCOUNT_SCOPE_SUBMIT, s->near);
	assert_true(auth_offer(&c, &so));
	server = sasl_server_new(SPAN(S256), &so, &auth_decider, &c, &e);
	assert_non_null(server);
	buf_init(&challenge, SASL_SERVER_RESPONSE_MAX);
	assert_int_equal(
		sasl_server_step(server, span_str(arena_printf(s->a, "n,,n=%s,r=abcdefgh", user)),
			&challenge, &verdict, &e),
		0);
	assert_true(span_cut(buf_span(&challenge), ',', &nonce, &rest));
	assert_true(span_cut(rest, ',', &salt, &rest));
	text = arena_str(s->a, salt);
	buf_fini(&challenge);
	sasl_server_free(&server);
	auth_conn_fini(&c);
	return text;
}

/* Of somebody who is there all these are one salt: so they are of somebody who is not. */
static FIBER int salts(void *arg)
{
	static const char *const known[] = {A, "Alice@OUR.example", "alice@our.example.", "alice"};
	static const char *const unknown[] = {
		"eve@our.example", "Eve@OUR.example", "eve@our.example.", "eve"};
	static const char *const app[] = {"alice@our.example#none", "Alice@our.example#NONE"};
	struct stage *s = arg;

	stage_people(s);
	for (size_t i = 1; i < ARRAY_LEN(known); i++)
		assert_string_equal(salt_of(s, known[i]), salt_of(s, known[0]));
	for (size_t i = 1; i < ARRAY_LEN(unknown); i++)
		assert_string_equal(salt_of(s, unknown[i]), salt_of(s, unknown[0]));
	assert_string_equal(salt_of(s, app[0]), salt_of(s, app[1]));
	assert_string_not_equal(salt_of(s, app[0]), salt_of(s, known[0]));
	assert_string_not_equal(salt_of(s, "mallory@our.example"), salt_of(s, unknown[0]));
	stage_streams_free(s);
	return 0;
}

static void the_salt_of_nobody_is_one_however_he_is_written(void **state)
{
	(void)state;
	stage_play(salts, false, false);
}

/* ---- without SASL ---- */

static FIBER int bare(void *arg)
{
	static const struct {
		const char *name, *user, *password;
		unsigned code;
	} cases[] = {
		{"right", A, "wonder", 235},
		{"wrong", A, "wrong", 535},
		{"no name", "", "wonder", 535},
		{"no password", A, "", 535},
		{"a name that is no UTF-8", "al\xff", "wonder", 535},
		{"a control character in the name", "ali\001ce", "wonder", 535},
		{"a password that is no UTF-8", A, "\xff\xfe", 535},
	};
	struct stage *s = arg;
	struct auth_conn c;

	stage_people(s);
	auth_conn_init(&c, s->auth, ACCOUNT_SCOPE_POP3, s->near);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};
		int rc = auth_password(
			&c, span_str(cases[i].user), span_str(cases[i].password), &e);

		if ((rc == 0 ? 235 : e.smtp) != cases[i].code)
			fail_msg("%s: %u %s", cases[i].name, e.smtp, e.text);
		assert_int_equal(c.who.account_id, rc == 0 ? s->alice : 0);
	}
	auth_conn_fini(&c);
	stage_streams_free(s);
	return 0;
}

static void a_login_without_sasl(void **state)
{
	(void)state;
	stage_play(bare, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_way_to_log_in_and_what_it_costs),
		cmocka_unit_test(sha1_is_offered_where_it_is_kept),
		cmocka_unit_test(the_cache_knows_the_whole_of_what_was_asked),
		cmocka_unit_test(the_cache_is_bounded),
		cmocka_unit_test(app_passwords_are_good_for_what_they_were_made),
		cmocka_unit_test(an_imported_hash_serves_until_the_first_login),
		cmocka_unit_test(who_is_wrong_too_often_waits),
		cmocka_unit_test(all_ways_to_write_a_name_are_counted_as_one),
		cmocka_unit_test(a_session_that_is_being_ended_counts_no_more),
		cmocka_unit_test(the_salt_of_nobody_is_one_however_he_is_written),
		cmocka_unit_test(a_login_without_sasl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
