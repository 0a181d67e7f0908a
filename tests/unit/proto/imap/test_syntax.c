#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/imap/imap_out.h"

static const struct imap_out_mode utf8 = {.is_utf8 = true};

static void put(struct buf *b, const char *label, struct span s)
{
	if (s.ptr)
		buf_printf(b, " %s='" SPAN_FMT "'", label, SPAN_ARG(s));
}

static void put_set(struct buf *b, const struct imap_set *s)
{
	if (!s->count && !s->is_saved)
		return;
	buf_char(b, ' ');
	imap_set_put(b, s);
}

static void put_fetch(struct buf *b, const struct imap_fetch *f)
{
	put_set(b, &f->set);
	for (size_t i = 0; i < f->what.count; i++) {
		buf_char(b, ' ');
		if (f->what.items[i].is_peek)
			buf_char(b, '.');
		imap_put_fetch_name(b, &f->what.items[i]);
		if (f->what.items[i].has_partial)
			buf_printf(b, "+%llu", (unsigned long long)f->what.items[i].length);
		buf_str(b, f->what.items[i].is_lazy ? "(lazy)" : "");
	}
	if (f->has_changed_since)
		buf_printf(b, " since=%llu", (unsigned long long)f->changed_since);
	buf_str(b, f->is_vanished ? " vanished" : "");
	if (f->has_partial) {
		buf_char(b, ' ');
		imap_put_partial(b, &f->partial);
	}
}

static void put_store(struct buf *b, const struct imap_store *s)
{
	put_set(b, &s->set);
	buf_str(b, s->how == IMAP_STORE_SET ? " =" : s->how == IMAP_STORE_ADD ? " +" : " -");
	imap_put_flags(b, &s->flags);
	buf_str(b, s->is_silent ? " silent" : "");
	if (s->has_unchanged_since)
		buf_printf(b, " since=%llu", (unsigned long long)s->unchanged_since);
}

static void put_select(struct buf *b, const struct imap_select *s)
{
	put(b, "name", s->name);
	buf_str(b, s->is_condstore ? " condstore" : "");
	if (!s->has_qresync)
		return;
	buf_printf(b, " qresync=%u,%llu", s->uid_validity, (unsigned long long)s->modseq);
	if (s->has_known_uids)
		put_set(b, &s->known_uids);
	if (s->has_match) {
		put_set(b, &s->match_numbers);
		put_set(b, &s->match_uids);
	}
}

static void put_list(struct buf *b, const struct imap_list *s)
{
	put(b, "ref", s->reference);
	for (size_t i = 0; i < s->count; i++)
		put(b, "pat", s->patterns[i].ptr ? s->patterns[i] : SPAN("?"));
	if (s->is_root_asked)
		buf_str(b, " root");
	if (s->is_extended)
		buf_printf(b, " select=%u return=%u", s->select, s->returns);
	if (s->status)
		buf_printf(b, " status=%u", s->status);
	for (size_t i = 0; i < s->entry_count; i++)
		put(b, "entry", s->entries[i]);
}

static void put_metadata(struct buf *b, const struct imap_metadata *m)
{
	put(b, "name", m->name);
	if (m->has_max_size)
		buf_printf(b, " max=%llu", (unsigned long long)m->max_size);
	if (m->depth)
		buf_printf(b, " depth=%d", m->depth);
	for (size_t i = 0; i < m->count; i++) {
		put(b, "entry", m->entries[i].name);
		put(b, "value", m->entries[i].value);
		buf_str(b, m->entries[i].is_nil ? " nil" : "");
	}
}

static void put_notify(struct buf *b, const struct imap_notify *n)
{
	buf_str(b, n->is_none ? " none" : "");
	buf_str(b, n->has_status ? " status" : "");
	for (size_t i = 0; i < n->count; i++) {
		const struct imap_notify_group *g = &n->groups[i];

		buf_printf(b, " (%d", g->source.kind);
		for (size_t k = 0; k < g->source.count; k++)
			put(b, "name", g->source.names[k]);
		buf_printf(b, " %u%s%s)", g->events, g->has_unknown_event ? "?" : "",
			g->has_items ? " items" : "");
	}
}

static void put_other(struct buf *b, const struct imap_command *c)
{
	put(b, "name", c->name);
	put(b, "name2", c->name2);
	put(b, "word", c->word1);
	put(b, "user", c->user);
	put(b, "secret", c->secret);
	for (size_t i = 0; i < c->word_count; i++)
		put(b, "word", c->words[i]);
	for (size_t i = 0; i < c->pair_count; i++) {
		put(b, "field", c->pairs[i].field);
		put(b, "value", c->pairs[i].value);
	}
	put_set(b, &c->set);
}

