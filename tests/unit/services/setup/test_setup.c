#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/setup/setup.h"

#define REQUEST(address, schema)                                                                   \
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>"                                               \
	"<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/"        \
	"requestschema/2006\"><Request><EMailAddress>" address "</EMailAddress>"                   \
	"<AcceptableResponseSchema>" schema "</AcceptableResponseSchema></Request></Autodiscover>"
#define OUTLOOK "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
#define MOBILE  "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"

/* STARTTLS before TLS first: the documents have them the other way round */
static const struct setup_server all[] = {
	{SETUP_SUBMISSION, 587, false},
	{SETUP_SUBMISSION, 465, true},
	{SETUP_POP3, 995, true},
	{SETUP_IMAP, 143, false},
	{SETUP_IMAP, 993, true},
};
static const struct setup_facts whole = {.servers = all,
	.count = ARRAY_LEN(all),
	.domain = SPAN("our.example"),
	.host = SPAN("mx.our.example")};
static const struct setup_facts sending = {
	.servers = all, .count = 1, .domain = SPAN("our.example"), .host = SPAN("mx.our.example")};

static void autoconfig_is_these_bytes(void **state)
{
#define SERVER(kind, type, port, socket)                                                           \
	"    <" kind "Server type=\"" type "\">\n"                                                 \
	"      <hostname>mx.our.example</hostname>\n"                                              \
	"      <port>" port "</port>\n"                                                            \
	"      <socketType>" socket "</socketType>\n"                                              \
	"      <authentication>password-cleartext</authentication>\n"                              \
	"      <username>%EMAILADDRESS%</username>\n"                                              \
	"    </" kind "Server>\n"
	static const char want[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<clientConfig version=\"1.1\">\n"
		"  <emailProvider id=\"our.example\">\n"
		"    <domain>our.example</domain>\n"
		"    <displayName>our.example</displayName>\n"
		"    <displayShortName>our.example</displayShortName>\n" SERVER("incoming", "imap",
			"993", "SSL") SERVER("incoming", "imap", "143", "STARTTLS")
			SERVER("incoming", "pop3", "995", "SSL") SERVER(
				"outgoing", "smtp", "465", "SSL")
				SERVER("outgoing", "smtp", "587", "STARTTLS") "  </emailProvider>\n"
									      "</clientConfig>\n";
#undef SERVER
	struct buf b;

	(void)state;
	buf_init(&b, SETUP_DOCUMENT_MAX);
	setup_put_autoconfig(&b, &whole);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void autodiscover_is_these_bytes(void **state)
{
#define PROTOCOL(type, port, more)                                                                 \
	"      <Protocol>\n"                                                                       \
	"        <Type>" type "</Type>\n"                                                          \
	"        <Server>mx.our.example</Server>\n"                                                \
	"        <Port>" port "</Port>\n"                                                          \
	"        <DomainRequired>off</DomainRequired>\n"                                           \
	"        <LoginName>alice@our.example</LoginName>\n"                                       \
	"        <SPA>off</SPA>\n"                                                                 \
	"        <SSL>on</SSL>\n"                                                                  \
	"        <Encryption>SSL</Encryption>\n"                                                   \
	"        <AuthRequired>on</AuthRequired>\n" more "      </Protocol>\n"
	static const char want[] =
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
		"<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/"
		"responseschema/2006\">\n"
		"  <Response xmlns=\"" OUTLOOK "\">\n"
		"    <User>\n"
		"      <DisplayName>alice@our.example</DisplayName>\n"
		"    </User>\n"
		"    <Account>\n"
		"      <AccountType>email</AccountType>\n"
		"      <Action>settings</Action>\n" PROTOCOL("IMAP", "993", "")
			PROTOCOL("POP3", "995", "") PROTOCOL("SMTP", "465",
				"        <UsePOPAuth>on</UsePOPAuth>\n"
				"        <SMTPLast>off</SMTPLast>\n") "    </Account>\n"
								      "  </Response>\n"
								      "</Autodiscover>\n";
#undef PROTOCOL
	struct buf b;

	(void)state;
	buf_init(&b, SETUP_DOCUMENT_MAX);
	setup_put_autodiscover(&b, &whole, SPAN("alice@our.example"));
	assert_string_equal(buf_cstr(&b), want);
	buf_clear(&b);
	setup_put_autodiscover(&b, &sending, SPAN("alice@our.example"));
	assert_non_null(strstr(buf_cstr(&b), "<SSL>off</SSL>\n        <Encryption>TLS<"));
	assert_null(strstr(buf_cstr(&b), "IMAP"));
	buf_fini(&b);
}

static void errors_are_told(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, SETUP_DOCUMENT_MAX);
	setup_put_autodiscover_error(&b, 601, "No <such> domain", SPAN("12:00:00.0000000"));
	assert_string_equal(buf_cstr(&b),
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
		"<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/"
		"responseschema/2006\">\n"
		"  <Response>\n"
		"    <Error Time=\"12:00:00.0000000\" Id=\"0\">\n"
		"      <ErrorCode>601</ErrorCode>\n"
		"      <Message>No &lt;such&gt; domain</Message>\n"
		"      <DebugData/>\n"
		"    </Error>\n"
		"  </Response>\n"
		"</Autodiscover>\n");
	buf_clear(&b);
	setup_put_autodiscover_json(&b, SPAN("https://our.example/autodiscover/autodiscover.xml"));
	assert_string_equal(buf_cstr(&b),
		"{\"Protocol\":\"AutodiscoverV1\","
		"\"Url\":\"https://our.example/autodiscover/autodiscover.xml\"}\n");
	buf_fini(&b);
}

static void requests_are_read(void **state)
{
	static const struct {
		const char *name, *body, *address;
		int schema; /* -1: refused */
	} cases[] = {
		{"Outlook's", REQUEST("alice@our.example", OUTLOOK), "alice@our.example",
			SETUP_SCHEMA_OUTLOOK},
		{"a telephone's", REQUEST("alice@our.example", MOBILE), "alice@our.example",
			SETUP_SCHEMA_MOBILE},
		{"another schema", REQUEST("a@b", "urn:x"), "a@b", SETUP_SCHEMA_UNKNOWN},
		{"blanks around", REQUEST("\r\n  a@b\t", " " OUTLOOK " "), "a@b",
			SETUP_SCHEMA_OUTLOOK},
		{"a prefix",
			"<q:Autodiscover xmlns:q='x'><q:Request><q:EMailAddress>a@b"
			"</q:EMailAddress></q:Request></q:Autodiscover>",
			"a@b", SETUP_SCHEMA_UNKNOWN},
		{"the characters' own entities", REQUEST("a&amp;b@c", OUTLOOK), "a&b@c",
			SETUP_SCHEMA_OUTLOOK},
		{"no address", "<Autodiscover/>", "", SETUP_SCHEMA_UNKNOWN},
		{"a file asked for",
			"<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
			"<x><EMailAddress>&e;</EMailAddress></x>",
			"", -1},
		{"a billion laughs",
			"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;'>]>"
			"<x><EMailAddress>&b;&b;</EMailAddress></x>",
			"", -1},
		{"not closed", "<Autodiscover><Request>", "", -1},
		{"no XML", "EMailAddress=a@b", "", -1},
		{"nothing", "", "", -1},
		{"too deep", "<a><a><a><a><a><a><a><a><a>x</a></a></a></a></a></a></a></a></a>", "",
			-1},
		{"a NUL", "<a>\1</a>", "", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct setup_question q;
		struct err e = {0};
		int rc = setup_read_autodiscover(a, span_str(cases[i].body), &q, &e);

		print_message("# %s\n", cases[i].name);
		if (cases[i].schema < 0) {
			assert_int_equal(rc, -1);
			assert_int_equal(e.code, ERR_SYNTAX);
		} else {
			assert_int_equal(rc, 0);
			assert_true(span_eq(q.address, span_str(cases[i].address)));
			assert_int_equal(q.schema, cases[i].schema);
		}
		arena_free(&a);
	}
}

static void a_request_has_its_limits(void **state)
{
	struct arena *a = arena_new();
	char *big = arena_alloc(a, SETUP_REQUEST_MAX + 2);
	struct setup_question q;
	struct err e = {0};

	(void)state;
	memset(big, ' ', SETUP_REQUEST_MAX + 1);
	assert_int_equal(
		setup_read_autodiscover(a, span_of(big, SETUP_REQUEST_MAX + 1), &q, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	/* an element's text beyond what an address can be */
	memset(big, 'x', SETUP_REQUEST_MAX);
	memcpy(big, "<EMailAddress>", 14);
	memcpy(big + 4000, "</EMailAddress>", 15);
	err_clear(&e);
	assert_int_equal(setup_read_autodiscover(a, span_of(big, 4015), &q, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	arena_free(&a);
}

static void addresses_are_plain(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: none */
	} cases[] = {
		{"Alice@OUR.Example", "Alice@our.example"},
		{"a+b@c.example", "a+b@c.example"},
		{"\xe9\xa9\xbf@our.example", "\xe9\xa9\xbf@our.example"},
		{"alice", NULL},
		{"@our.example", NULL},
		{"alice@", NULL},
		{"a@b@c", NULL},
		{"\"a b\"@c", NULL},
		{"a b@c", NULL},
		{"a<b@c", NULL},
		{"a\nb@c", NULL},
		{"a@b\r\nX: y", NULL},
		{"\xff@c", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct span address, domain;
		bool is_one = setup_address(a, span_str(cases[i].text), &address, &domain);

		assert_int_equal(is_one, cases[i].want != NULL);
		if (is_one)
			assert_true(span_eq(address, span_str(cases[i].want)));
		arena_free(&a);
	}
}

static void a_profile_has_one_account(void **state)
{
	struct buf b, again;

	(void)state;
	buf_init(&b, SETUP_DOCUMENT_MAX);
	buf_init(&again, SETUP_DOCUMENT_MAX);
	assert_false(setup_put_profile(&b, &sending, SPAN("alice@our.example"), SPAN("")));
	assert_int_equal(buf_len(&b), 0);
	assert_true(setup_put_profile(&b, &whole, SPAN("alice@our.example"), SPAN("A <b>")));
	assert_true(setup_put_profile(&again, &whole, SPAN("alice@our.example"), SPAN("A <b>")));
	assert_string_equal(buf_cstr(&b), buf_cstr(&again));
	assert_non_null(strstr(buf_cstr(&b),
		"        <key>IncomingMailServerHostName</key>\n"
		"        <string>mx.our.example</string>\n"
		"        <key>IncomingMailServerPortNumber</key>\n"
		"        <integer>993</integer>\n"
		"        <key>IncomingMailServerUseSSL</key>\n"
		"        <true/>\n"
		"        <key>IncomingMailServerUsername</key>\n"
		"        <string>alice@our.example</string>\n"));
	assert_non_null(strstr(buf_cstr(&b), "<string>A &lt;b&gt;</string>"));
	assert_non_null(strstr(buf_cstr(&b), "<string>EmailTypeIMAP</string>"));
	buf_clear(&again);
	assert_true(setup_put_profile(&again, &whole, SPAN("bob@our.example"), SPAN("A <b>")));
	assert_string_not_equal(buf_cstr(&b), buf_cstr(&again));
	buf_fini(&b);
	buf_fini(&again);
}

static void every_service_has_its_record(void **state)
{
	static const struct {
		const char *name, *rdata;
	} want[] = {
		{"_submissions._tcp.our.example", "0 1 465 mx.our.example"},
		{"_submission._tcp.our.example", "10 1 587 mx.our.example"},
		{"_imaps._tcp.our.example", "0 1 993 mx.our.example"},
		{"_imap._tcp.our.example", "10 1 143 mx.our.example"},
		{"_pop3s._tcp.our.example", "20 1 995 mx.our.example"},
		{"_pop3._tcp.our.example", "0 0 0 ."},
	};
	struct arena *a = arena_new();
	struct setup_srv *srvs;

	(void)state;
	assert_int_equal(setup_srvs(a, &whole, &srvs), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(span_eq(srvs[i].name, span_str(want[i].name)));
		assert_string_equal(arena_printf(a, "%u %u %u " SPAN_FMT, srvs[i].priority,
					    srvs[i].weight, srvs[i].port, SPAN_ARG(srvs[i].target)),
			want[i].rdata);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(autoconfig_is_these_bytes),
		cmocka_unit_test(autodiscover_is_these_bytes),
		cmocka_unit_test(errors_are_told),
		cmocka_unit_test(requests_are_read),
		cmocka_unit_test(a_request_has_its_limits),
		cmocka_unit_test(addresses_are_plain),
		cmocka_unit_test(a_profile_has_one_account),
		cmocka_unit_test(every_service_has_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
