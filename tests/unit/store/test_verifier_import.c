/* Hashes of crypt(3), Dovecot and LDAP servers. The vectors are for "pass word" and were made with
 * openssl, libcrypt and doveadm pw. */

#include "store_test.h"

#include "store/account.h"
#include "store/directory.h"
#include "store/verifier_import.h"

#define PASSWORD "pass word"

static const char *const good[] = {
	"$6$rounds=1024$3LGmsUHnZkRf.o8A$BHS5o.0h1AD2u7VzeoJffhQAnuralrMz9je881H./"
	"1nHY4O77NtXOnbrIvQd822ZtAjhGXG7RN2trSVfbairo0",
	"{CRYPT}$5$rounds=1024$KuTMfxpJm2IfKMJw$YdI7anCOR81PVJQc0zAwMUZGXzBbmEZXG8L1ZM/U/AD",
	"{SHA256-CRYPT}$5$rounds=1024$KuTMfxpJm2IfKMJw$YdI7anCOR81PVJQc0zAwMUZGXzBbmEZXG8L1ZM/U/AD",
	"{MD5-CRYPT}$1$SQgxaqA.$l19Xe1Ur/YvCqvDKktgoU1",
	"{MD5}$1$SQgxaqA.$l19Xe1Ur/YvCqvDKktgoU1",
	"oLmalHf./JqKo",
	"{CRYPT}oLmalHf./JqKo",
	"$2b$04$Qv4YapYBFfyD44pj6YZyK.3WW8VFyOisL7Ld.osGmhCBim3ewqQ0C",
	"{BLF-CRYPT}$2y$05$YWlfnyOQ/lBjxQoQME1Y5eRmEVQt4orKBNKSK2Kqwe9t5vECC5J2W",
	"$y$j75$saltsaltsalt$cyRSWlvfVOdE0vmeiOBzilqWNjtLPn/A/Lo191FuXP9",
	"{PLAIN}pass word",
	"{cleartext}pass word",
	"{PLAIN.b64}cGFzcyB3b3Jk",
	"{SHA}2oguq15ANCGsJCWKX31fllwpyEk=",
	"{sha1.hex}da882eab5e403421ac24258a5f7d5f965c29c849",
	"{SSHA}Ve+1/mp/ckURiCcC7nFX26XCrWtOYUNs",
	"{SHA256}eJgOJX9BJDf7+TQ3h7wA7FsQY2QpvAALKQEHM1sIl4Y=",
	"{SSHA256}CejRuzgo3akodNjVVNkLnUwM0OrHGbJaDg6YmEnzY7VOYUNs",
	"{SSHA256.HEX}80f29a40f6caa51648c952bb9173844114a7cd8a59aba3b472737cf67903a6a9896308d0",
	"{SHA512}Nq7XWhQpjD4VwA82iHbXmY8NSz1w7/A84XtT9npPaxW+U8Dt41vjbL2JY3A7kd5cgXmFPhhROfO9ihvprNn13A==",
	"{SSHA512}BpsOuUDq3NHQqVPR++R4XfFo5Bqe7jTngAIiTNBPUfoYsHDBLTnM3Hfcl9L/"
	"GwGz+ZuVplzpBViNdu1vOLTJxVI0t6g=",
	"{PLAIN-MD5}4ac6430a17d0215b3052b15c879d48bc",
	"{LDAP-MD5}SsZDChfQIVswUrFch51IvA==",
	"{MD5}SsZDChfQIVswUrFch51IvA==",
	"{SMD5}bSjks7TMtD5ynCM3wZZMUrxHMtA=",
	"{PBKDF2}$1$Kj2XlWP.t4jfnA6i$5000$01251dbf1ef28c30067abcccfb6ad787c095b8ce",
	"{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$EhAJJuPaK9wvVWz0nn9vEA$"
	"tCwZZrX5j39F3QzE6jFORoA/2yO9y6m1vpxyIHOQYrk",
	"$argon2i$v=19$m=32768,t=4,p=1$RV5L7XTX1uCcJfM3zeQHPg$"
	"zwseuCP0Sec20c+nQQDC8Ip3abdIp8NnSLp1YNDYY/w",
	"{SCRAM-SHA-256}4096,16FnQ95yDvnZvNm2NVu62g==,"
	"1QPNFXTAkukI3Nia4NcrH/r4AAsuR2/AEtp9Ee3nYx4=,hsdYyDRNAS7hc8nXMgRMToQK3kzn6mFlKH6f7BnrwLs=",
	"SCRAM-SHA-256$4096:16FnQ95yDvnZvNm2NVu62g==$"
	"1QPNFXTAkukI3Nia4NcrH/r4AAsuR2/AEtp9Ee3nYx4=:hsdYyDRNAS7hc8nXMgRMToQK3kzn6mFlKH6f7BnrwLs=",
	"{SCRAM-SHA-1}4096,h9oa6ZcO0Of8uhUZrFnRKA==,PRAbGnuxwnYEtCK4FYWO4640hqc=,"
	"H8bFDC73pA8Oj15eGiR9KLZiyrk=",
};