static void put_command(struct buf *b, const struct imap_command *c)
{
	buf_printf(b, "%s%s", c->is_uid ? "UID " : "", imap_verb_str(c->verb));
	switch (c->verb) {
	case IMAP_FETCH: put_fetch(b, &c->fetch); break;
	case IMAP_STORE: put_store(b, &c->store); break;
	case IMAP_SELECT:
	case IMAP_EXAMINE: put_select(b, &c->select); break;
	case IMAP_LIST:
	case IMAP_LSUB: put_list(b, &c->list); break;
	case IMAP_CREATE:
		put(b, "name", c->create.name);
		buf_str(b, c->create.has_trailing_separator ? " /" : "");
		if (c->create.use)
			buf_char(b, ' '), imap_put_special_use(b, c->create.use);
		buf_str(b, c->create.has_unknown_use ? " ?" : "");
		break;
	case IMAP_STATUS:
		put(b, "name", c->status.name);
		for (unsigned bit = 1; bit <= IMAP_STATUS_DELETED_STORAGE; bit <<= 1)
			if (c->status.items & bit)
				buf_printf(b, " %s", imap_status_item_str(bit));
		break;
	case IMAP_SETACL:
	case IMAP_DELETEACL:
	case IMAP_LISTRIGHTS:
		put(b, "name", c->acl.name);
		put(b, "who", c->acl.identifier);
		put(b,
			c->acl.how == IMAP_ACL_ADD              ? "add"
				: c->acl.how == IMAP_ACL_REMOVE ? "remove"
								: "set",
			c->acl.rights);
		break;
	case IMAP_SETQUOTA:
	case IMAP_GETQUOTA:
		put(b, "root", c->quota.root);
		for (size_t i = 0; i < c->quota.count; i++) {
			put(b, "limit", c->quota.limits[i].resource);
			buf_printf(b, " %llu", (unsigned long long)c->quota.limits[i].limit);
		}
		break;
	case IMAP_GETMETADATA:
	case IMAP_SETMETADATA: put_metadata(b, &c->metadata); break;
	case IMAP_NOTIFY: put_notify(b, &c->notify); break;
	default: put_other(b, c);
	}
}

