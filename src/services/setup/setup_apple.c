/* Apple's configuration profile: a property list with one mail account in it. */

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/enc.h"
#include "proto/http/http_syntax.h"
#include "services/setup/setup_priv.h"

/* The same address gets the same identifiers, so that a second profile takes the first one's place. RFC
 * 9562 section 5.8: version 8, ours to fill. */
static void put_uuid(struct buf *b, const char *what, struct span address)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf text;

	buf_init(&text, SETUP_ADDRESS_MAX + 64);
	buf_printf(&text, "yizhan profile %s ", what);
	buf_span_put(&text, address);
	SHA256((const unsigned char *)buf_cstr(&text), buf_len(&text), digest);
	buf_fini(&text);
	digest[6] = (unsigned char)(0x80 | (digest[6] & 0x0f));
	digest[8] = (unsigned char)(0x80 | (digest[8] & 0x3f));
	for (size_t i = 0; i < 16; i++)
		buf_printf(b, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02X" : "%02X", digest[i]);
}

static void put_key(struct buf *b, unsigned depth, const char *key, struct span text)
{
	setup_put_element(b, depth, "key", span_str(key));
	setup_put_element(b, depth, "string", text);
}

static void put_truth(struct buf *b, const char *key, bool is_true)
{
	setup_put_element(b, 4, "key", span_str(key));
	buf_str(b, is_true ? "        <true/>\n" : "        <false/>\n");
}

static void put_identity(
	struct buf *b, unsigned depth, const char *what, struct span address, const char *id)
{
	struct buf uuid;

	buf_init(&uuid, 64);
	put_uuid(&uuid, what, address);
	put_key(b, depth, "PayloadUUID", buf_span(&uuid));
	buf_fini(&uuid);
	buf_printf(b, "%*s<key>PayloadIdentifier</key>\n%*s<string>%s.", (int)depth * 2, "",
		(int)depth * 2, "", id);
	http_html_put(b, address);
	buf_str(b, "</string>\n");
	setup_put_element(b, depth, "key", SPAN("PayloadVersion"));
	setup_put_number(b, depth, "integer", 1);
}

static void put_server(struct buf *b, const struct setup_facts *f, const struct setup_server *s,
	const char *way, struct span address)
{
	struct buf key;

	buf_init(&key, 64);
#define KEY(word) (buf_clear(&key), buf_printf(&key, "%sMailServer%s", way, word), buf_cstr(&key))
	put_key(b, 4, KEY("Authentication"), SPAN("EmailAuthPassword"));
	put_key(b, 4, KEY("HostName"), f->host);
	setup_put_element(b, 4, "key", span_str(KEY("PortNumber")));
	setup_put_number(b, 4, "integer", s->port);
	/* STARTTLS or TLS first: the port tells it, the profile has one word for both */
	put_truth(b, KEY("UseSSL"), true);
	put_key(b, 4, KEY("Username"), address);
#undef KEY
	buf_fini(&key);
}

bool setup_put_profile(
	struct buf *b, const struct setup_facts *f, struct span address, struct span name)
{
	const struct setup_server *in = setup_best(f, SETUP_IMAP);
	const struct setup_server *out = setup_best(f, SETUP_SUBMISSION);

	if (!in)
		in = setup_best(f, SETUP_POP3);
	if (!in || !out)
		return false;
	buf_str(b,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		"\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
		"<plist version=\"1.0\">\n<dict>\n  <key>PayloadContent</key>\n"
		"  <array>\n    <dict>\n");
	put_key(b, 4, "PayloadType", SPAN("com.apple.mail.managed"));
	put_key(b, 4, "PayloadDisplayName", setup_title(f));
	put_identity(b, 4, "account", address, "net.yizhan.mail");
	put_key(b, 4, "EmailAccountDescription", setup_title(f));
	if (name.len)
		put_key(b, 4, "EmailAccountName", name);
	put_key(b, 4, "EmailAccountType",
		in->protocol == SETUP_IMAP ? SPAN("EmailTypeIMAP") : SPAN("EmailTypePOP"));
	put_key(b, 4, "EmailAddress", address);
	put_server(b, f, in, "Incoming", address);
	put_server(b, f, out, "Outgoing", address);
	put_truth(b, "OutgoingPasswordSameAsIncomingPassword", true);
	buf_str(b, "    </dict>\n  </array>\n");
	put_key(b, 1, "PayloadType", SPAN("Configuration"));
	put_key(b, 1, "PayloadDisplayName", address);
	put_key(b, 1, "PayloadOrganization", setup_title(f));
	put_identity(b, 1, "profile", address, "net.yizhan.profile");
	buf_str(b, "</dict>\n</plist>\n");
	return true;
}
