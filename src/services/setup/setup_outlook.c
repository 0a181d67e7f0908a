/* Outlook's autodiscover ("plain old XML"): what it posts, and what it hears. */

#include <expat.h>
#include <string.h>

#include "base/json_out.h"
#include "services/setup/setup_priv.h"

#define SCHEMA_RESPONSE "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
#define SCHEMA_OUTLOOK                                                                             \
	"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
#define SCHEMA_MOBILE                                                                              \
	"http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"

#define DEPTH_MAX 8
#define TEXT_MAX  512 /* octets of one element */

/* Which element's text is being read. */
enum question_part { PART_NONE, PART_ADDRESS, PART_SCHEMA };

struct reading {
	XML_Parser parser;
	struct arena *a;
	struct setup_question *q;
	enum question_part part;
	unsigned depth;
	bool is_bad;
	struct buf text;
};

/* Names may carry a prefix; which one is the sender's choice. */
static struct span local_name(const char *name)
{
	struct span s = span_str(name);

	return span_skip(s, (size_t)(span_rfind(s, ':') + 1));
}

static void on_start(void *arg, const char *name, const char **attributes)
{
	struct reading *r = arg;
	struct span n = local_name(name);

	(void)attributes;
	if (++r->depth > DEPTH_MAX) {
		r->is_bad = true;
		XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	r->part = span_eq(n, SPAN("EMailAddress"))             ? PART_ADDRESS
		: span_eq(n, SPAN("AcceptableResponseSchema")) ? PART_SCHEMA
							       : PART_NONE;
	buf_clear(&r->text);
}

static void on_text(void *arg, const char *text, int len)
{
	struct reading *r = arg;

	if (r->part != PART_NONE)
		buf_put(&r->text, text, (size_t)len);
}

static void on_end(void *arg, const char *name)
{
	struct reading *r = arg;
	struct span text = span_trim(buf_span(&r->text));

	(void)name;
	r->depth--;
	if (r->part == PART_ADDRESS)
		r->q->address = arena_span(r->a, text);
	else if (r->part == PART_SCHEMA)
		r->q->schema = span_eq(text, SPAN(SCHEMA_OUTLOOK)) ? SETUP_SCHEMA_OUTLOOK
			: span_eq(text, SPAN(SCHEMA_MOBILE))       ? SETUP_SCHEMA_MOBILE
								   : SETUP_SCHEMA_UNKNOWN;
	r->is_bad |= !buf_ok(&r->text);
	r->part = PART_NONE;
}

/* Entities are how small requests become large ones, and how files are asked for. */
static void on_doctype(
	void *arg, const char *name, const char *sysid, const char *pubid, int has_internal)
{
	struct reading *r = arg;

	(void)name;
	(void)sysid;
	(void)pubid;
	(void)has_internal;
	r->is_bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

int setup_read_autodiscover(
	struct arena *a, struct span body, struct setup_question *question_r, struct err *e)
{
	struct reading r = {.a = a, .q = question_r};
	bool is_read;

	*question_r = (struct setup_question){.schema = SETUP_SCHEMA_UNKNOWN};
	if (body.len > SETUP_REQUEST_MAX)
		return err_set(
			e, ERR_LIMIT, "the request is larger than %d octets", SETUP_REQUEST_MAX);
	r.parser = XML_ParserCreate(NULL);
	if (!r.parser)
		return err_set(e, ERR_STATE, "no XML parser");
	buf_init(&r.text, TEXT_MAX);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	is_read = XML_Parse(r.parser, body.ptr ? body.ptr : "", (int)body.len, 1) == XML_STATUS_OK;
	XML_ParserFree(r.parser);
	buf_fini(&r.text);
	if (!is_read || r.is_bad)
		return err_set(e, ERR_SYNTAX, "this is no request of autodiscover");
	return 0;
}

static void put_open(struct buf *b, const char *schema)
{
	buf_str(b,
		"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
		"<Autodiscover xmlns=\"" SCHEMA_RESPONSE "\">\n");
	buf_printf(b, schema ? "  <Response xmlns=\"%s\">\n" : "  <Response>\n", schema);
}

static void put_close(struct buf *b)
{
	buf_str(b, "  </Response>\n</Autodiscover>\n");
}

static void put_protocol(struct buf *b, const struct setup_facts *f, const struct setup_server *s,
	struct span address)
{
	if (!s)
		return;
	buf_str(b, "      <Protocol>\n");
	setup_put_element(b, 4, "Type", span_str(setup_words(s->protocol)->discover));
	setup_put_element(b, 4, "Server", f->host);
	setup_put_number(b, 4, "Port", s->port);
	setup_put_element(b, 4, "DomainRequired", SPAN("off"));
	setup_put_element(b, 4, "LoginName", address);
	setup_put_element(b, 4, "SPA", SPAN("off"));
	/* SSL is TLS first; Encryption, where it is known, wins and tells the two apart */
	setup_put_element(b, 4, "SSL", s->is_implicit ? SPAN("on") : SPAN("off"));
	setup_put_element(b, 4, "Encryption", s->is_implicit ? SPAN("SSL") : SPAN("TLS"));
	setup_put_element(b, 4, "AuthRequired", SPAN("on"));
	if (s->protocol == SETUP_SUBMISSION) {
		setup_put_element(b, 4, "UsePOPAuth", SPAN("on"));
		setup_put_element(b, 4, "SMTPLast", SPAN("off"));
	}
	buf_str(b, "      </Protocol>\n");
}

void setup_put_autodiscover(struct buf *b, const struct setup_facts *f, struct span address)
{
	put_open(b, SCHEMA_OUTLOOK);
	buf_str(b, "    <User>\n");
	setup_put_element(b, 3, "DisplayName", address);
	buf_str(b, "    </User>\n    <Account>\n");
	setup_put_element(b, 3, "AccountType", SPAN("email"));
	setup_put_element(b, 3, "Action", SPAN("settings"));
	/* it takes the first that it speaks, and one of a kind */
	put_protocol(b, f, setup_best(f, SETUP_IMAP), address);
	put_protocol(b, f, setup_best(f, SETUP_POP3), address);
	put_protocol(b, f, setup_best(f, SETUP_SUBMISSION), address);
	buf_str(b, "    </Account>\n");
	put_close(b);
}

void setup_put_autodiscover_error(
	struct buf *b, unsigned code, const char *message, struct span now)
{
	put_open(b, NULL);
	buf_printf(b, "    <Error Time=\"" SPAN_FMT "\" Id=\"0\">\n", SPAN_ARG(now));
	setup_put_number(b, 3, "ErrorCode", code);
	setup_put_element(b, 3, "Message", span_str(message));
	buf_str(b, "      <DebugData/>\n    </Error>\n");
	put_close(b);
}

void setup_put_autodiscover_json(struct buf *b, struct span url)
{
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "Protocol", "AutodiscoverV1");
	json_kv_span(&j, "Url", url);
	json_close(&j);
	buf_char(b, '\n');
}