static const struct {
	const char *line, *said; /* "!" and the error's beginning: refused */
} cases[] = {
	{"a001 CAPABILITY", "CAPABILITY"},
	{"a002 noop", "NOOP"},
	{"a002 NOOP ", "NOOP"},
	{"a002  NOOP", "NOOP"},
	{"a LOGOUT", "LOGOUT"},
	{"a STARTTLS", "STARTTLS"},
	{"a IDLE", "IDLE"},
	{"a NAMESPACE", "NAMESPACE"},
	{"a GETJMAPACCESS", "GETJMAPACCESS"},
	{"a UNAUTHENTICATE", "UNAUTHENTICATE"},
	{"a CLOSE", "CLOSE"},
	{"a UNSELECT", "UNSELECT"},
	{"a CHECK", "CHECK"},
	{"a EXPUNGE", "EXPUNGE"},
	{"A003 UID EXPUNGE 3000:3002", "UID EXPUNGE 3000:3002"},
	{"]tag.1[ NOOP", "NOOP"},
	{"a NOOP x", "!Expected the end of the command at octet 8"},
	{"a EXPUNGE 1", "!Expected the end"},
	{"a UID EXPUNGE", "!Expected a blank"},
	{"a UID NOOP", "!Unknown command"},
	{"a UID", "!Unknown command"},
	{"a FOO", "!Unknown command"},
	{"a", "!Expected a command"},
	{"", "!Expected a tag"},
	{" a NOOP", "!Expected a tag"},
	{"+ NOOP", "!Expected a tag"},
	{"* NOOP", "!Expected a tag"},
	{"a+b NOOP", "!Expected a tag"},
	{"\xff NOOP", "!Expected a tag"},
	{"a\tNOOP", "!Expected a tag"},
	{"a NO\tOP", "!Expected a command"},
	{"a NOOP\t", "!Expected a command"},

	{"a001 LOGIN SMITH SESAME", "LOGIN user='SMITH' secret='SESAME'"},
	{"a LOGIN {11}\r\nFRED FOOBAR {7}\r\nfat man", "LOGIN user='FRED FOOBAR' secret='fat man'"},
	{"a LOGIN \"a b\" \"x\\\"y\\\\\"", "LOGIN user='a b' secret='x\"y\\'"},
	{"a LOGIN {0+}\r\n {1+}\r\nx", "LOGIN user='' secret='x'"},
	{"a LOGIN a \"p\xc3\xa4ss\"", "LOGIN user='a' secret='p\xc3\xa4ss'"},
	{"a LOGIN a", "!Expected a blank"},
	{"a LOGIN a b c", "!Expected the end"},
	{"a LOGIN a \"b\\c\"", "!Expected a character"},
	{"a LOGIN a \"b", "!Expected the end of a quoted"},
	{"a LOGIN a {3}\r\nab", "!Expected the octets"},
	{"a LOGIN a (b)", "!Expected a password"},
	{"a LOGIN a {70000}\r\n", "!A string longer"},
	{"a AUTHENTICATE SCRAM-SHA-256", "AUTHENTICATE word='SCRAM-SHA-256'"},
	{"a AUTHENTICATE PLAIN AGEAYg==", "AUTHENTICATE word='PLAIN' secret='AGEAYg=='"},
	{"a AUTHENTICATE EXTERNAL =", "AUTHENTICATE word='EXTERNAL' secret='='"},
	{"a AUTHENTICATE", "!Expected a blank"},
	{"a ENABLE CONDSTORE UTF8=ACCEPT", "ENABLE word='CONDSTORE' word='UTF8=ACCEPT'"},
	{"a ENABLE", "!Expected a blank"},
	{"a COMPRESS DEFLATE", "COMPRESS word='DEFLATE'"},
	{"a023 ID (\"name\" \"sodr\" \"version\" NIL)",
		"ID field='name' value='sodr' field='version'"},
	{"a ID NIL", "ID"},
	{"a ID ()", "ID"},
	{"a ID (\"name\")", "!Expected a blank"},
	{"a ID (name x)", "!Expected a field"},
	{"a ID", "!Expected a blank"},

	{"A142 SELECT INBOX", "SELECT name='INBOX'"},
	{"a select \"inbox\"", "SELECT name='INBOX'"},
	{"a EXAMINE blurdybloop (CONDSTORE)", "EXAMINE name='blurdybloop' condstore"},
	{"A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
		"SELECT name='INBOX' qresync=67890007,20050715194045000 41,43:211,214:541"},
	{"A SELECT x (QRESYNC (1 2 1:29997 (5000,7500,9000,9990:9999 15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997)))",
		"SELECT name='x' qresync=1,2 1:29997 5000,7500,9000,9990:9999 "
		"15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997"},
	{"A SELECT x (QRESYNC (1 2 (1:3 4,6)))", "!Expected as many numbers"},
	{"A SELECT x (CONDSTORE QRESYNC (1 2 (1:3 4,6,9)))",
		"SELECT name='x' condstore qresync=1,2 1:3 4,6,9"},
	{"a SELECT x (QRESYNC (1 2))", "SELECT name='x' qresync=1,2"},
	{"a SELECT x (QRESYNC (1))", "!Expected a blank"},
	{"a SELECT x (QRESYNC (1 2 1:*))", "!Expected a set without"},
	{"a SELECT x (QRESYNC (1 2 $))", "!Bad number"},
	{"a SELECT x (FOO)", "!Expected CONDSTORE"},
	{"a SELECT x ()", "!Expected CONDSTORE"},
	{"a SELECT Entw&APw-rfe", "SELECT name='Entw\xc3\xbcrfe'"},
	{"a SELECT a&b", "SELECT"}, /* no name: nothing can have it */
	{"a SELECT ~x]", "SELECT name='~x]'"},
	{"a SELECT", "!Expected a blank"},
	{"a SELECT a%b", "!Expected the end"},

	{"A003 CREATE owatagusiam/", "CREATE name='owatagusiam' /"},
	{"A CREATE owatagusiam/blurdybloop", "CREATE name='owatagusiam/blurdybloop'"},
	{"t CREATE MyDrafts (USE (\\Drafts))", "CREATE name='MyDrafts' \\Drafts"},
	{"t CREATE x (USE (\\Drafts \\sent \\Foo))", "CREATE name='x' \\Drafts \\Sent ?"},
	{"t CREATE x (USE ())", "CREATE name='x'"},
	{"t CREATE x (FOO)", "!Expected USE"},
	{"t CREATE x (USE (Drafts))", "!Expected a use"},
	{"a DELETE blurdybloop", "DELETE name='blurdybloop'"},
	{"a RENAME foo zowie/x", "RENAME name='foo' name2='zowie/x'"},
	{"a RENAME foo", "!Expected a blank"},
	{"a SUBSCRIBE \"#news.comp.mail.mime\"", "SUBSCRIBE name='#news.comp.mail.mime'"},
	{"a UNSUBSCRIBE x", "UNSUBSCRIBE name='x'"},

	{"A101 LIST \"\" \"\"", "LIST ref='' pat='' root"},
	{"A LIST /usr/staff/jones \"\"", "LIST ref='/usr/staff/jones' pat='/usr/staff/jones' root"},
	{"A202 LIST ~/Mail/ %", "LIST ref='~/Mail/' pat='~/Mail/%'"},
	{"a LIST \"\" inbox", "LIST ref='' pat='INBOX'"},
	{"a LIST \"\" \"inbox/%\"", "LIST ref='' pat='INBOX/%'"},
	{"a LIST \"\" \"**%*a%%\"", "LIST ref='' pat='*a%'"},
	{"a LIST \"x/\" \"/y\"", "LIST ref='x/' pat='y'"},
	{"a LIST \"\" \"&APw-*\"", "LIST ref='' pat='\xc3\xbc*'"},
	{"a LIST \"\" \"a&*\"", "LIST ref='' pat='?'"},
	{"a LSUB \"#news.\" \"comp.%\"", "LSUB ref='#news.' pat='#news.comp.%'"},
	{"A01 LIST \"\" \"%\" RETURN (CHILDREN)", "LIST ref='' pat='%' select=0 return=2"},
	{"A LIST (REMOTE SUBSCRIBED) \"\" \"*\"", "LIST ref='' pat='*' select=3 return=0"},
	{"A LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"%\"", "LIST ref='' pat='%' select=5 return=0"},
	{"A LIST (RECURSIVEMATCH) \"\" \"%\"", "!RECURSIVEMATCH needs"},
	{"A LIST (RECURSIVEMATCH REMOTE) \"\" \"%\"", "!RECURSIVEMATCH needs"},
	{"A LIST () \"\" (\"INBOX\" \"Drafts\" \"Sent/%\") RETURN ()",
		"LIST ref='' pat='INBOX' pat='Drafts' pat='Sent/%' select=0 return=0"},
	{"A LIST (SPECIAL-USE) \"\" * RETURN (SPECIAL-USE SUBSCRIBED)",
		"LIST ref='' pat='*' select=8 return=5"},
	{"A LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN) MYRIGHTS)",
		"LIST ref='' pat='%' select=0 return=24 status=9"},
	{"A LIST \"\" % RETURN (METADATA (\"/shared/vendor/cmu/cyrus-imapd/color\"))",
		"LIST ref='' pat='%' select=0 return=32 entry='/shared/vendor/cmu/cyrus-imapd/color'"},
	{"A LIST (FOO) \"\" %", "!Expected a selection option"},
	{"A LIST \"\" % RETURN (FOO)", "!Expected a return option"},
	{"A LIST \"\" % FOO", "!Expected RETURN"},
	{"A LIST \"\" ()", "!Expected a mailbox name or pattern"},
	{"A LIST \"\"", "!Expected a blank"},
	{"A LIST % %", "!Expected a reference"},
	{"A042 STATUS blurdybloop (UIDNEXT MESSAGES)",
		"STATUS name='blurdybloop' MESSAGES UIDNEXT"},
	{"a STATUS x (UIDVALIDITY UNSEEN RECENT DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID DELETED-STORAGE)",
		"STATUS name='x' UIDVALIDITY UNSEEN RECENT DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID DELETED-STORAGE"},
	{"a STATUS x ()", "!Expected a status item"},
	{"a STATUS x (FOO)", "!Expected a status item"},
	{"a STATUS x MESSAGES", "!Expected a list of status"},

	{"A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
		"FETCH 2:4 .FLAGS BODY[HEADER.FIELDS (DATE FROM)]"},
	{"a FETCH 1 ALL", "FETCH 1 .FLAGS .INTERNALDATE .RFC822.SIZE .ENVELOPE"},
	{"a FETCH 1 FAST", "FETCH 1 .FLAGS .INTERNALDATE .RFC822.SIZE"},
	{"a FETCH 1 FULL", "FETCH 1 .FLAGS .INTERNALDATE .RFC822.SIZE .ENVELOPE .BODY"},
	{"a fetch * body[]", "FETCH * BODY[]"},
	{"a FETCH $ FLAGS", "FETCH $ .FLAGS"},
	{"a FETCH 1 (UID UID FLAGS uid)", "FETCH 1 .UID .FLAGS"},
	{"a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE BODY BODYSTRUCTURE)",
		"FETCH 1 RFC822 .RFC822.HEADER RFC822.TEXT .RFC822.SIZE .BODY .BODYSTRUCTURE"},
	{"a FETCH 1 (BODY.PEEK[4.1.MIME] BODY[4.2.HEADER] BODY[4.2.2.1.TEXT] BODY[1.2]<0.1024>)",
		"FETCH 1 .BODY[4.1.MIME] BODY[4.2.HEADER] BODY[4.2.2.1.TEXT] BODY[1.2]<0>+1024"},
	{"a FETCH 1 body.peek[header.fields.not (received \"x y\")]<10.5>",
		"FETCH 1 .BODY[HEADER.FIELDS.NOT (received \"x y\")]<10>+5"},
	{"a FETCH 1 (BINARY[1]<2.3> BINARY.PEEK[1.2] BINARY.SIZE[2] BINARY[])",
		"FETCH 1 BINARY[1]<2>+3 .BINARY[1.2] .BINARY.SIZE[2] BINARY[]"},
	{"a FETCH 1 PREVIEW", "FETCH 1 .PREVIEW"},
	{"a FETCH 1 PREVIEW (LAZY)", "FETCH 1 .PREVIEW(lazy)"},
	{"a FETCH 1 (PREVIEW (LAZY) MODSEQ SAVEDATE EMAILID THREADID)",
		"FETCH 1 .PREVIEW(lazy) .MODSEQ .SAVEDATE .EMAILID .THREADID"},
	{"a FETCH 1 PREVIEW (CHANGEDSINCE 5)", "FETCH 1 .PREVIEW since=5"},
	{"s100 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
		"UID FETCH 1:* .FLAGS since=12345 vanished"},
	{"a UID FETCH 1:* FLAGS (PARTIAL -1:-30)", "UID FETCH 1:* .FLAGS -1:-30"},
	{"a FETCH 1 (FLAGS) (CHANGEDSINCE 12345 VANISHED)", "!VANISHED needs"},
	{"a UID FETCH 1 FLAGS (VANISHED)", "!VANISHED needs"},
	{"a FETCH 1 FLAGS (FOO)", "!Expected a modifier"},
	{"a FETCH 1 ()", "!Expected something to fetch"},
	{"a FETCH 1 (ALL)", "!Expected something to fetch"},
	{"a FETCH 1", "!Expected a blank"},
	{"a FETCH x FLAGS", "!Expected a sequence set"},
	{"a FETCH 0 FLAGS", "!Bad number"},
	{"a FETCH 1 BODY.PEEK", "!Expected something"},
	{"a FETCH 1 BODY[0]", "!Expected a part's number"},
	{"a FETCH 1 BODY[1.]", "!Expected a section"},
	{"a FETCH 1 BODY[.1]", "!Expected a section"},
	{"a FETCH 1 BODY[MIME]", "!Expected a section"},
	{"a FETCH 1 BODY[HEADER.FIELDS ()]", "!Expected a header field"},
	{"a FETCH 1 BODY[FOO]", "!Expected a section"},
	{"a FETCH 1 BODY[", "!Expected a section"},
	{"a FETCH 1 BODY[]<0.0>", "!Expected <first"},
	{"a FETCH 1 BODY[]<1>", "!Expected <first"},
	{"a FETCH 1 BINARY[HEADER]", "!Expected \"]\""},
	{"a FETCH 1 BINARY[1.]", "!Expected a part's number"},
	{"a FETCH 1 BINARY.SIZE[1]<0.1>", "!Expected the end"},
	{"a FETCH 1 (FLAGS", "!Expected \")\""},
	{"a FETCH 1 FLAGS)", "!Expected the end"},

	{"A003 STORE 2:4 +FLAGS (\\Deleted)", "STORE 2:4 +(\\Deleted)"},
	{"a STORE 1 FLAGS \\Seen $Forwarded", "STORE 1 =(\\Seen $Forwarded)"},
	{"a STORE 1 FLAGS ()", "STORE 1 =()"},
	{"a STORE 1 -flags.silent (\\seen \\SEEN x X)", "STORE 1 -(\\Seen x) silent"},
	{"a103 UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
		"UID STORE 6,4,8 +(\\Deleted) silent since=12121230045"},
	{"a STORE 1 (UNCHANGEDSINCE 0) FLAGS ()", "STORE 1 =() since=0"},
	{"a STORE 1 FLAGS (\\Recent)", "!Expected a flag that there is"},
	{"a STORE 1 FLAGS (\\Foo)", "!Expected a flag that there is"},
	{"a STORE 1 FLAGS (\\*)", "!Expected a flag"},
	{"a STORE 1 FLAGS", "!Expected a blank"},
	{"a STORE 1 FLAGS (a(b))", "!Expected \")\""},
	{"a STORE 1 FOO ()", "!Expected FLAGS"},
	{"a STORE 1 (FOO 1) FLAGS ()", "!Expected UNCHANGEDSINCE"},
	{"A003 COPY 2:4 MEETING", "COPY name='MEETING' 2:4"},
	{"a UID MOVE $ Trash", "UID MOVE name='Trash' $"},
	{"a COPY 1", "!Expected a blank"},

	{"A035 SETACL INBOX/Drafts John +lrQswicda",
		"!Expected rights in lower case"}, /* RFC 4314 section 3.1: BAD for upper case */
	{"A SETACL INBOX/Drafts John lrswicda",
		"SETACL name='INBOX/Drafts' who='John' set='lrswicda'"},
	{"A SETACL x -fred +ss", "SETACL name='x' who='-fred' add='s'"},
	{"A SETACL x anyone -\"\"", "!Expected the end"},
	{"A SETACL x anyone \"\"", "SETACL name='x' who='anyone' set=''"},
	{"A SETACL x \"\" l", "!Expected an identifier"},
	{"a DELETEACL x Fred", "DELETEACL name='x' who='Fred'"},
	{"a GETACL INBOX", "GETACL name='INBOX'"},
	{"a LISTRIGHTS ~/Mail/saved smith", "LISTRIGHTS name='~/Mail/saved' who='smith'"},
	{"a MYRIGHTS INBOX", "MYRIGHTS name='INBOX'"},
	{"G GETQUOTA \"!partition/sda4\"", "GETQUOTA root='!partition/sda4'"},
	{"G GETQUOTAROOT INBOX", "GETQUOTAROOT name='INBOX'"},
	{"S SETQUOTA \"\" (STORAGE 512 MESSAGE 9)",
		"SETQUOTA root='' limit='STORAGE' 512 limit='MESSAGE' 9"},
	{"S SETQUOTA \"\" ()", "SETQUOTA root=''"},
	{"S SETQUOTA \"\" (STORAGE)", "!Expected a blank"},
	{"a GETMETADATA \"\" /shared/Comment", "GETMETADATA name='' entry='/shared/comment'"},
	{"a GETMETADATA \"INBOX\" (MAXSIZE 1024) (/shared/comment /private/comment)",
		"GETMETADATA name='INBOX' max=1024 entry='/shared/comment' entry='/private/comment'"},
	{"a GETMETADATA (DEPTH infinity) INBOX /private/filters/values",
		"GETMETADATA name='INBOX' depth=-1 entry='/private/filters/values'"},
	{"a GETMETADATA (DEPTH 1 MAXSIZE 2) INBOX (/private)",
		"GETMETADATA name='INBOX' max=2 depth=1 entry='/private'"},
	{"a GETMETADATA INBOX (DEPTH 2) /private/a", "!Expected 0, 1 or infinity"},
	{"a GETMETADATA INBOX /comment", "!Expected the name of an entry"},
	{"a GETMETADATA INBOX \"/private/a*\"", "!Expected the name of an entry"},
	{"a GETMETADATA INBOX /private//a", "!Expected the name of an entry"},
	{"a GETMETADATA INBOX /private/a/", "!Expected the name of an entry"},
	{"a GETMETADATA INBOX /privately/a", "!Expected the name of an entry"},
	{"a SETMETADATA INBOX (/private/comment {3}\r\nabc /shared/comment NIL)",
		"SETMETADATA name='INBOX' entry='/private/comment' value='abc' entry='/shared/comment' nil"},
	{"a SETMETADATA INBOX (/private/comment ~{3+}\r\nabc)",
		"SETMETADATA name='INBOX' entry='/private/comment' value='abc'"},
	{"a SETMETADATA INBOX (/private \"x\")", "!Expected the name of an entry"},
	{"a SETMETADATA INBOX ()", "!Expected the name of an entry"},

	{"a NOTIFY NONE", "NOTIFY none"},
	/* RFC 5465 section 3.1, section 5.1 */
	{"b NOTIFY SET STATUS (selected MessageNew (uid))", "!Expected NONE or a list"},
	{"b NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from)]) MessageExpunge)) (subtree Lists (MessageNew))",
		"!MessageNew and MessageExpunge"},
	{"a NOTIFY SET STATUS (selected (MessageNew (uid) MessageExpunge)) (subtree (Lists a) (MessageNew MessageExpunge))",
		"NOTIFY status (0 3 items) (5 name='Lists' name='a' 3)"},
	{"a NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange)) (inboxes (MailboxName)) (mailboxes misc NONE)",
		"NOTIFY (1 7) (2 16) (7 name='misc' 0)"},
	{"a NOTIFY SET (personal (MailboxName SubscriptionChange Foo))", "NOTIFY (3 48?)"},
	{"a NOTIFY SET (personal (FlagChange))", "!FlagChange"},
	{"a NOTIFY SET (selected (MailboxName))", "!The selected mailbox"},
	{"a NOTIFY SET (inboxes (MessageNew (uid) MessageExpunge))", "!MessageNew fetches"},
	{"a NOTIFY SET", "!Expected a blank"},
	{"a NOTIFY FOO", "!Expected SET or NONE"},
};