static void each_scheme_knows_its_password(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct span hash = span_str(good[i]);
		struct err e = {0};

		if (verifier_import_check(hash, &e) < 0)
			fail_msg("%s: %s", good[i], e.text);
		if (!verifier_imported_fits(hash, SPAN(PASSWORD)))
			fail_msg("%s does not fit", good[i]);
		if (verifier_imported_fits(hash, SPAN("Pass word")) ||
			verifier_imported_fits(hash, SPAN("")) ||
			verifier_imported_fits(hash, SPAN("pass word\0")))
			fail_msg("%s fits another password", good[i]);
	}
}

static void what_is_no_hash_is_refused_by_name(void **state)
{
	static const struct {
		const char *hash, *why;
		enum err_code code;
	} cases[] = {
		{"", "known form", ERR_SYNTAX},
		{"secret", "known form", ERR_SYNTAX},
		{"*", "known form", ERR_SYNTAX},
		{"!", "known form", ERR_SYNTAX},
		{"{", "second brace", ERR_SYNTAX},
		{"{SSHA", "second brace", ERR_SYNTAX},
		{"{NTLM}0123", "{NTLM} is not known", ERR_SYNTAX},
		{"{CRAM-MD5}00", "{CRAM-MD5} is not known", ERR_SYNTAX},
		{"{PLAIN}", "empty", ERR_SYNTAX},
		{"{SSHA.b32}AAAA", ".b64 or .hex", ERR_SYNTAX},
		{"{SHA}@@@", "coding", ERR_SYNTAX},
		{"{SHA}AAAA", "length", ERR_SYNTAX},
		{"{SSHA}2oguq15ANCGsJCWKX31fllwpyEk=", "length", ERR_SYNTAX}, /* no salt */
		{"{SHA512-CRYPT}$5$salt$x", "another kind", ERR_SYNTAX},
		{"$6$", "crypt", ERR_SYNTAX},
		{"$6$salt$", "cut off", ERR_SYNTAX},
		{"$99$salt$hash", "crypt", ERR_SYNTAX},
		{"$6$rounds=999999999$salt$x", "too long to check", ERR_LIMIT},
		{"$2y$31$YWlfnyOQ/lBjxQoQME1Y5eRmEVQt4orKBNKSK2Kqwe9t5vECC5J2W",
			"too long to check", ERR_LIMIT},
		{"$y$jFT$saltsaltsalt$cyRSWlvfVOdE0vmeiOBzilqWNjtLPn/A/Lo191FuXP9",
			"too long to check", ERR_LIMIT},
		/* scrypt: p is 2^24, of which only the first of five digits looks like 1 */
		{"$7$C6..../.../.saltsalt$cyRSWlvfVOdE0vmeiOBzilqWNjtLPn/A/Lo191FuXP9",
			"too long to check", ERR_LIMIT},
		{"{PBKDF2}$1$salt$99999999$01251dbf1ef28c30067abcccfb6ad787c095b8ce",
			"too long to check", ERR_LIMIT},
		{"{PBKDF2}$1$salt$5000$0125", "salt$rounds$key", ERR_SYNTAX},
		{"{ARGON2ID}$argon2id$v=19$m=99999999,t=3,p=1$EhAJ$tCwZ", "too long to check",
			ERR_LIMIT},
		{"{ARGON2ID}$argon2id$v=19$m=65536", "cut off", ERR_SYNTAX},
		{"{ARGON2ID}$argon2i$v=19$m=1,t=1,p=1$a$b", "another kind", ERR_SYNTAX},
		{"{SCRAM-SHA-256}4096,AAAA,AAAA,AAAA", "two keys", ERR_SYNTAX},
		{"SCRAM-SHA-1$", "two keys", ERR_SYNTAX},
		{"$6$a\n$b", "lines", ERR_SYNTAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};

		if (verifier_import_check(span_str(cases[i].hash), &e) == 0)
			fail_msg("%s is taken", cases[i].hash);
		if (e.code != cases[i].code || !strstr(e.text, cases[i].why))
			fail_msg("%s: %s: %s", cases[i].hash, err_code_str(e.code), e.text);
		assert_false(verifier_imported_fits(span_str(cases[i].hash), SPAN("x")));
	}
}