static void every_command_is_read(void **state)
{
	static const struct imap_dialect d = {0};
	bool seen[IMAP_VERB_COUNT] = {[IMAP_APPEND] = true,
		[IMAP_REPLACE] = true,
		[IMAP_SEARCH] = true,
		[IMAP_SORT] = true,
		[IMAP_THREAD] = true,
		[IMAP_ESEARCH] = true}; /* test_append, test_search */

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 4096);
		struct imap_command c;
		struct err e = {0};
		size_t n = strlen(cases[i].said);

		print_message("# case %zu\n", i);
		if (imap_command_parse(a, span_str(cases[i].line), &d, &c, &e) < 0) {
			buf_printf(b, "!%s", e.text);
		} else {
			put_command(b, &c);
			seen[c.verb] = true;
		}
		if (cases[i].said[0] == '!' && buf_len(b) > n)
			buf_truncate(b, n);
		assert_string_equal(buf_cstr(b), cases[i].said);
		arena_free(&a);
	}
	for (unsigned v = 0; v < IMAP_VERB_COUNT; v++)
		if (!seen[v])
			fail_msg("no case reads %s", imap_verb_str((enum imap_verb)v));
}

static void each_cut_of_a_command_is_refused_or_read(void **state)
{
	static const struct imap_dialect d = {.is_utf8 = true};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t n = 0; n < strlen(cases[i].line); n++) {
			struct arena *a = arena_new();
			/* memory of that length only: nothing behind it may be looked at */
			char *own = mem_dup(cases[i].line, n);
			char *exact = memcpy(malloc(n + !n), own, n);
			struct imap_command c;
			struct err e = {0};

			if (imap_command_parse(a, span_of(exact, n), &d, &c, &e) < 0)
				assert_true(e.code == ERR_SYNTAX || e.code == ERR_LIMIT);
			free(exact);
			free(own);
			arena_free(&a);
		}
}

static void patterns_have_a_limit_together(void **state)
{
	static const struct imap_dialect d = {0};
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 16384);
	struct imap_command c;
	struct err e = {0};

	buf_str(b, "a LIST \"\" (");
	for (unsigned i = 0; i < 40; i++)
		buf_printf(b, "%s%0100d", i ? " " : "", 0);
	buf_char(b, ')');
	assert_int_equal(imap_command_parse(a, buf_span(b), &d, &c, &e), 0);
	buf_truncate(b, buf_len(b) - 1);
	buf_str(b, " x)");
	assert_int_equal(imap_command_parse(a, buf_span(b), &d, &c, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	arena_free(&a);
}

static void names_are_utf8_once_that_is_enabled(void **state)
{
	static const struct imap_dialect d = {.is_utf8 = true};
	struct arena *a = arena_new();
	struct imap_command c;

	assert_int_equal(
		imap_command_parse(a, SPAN("a SELECT \"Entw\xc3\xbcrfe\""), &d, &c, NULL), 0);
	assert_true(span_eq(c.select.name, SPAN("Entw\xc3\xbcrfe")));
	assert_int_equal(imap_command_parse(a, SPAN("a SELECT Entw&APw-rfe"), &d, &c, NULL), 0);
	assert_true(span_eq(c.select.name, SPAN("Entw&APw-rfe")));
	assert_int_equal(imap_command_parse(a, SPAN("a LIST \"\" \"a&*\""), &d, &c, NULL), 0);
	assert_true(span_eq(c.list.patterns[0], SPAN("a&*")));
	arena_free(&a);
}

static void table_tells_where_commands_are_valid(void **state)
{
	assert_int_equal(imap_verb_row(IMAP_LOGIN)->phases, IMAP_NOT_AUTHENTICATED);
	assert_int_equal(imap_verb_row(IMAP_FETCH)->phases, IMAP_SELECTED);
	assert_true(imap_verb_row(IMAP_FETCH)->has_uid_form);
	assert_false(imap_verb_row(IMAP_NOOP)->has_uid_form);
	assert_int_equal(imap_verb_row(IMAP_NOOP)->phases, IMAP_ANY);
	assert_string_equal(imap_verb_row(IMAP_MOVE)->capability, "MOVE");
	assert_null(imap_verb_row(IMAP_VERB_UNKNOWN));
	assert_string_equal(imap_verb_str(IMAP_VERB_UNKNOWN), "?");
}

static void dates(void **state)
{
	static const struct {
		const char *text;
		bool is_right;
		int64_t sec;
		int zone;
	} times[] = {
		{"17-Jul-1996 02:44:25 -0700", true, 837596665, -420},
		{" 1-jan-1970 00:00:00 +0000", true, 0, 0},
		{"01-Jan-1970 01:00:00 +0100", true, 0, 60},
		{"29-Feb-2024 23:59:60 +0545", true, 1709230500, 345},
		{"1-Jan-1970 00:00:00 +0000", false, 0, 0},
		{"29-Feb-2023 00:00:00 +0000", false, 0, 0},
		{"00-Jan-2023 00:00:00 +0000", false, 0, 0},
		{"32-Jan-2023 00:00:00 +0000", false, 0, 0},
		{"01-Jan-2023 24:00:00 +0000", false, 0, 0},
		{"01-Jan-2023 00:60:00 +0000", false, 0, 0},
		{"01-Jan-2023 00:00:00 +0060", false, 0, 0},
		{"01-Jan-2023 00:00:00 UTC", false, 0, 0},
		{"01-Jan-2023 00:00:00", false, 0, 0},
		{"01-Foo-2023 00:00:00 +0000", false, 0, 0},
		{"01-Jan-23 00:00:00 +0000", false, 0, 0},
		{"01-Jan-2023 00:00:00 +0000 ", false, 0, 0},
		{"", false, 0, 0},
	};
	struct buf b;
	int64_t day;

	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct imap_date_time t;

		print_message("# time %zu\n", i);
		assert_int_equal(
			imap_date_time_parse(span_str(times[i].text), &t), times[i].is_right);
		if (!times[i].is_right)
			continue;
		assert_true(t.unix_sec == times[i].sec);
		assert_int_equal(t.zone_minutes, times[i].zone);
	}
	imap_put_date_time(&b, 837596665, -420);
	imap_put_date_time(&b, 0, 345);
	assert_string_equal(
		buf_cstr(&b), "\"17-Jul-1996 02:44:25 -0700\"\" 1-Jan-1970 05:45:00 +0545\"");
	assert_true(imap_date_parse(SPAN("31-Dec-1969"), &day));
	assert_int_equal(day, -1);
	assert_false(imap_date_parse(SPAN("001-Dec-1969"), &day));
	assert_false(imap_date_parse(SPAN("1-Dec-69"), &day));
	assert_false(imap_date_parse(SPAN(""), &day));
	buf_fini(&b);
}