/* RFC 5802 section 5: "user" with "pencil". */
static void keys_of_scram_are_the_standards(void **state)
{
	struct store_fixture *f = *state;
	struct span sha256, sha1;

	verifier_import_scram(f->a,
		SPAN("{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
		     "D+CSWLOshSulAsxiupA+qs2/fTE="),
		&sha256, &sha1);
	assert_span(sha256, "");
	assert_span(sha1,
		"4096:QSXCR+Q6sek8bf92:6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE=");
	assert_true(verifier_imported_fits(
		SPAN("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		     "D+CSWLOshSulAsxiupA+qs2/fTE="),
		SPAN("pencil")));
}

static struct account_login login(struct store_fixture *f)
{
	struct account_login l;
	struct err e = {0};
	bool is_found;

	assert_ok(account_login_find(f->s, f->a, SPAN("alice@our.example"), &l, &is_found, &e), &e);
	assert_true(is_found);
	return l;
}

static void play_import(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@our.example")};
	struct span who = acc.address;
	struct account_login l, now;
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, true, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN("old"), true, &e), &e);
	l = login(f);
	assert_ok(account_import_hash(f->s, who, span_str(good[0]), &e), &e);
	now = login(f);
	assert_span(now.imported, good[0]);
	assert_span(now.scram_sha256, "");
	assert_true(now.credential != l.credential);
	/* verifiers at once: of a password in the clear, of SCRAM keys */
	assert_ok(account_import_hash(f->s, who, SPAN("{PLAIN}pass word"), &e), &e);
	now = login(f);
	assert_span(now.imported, "");
	assert_true(verifier_fits(now.scram_sha256, SPAN(PASSWORD)));
	assert_ok(account_import_hash(f->s, who,
			  SPAN("{SCRAM-SHA-256}4096,16FnQ95yDvnZvNm2NVu62g==,"
			       "1QPNFXTAkukI3Nia4NcrH/r4AAsuR2/AEtp9Ee3nYx4=,"
			       "hsdYyDRNAS7hc8nXMgRMToQK3kzn6mFlKH6f7BnrwLs="),
			  &e),
		&e);
	now = login(f);
	assert_span(now.imported, "");
	assert_true(verifier_fits(now.scram_sha256, SPAN(PASSWORD)));
	assert_ok(account_import_hash(f->s, who, span_str(good[ARRAY_LEN(good) - 1]), &e), &e);
	now = login(f);
	assert_span(now.scram_sha256, "");
	assert_true(now.scram_sha1.len > 0);
	assert_true(verifier_imported_fits(now.imported, SPAN(PASSWORD)));
	ASSERT_ERR(account_import_hash(f->s, who, SPAN("{NTLM}00"), &e), ERR_SYNTAX);
	ASSERT_ERR(account_import_hash(f->s, SPAN("bob@our.example"), span_str(good[0]), &e),
		ERR_NOT_FOUND);
	assert_span(login(f).imported, good[ARRAY_LEN(good) - 1]);
}

static void an_import_takes_the_password_s_place(void **state)
{
	store_play(state, play_import);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scheme_knows_its_password),
		cmocka_unit_test(what_is_no_hash_is_refused_by_name),
		CASE(keys_of_scram_are_the_standards),
		CASE(an_import_takes_the_password_s_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