static void strings_take_the_form_that_fits(void **state)
{
	static const struct imap_out_mode plain = {0};
	struct buf b;

	buf_init(&b, 8192);
	imap_put_astring(&b, SPAN("atom"), &plain);
	buf_char(&b, ' ');
	imap_put_astring(&b, SPAN("two words"), &plain);
	buf_char(&b, ' ');
	imap_put_astring(&b, SPAN(""), &plain);
	buf_char(&b, ' ');
	imap_put_astring(&b, SPAN("nil"), &plain);
	buf_char(&b, ' ');
	imap_put_astring(&b, SPAN("a]%*"), &plain);
	buf_char(&b, ' ');
	imap_put_nstring(&b, SPAN_NONE, &plain);
	buf_char(&b, ' ');
	imap_put_string(&b, SPAN("\"\\"), &plain);
	assert_string_equal(
		buf_cstr(&b), "atom \"two words\" \"\" \"nil\" \"a]%*\" NIL \"\\\"\\\\\"");
	buf_clear(&b);
	imap_put_string(&b, SPAN("\xc3\xbc"), &plain);
	imap_put_string(&b, SPAN("\xc3\xbc"), &utf8);
	imap_put_string(&b, SPAN("\xff"), &utf8);
	imap_put_string(&b, SPAN("a\r\nb"), &utf8);
	imap_put_literal(&b, SPAN("a\0b"));
	assert_true(span_eq(buf_span(&b),
		SPAN("{2}\r\n\xc3\xbc\"\xc3\xbc\"{1}\r\n\xff{4}\r\na\r\nb"
		     "~{3}\r\na\0b")));
	buf_clear(&b);
	for (int i = 0; i < IMAP_QUOTED_MAX + 1; i++)
		buf_char(&b, 'a');
	{
		struct buf out;

		buf_init(&out, 4096);
		imap_put_string(&out, buf_span(&b), &plain);
		assert_memory_equal(buf_cstr(&out), "{1001}\r\n", 8);
		buf_fini(&out);
	}
	buf_clear(&b);
	imap_put_name(&b, SPAN("INBOX"), &plain);
	buf_char(&b, ' ');
	imap_put_name(&b, SPAN("Entw\xc3\xbcrfe & mehr"), &plain);
	buf_char(&b, ' ');
	imap_put_name(&b, SPAN("Entw\xc3\xbcrfe"), &utf8);
	buf_char(&b, ' ');
	imap_put_text(&b, SPAN("a\r\nb"));
	assert_string_equal(
		buf_cstr(&b), "INBOX \"Entw&APw-rfe &- mehr\" \"Entw\xc3\xbcrfe\" a  b");
	buf_fini(&b);
}

static void esearch_answers(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 4096);
	struct imap_set found;
	struct imap_esearch r = {.tag = SPAN("A282"),
		.what = IMAP_RETURN_MIN | IMAP_RETURN_COUNT,
		.min = 2,
		.count = 3};

	imap_put_esearch(b, &r, &utf8);
	assert_string_equal(buf_cstr(b), "* ESEARCH (TAG \"A282\") MIN 2 COUNT 3\r\n");
	buf_clear(b);
	imap_set_parse(a, SPAN("4:18,21"), false, &found, NULL);
	r = (struct imap_esearch){.tag = SPAN("t1"),
		.is_uid = true,
		.what = IMAP_RETURN_ALL,
		.all = &found,
		.has_mailbox = true,
		.mailbox = SPAN("folder 1"),
		.uid_validity = 1,
		.has_modseq = true,
		.modseq = 917162500};
	imap_put_esearch(b, &r, &utf8);
	assert_string_equal(buf_cstr(b),
		"* ESEARCH (TAG \"t1\" MAILBOX \"folder 1\" UIDVALIDITY 1) UID "
		"ALL 4:18,21 MODSEQ 917162500\r\n");
	buf_clear(b);
	r = (struct imap_esearch){.tag = SPAN("t2"),
		.what = IMAP_RETURN_PARTIAL | IMAP_RETURN_COUNT | IMAP_RETURN_MIN |
			IMAP_RETURN_MAX | IMAP_RETURN_SAVE,
		.partial = {true, 1, 100}};
	imap_put_esearch(b, &r, &utf8);
	assert_string_equal(
		buf_cstr(b), "* ESEARCH (TAG \"t2\") COUNT 0 PARTIAL (-1:-100 NIL)\r\n");
	arena_free(&a);
}

static void refusals_are_one_line(void **state)
{
	struct buf b;
	struct err e = {0};

	buf_init(&b, 1000);
	err_set(&e, ERR_SYNTAX, "Expected x\r\ny");
	imap_refusal_put(&b, SPAN("a1"), &e);
	err_set(&e, ERR_LIMIT, "Too many");
	imap_refusal_put(&b, SPAN(""), &e);
	assert_string_equal(buf_cstr(&b), "a1 BAD Expected x??y\r\n* NO [LIMIT] Too many\r\n");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_read),
		cmocka_unit_test(each_cut_of_a_command_is_refused_or_read),
		cmocka_unit_test(patterns_have_a_limit_together),
		cmocka_unit_test(names_are_utf8_once_that_is_enabled),
		cmocka_unit_test(table_tells_where_commands_are_valid),
		cmocka_unit_test(dates),
		cmocka_unit_test(strings_take_the_form_that_fits),
		cmocka_unit_test(esearch_answers),
		cmocka_unit_test(refusals_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
