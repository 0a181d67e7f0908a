#include "store/db/db.h"
#include "store/store_priv.h"

#include "store/body.h"
#include "store/directory.h"
#include "store/email_priv.h"
#include "store/mailbox.h"

/* Each question finds rows that are wrong and says so in one text column. They look at everything
 * and may take long: each is a read transaction of its own, so that the log can be copied back
 * between them, and each holds by itself whatever is committed meanwhile. */

#define CHECK_CHUNK "262144" /* BODY_CHUNK */
_Static_assert(DIRECTORY_FORWARDS_MAX == 20 && DIRECTORY_DOMAIN_LOCAL == 1 &&
		DIRECTORY_DOMAIN_RELAY == 2 && DIRECTORY_CHECKS == 4,
	"questions below say these as numbers");
_Static_assert(MAILBOX_SEEN == 1 && MAILBOX_DELETED == 8, "questions below say these as numbers");
_Static_assert(BODY_CHUNK == 262144, "CHECK_CHUNK says what BODY_CHUNK is");

DB_SQL(sql_check_refs,
	"SELECT 'body ' || b.id || ' says ' || b.refs || ' references, ' || COALESCE(r.n, 0) || "
	"' are there' FROM blob b LEFT JOIN (SELECT blob_id, COUNT(*) AS n FROM "
	"(SELECT blob_id FROM queue_msg UNION ALL SELECT blob_id FROM message "
	"UNION ALL SELECT blob_id FROM expunged UNION ALL SELECT blob_id FROM upload) x "
	"GROUP BY blob_id) "
	"r ON r.blob_id = b.id WHERE (b.refs > 0 OR r.n > 0) AND b.refs <> COALESCE(r.n, 0)");
DB_SQL(sql_check_queue_body,
	"SELECT 'queued message ' || q.id || ': its body ' || q.blob_id || ' is missing' "
	"FROM queue_msg q LEFT JOIN blob b ON b.id = q.blob_id WHERE b.id IS NULL "
	"OR b.octets <> q.blob_octets");
DB_SQL(sql_check_message_body,
	"SELECT 'mailbox ' || m.mailbox_id || ' UID ' || m.uid || ': its body ' || m.blob_id || "
	"' is missing' FROM message m LEFT JOIN blob b ON b.id = m.blob_id WHERE b.id IS NULL "
	"OR b.octets <> m.blob_octets");
DB_SQL(sql_check_chunks,
	"SELECT 'body ' || b.id || ': ' || b.octets || ' octets promised, ' || "
	"COALESCE((SELECT SUM(LENGTH(c.data)) FROM blob_chunk c WHERE c.id >= b.id AND "
	"c.id <= b.id + (b.octets - 1) / " CHECK_CHUNK "), 0) || ' stored' FROM blob b "
	"WHERE b.refs > 0 AND b.octets > 0 AND b.octets <> "
	"COALESCE((SELECT SUM(LENGTH(c.data)) FROM blob_chunk c WHERE c.id >= b.id AND "
	"c.id <= b.id + (b.octets - 1) / " CHECK_CHUNK "), 0)");
DB_SQL(sql_check_size,
	"SELECT 'mailbox ' || mailbox_id || ' UID ' || uid || ': size ' || size || ' is not ' || "
	"(blob_octets + LENGTH(prefix)) FROM message WHERE size <> blob_octets + LENGTH(prefix)");
DB_SQL(sql_check_mailbox,
	"SELECT 'mailbox ' || b.id || ' says ' || b.messages || ' messages, ' || b.unseen || "
	"' unseen, ' || b.octets || ' octets; there are ' || COALESCE(m.n, 0) || ', ' || "
	"COALESCE(m.unseen, 0) || ', ' || COALESCE(m.octets, 0) FROM mailbox b LEFT JOIN "
	"(SELECT mailbox_id, COUNT(*) AS n, SUM(1 - (flags & 1)) AS unseen, SUM(size) AS octets "
	"FROM message GROUP BY mailbox_id) m ON m.mailbox_id = b.id WHERE "
	"b.messages <> COALESCE(m.n, 0) OR b.unseen <> COALESCE(m.unseen, 0) OR "
	"b.octets <> COALESCE(m.octets, 0)");
DB_SQL(sql_check_mailbox_deleted,
	"SELECT 'mailbox ' || b.id || ' says ' || b.deleted || ' messages marked deleted, ' || "
	"b.deleted_octets || ' octets; there are ' || COALESCE(m.n, 0) || ', ' || "
	"COALESCE(m.octets, 0) FROM mailbox b LEFT JOIN (SELECT mailbox_id, COUNT(*) AS n, "
	"SUM(size) AS octets FROM message WHERE (flags & 8) <> 0 GROUP BY mailbox_id) m "
	"ON m.mailbox_id = b.id WHERE b.deleted <> COALESCE(m.n, 0) OR "
	"b.deleted_octets <> COALESCE(m.octets, 0)");
DB_SQL(sql_check_message_names,
	"SELECT 'mailbox ' || m.mailbox_id || ' UID ' || m.uid || ': number ' || m.n || "
	"', account ' || m.account_id || ', EMAILID ' || m.email_id || ' cannot be' FROM message m "
	"JOIN mailbox b ON b.id = m.mailbox_id JOIN account a ON a.id = b.account_id "
	"WHERE m.account_id <> b.account_id OR m.n < 1 OR m.n > a.modseq OR m.email_id = 0");
DB_SQL(sql_check_keywords,
	"SELECT 'keyword ' || k.name || ' belongs to mailbox ' || k.mailbox_id || "
	"', which is not there' FROM mailbox_keyword k LEFT JOIN mailbox b ON b.id = k.mailbox_id "
	"WHERE b.id IS NULL");
DB_SQL(sql_check_rights_lost,
	"SELECT 'rights of ' || r.identifier || ' belong to mailbox ' || r.mailbox_id || "
	"', which is not there' FROM mailbox_acl r LEFT JOIN mailbox b ON b.id = r.mailbox_id "
	"WHERE b.id IS NULL");
DB_SQL(sql_check_metadata_lost,
	"SELECT 'annotation ' || x.name || ' belongs to mailbox ' || x.mailbox_id || "
	"', which is not there' FROM mailbox_metadata x LEFT JOIN mailbox b ON b.id = x.mailbox_id "
	"WHERE x.mailbox_id <> 0 AND b.id IS NULL");
DB_SQL(sql_check_reading_lost,
	"SELECT r.what || ' belongs to account ' || r.id || ', which is not there' FROM "
	"(SELECT 'subscription ' || name AS what, account_id AS id FROM subscription "
	"UNION ALL SELECT 'expunged message ' || id, account_id FROM expunged) r "
	"LEFT JOIN account a ON a.id = r.id WHERE a.id IS NULL");
DB_SQL(sql_check_expunged,
	"SELECT 'expunged message ' || x.id || ': its body ' || x.blob_id || ' is missing, or it is "
	"in a mailbox' FROM expunged x LEFT JOIN blob b ON b.id = x.blob_id "
	"LEFT JOIN message m ON m.id = x.id WHERE b.id IS NULL OR b.octets <> x.blob_octets OR "
	"m.id IS NOT NULL");
DB_SQL(sql_check_uid,
	"SELECT 'mailbox ' || b.id || ': next UID ' || b.uidnext || ', highest MODSEQ ' || "
	"b.highest_modseq || ', but a message has UID ' || m.uid || ' and MODSEQ ' || m.modseq "
	"FROM mailbox b JOIN message m ON m.mailbox_id = b.id WHERE m.uid >= b.uidnext OR "
	"m.modseq > b.highest_modseq");
DB_SQL(sql_check_tombstone,
	"SELECT 'mailbox ' || t.mailbox_id || ' UID ' || t.uid || ': expunged, and still there' "
	"FROM tombstone t JOIN message m ON m.mailbox_id = t.mailbox_id AND m.uid = t.uid");
DB_SQL(sql_check_lost_message,
	"SELECT 'message ' || m.id || ' lies in no mailbox' FROM message m LEFT JOIN mailbox b "
	"ON b.id = m.mailbox_id WHERE b.id IS NULL");
DB_SQL(sql_check_lost_mailbox,
	"SELECT 'mailbox ' || b.id || ' belongs to nobody' FROM mailbox b LEFT JOIN account a "
	"ON a.id = b.account_id WHERE a.id IS NULL");
DB_SQL(sql_check_account,
	"SELECT 'account ' || a.local || '@' || a.domain || ' says ' || a.messages || "
	"' messages, ' || a.octets || ' octets; its mailboxes hold ' || COALESCE(b.n, 0) || ', ' || "
	"COALESCE(b.octets, 0) FROM account a LEFT JOIN (SELECT account_id, SUM(messages) AS n, "
	"SUM(octets) AS octets, MAX(highest_modseq) AS modseq FROM mailbox GROUP BY account_id) b "
	"ON b.account_id = a.id WHERE a.messages <> COALESCE(b.n, 0) OR "
	"a.octets <> COALESCE(b.octets, 0) OR COALESCE(b.modseq, 0) > a.modseq");
DB_SQL(sql_check_queue_left,
	"SELECT 'queued message ' || q.id || ' says ' || q.rcpt_left || ' recipients are left, ' || "
	"COALESCE(r.n, 0) || ' are there' FROM queue_msg q LEFT JOIN (SELECT msg_id, COUNT(*) AS n "
	"FROM queue_rcpt GROUP BY msg_id) r ON r.msg_id = q.id WHERE q.rcpt_left <> COALESCE(r.n, 0) "
	"OR q.rcpt_left < 1");
DB_SQL(sql_check_queue_lost,
	"SELECT 'recipient ' || r.id || ' (' || r.address || ') belongs to no message' "
	"FROM queue_rcpt r LEFT JOIN queue_msg q ON q.id = r.msg_id WHERE q.id IS NULL");
DB_SQL(sql_check_queue_event,
	"SELECT 'recipient ' || id || ' (' || address || ') has no next event' FROM queue_rcpt "
	"WHERE (state IN (0, 3) AND next_ns <= 0) OR (state = 1 AND lease_ns <= 0) "
	"OR (state = 2 AND held_ns <= 0) OR state < 0 OR state > 3 "
	"OR (attempts > 0 AND last_text = '' AND last_code = 0)");
DB_SQL(sql_check_queue_lane,
	"SELECT 'recipient ' || r.id || ' (' || r.address || ') waits, and its lane ' || "
	"r.destination || ' does not know' FROM queue_rcpt r LEFT JOIN queue_lane l ON "
	"l.destination = r.destination AND l.priority = r.priority WHERE r.state = 0 AND "
	"(l.next_ns IS NULL OR (l.next_ns > r.next_ns AND l.next_ns > l.paused_ns AND "
	"l.next_ns > $1))");
DB_SQL(sql_check_count_messages,
	"SELECT 'the store counts ' || c.value || ' messages; there are ' || m.n FROM counter c, "
	"(SELECT COUNT(*) AS n FROM message) m WHERE c.id = 1 AND c.value <> m.n");
DB_SQL(sql_check_count_queue,
	"SELECT 'the store counts ' || c.value || ' queued messages; there are ' || m.n FROM "
	"counter c, (SELECT COUNT(*) AS n FROM queue_msg) m WHERE c.id = 2 AND c.value <> m.n");
DB_SQL(sql_check_count_rcpts,
	"SELECT 'the store counts ' || c.value || ' queued recipients; there are ' || m.n FROM "
	"counter c, (SELECT COUNT(*) AS n FROM queue_rcpt) m WHERE c.id = 3 AND c.value <> m.n");

DB_SQL(sql_check_forward,
	"SELECT 'a forward to ' || f.target || ' belongs to account ' || f.account_id || "
	"', which is not there' FROM forward f LEFT JOIN account a ON a.id = f.account_id "
	"WHERE a.id IS NULL");
DB_SQL(sql_check_forward_many,
	"SELECT 'account ' || account_id || ' has ' || COUNT(*) || ' forwards' FROM forward "
	"GROUP BY account_id HAVING COUNT(*) > 20");
DB_SQL(sql_check_recipient,
	"SELECT 'recipient ' || r.local || '@' || r.domain || ' is in no relay domain' "
	"FROM relay_rcpt r LEFT JOIN domain d ON d.name = r.domain WHERE d.name IS NULL "
	"OR d.kind <> 2");
DB_SQL(sql_check_domain,
	"SELECT 'domain ' || name || ': no such kind (' || kind || ') or check (' || check_kind || "
	"')' FROM domain WHERE kind NOT IN (1, 2) OR check_kind < 0 OR check_kind > 3 OR "
	"(kind = 1 AND check_kind <> 0)");
DB_SQL(sql_check_address_twice,
	"SELECT 'address ' || l.local || '@' || l.domain || ' is a list and an account or alias' "
	"FROM list l WHERE EXISTS (SELECT 1 FROM account a WHERE a.domain = l.domain AND "
	"a.local = l.local) OR EXISTS (SELECT 1 FROM alias x WHERE x.domain = l.domain AND "
	"x.local = l.local)");
DB_SQL(sql_check_list_members,
	"SELECT 'list ' || l.local || '@' || l.domain || ' says ' || l.members || ' members, ' || "
	"COALESCE(m.n, 0) || ' are there' FROM list l LEFT JOIN (SELECT list_id, COUNT(*) AS n "
	"FROM list_member GROUP BY list_id) m ON m.list_id = l.id "
	"WHERE l.members <> COALESCE(m.n, 0)");
DB_SQL(sql_check_list_lost,
	"SELECT 'member ' || m.address || ' belongs to list ' || m.list_id || ', which is not there' "
	"FROM list_member m LEFT JOIN list l ON l.id = m.list_id WHERE l.id IS NULL");
DB_SQL(sql_check_pending_lost,
	"SELECT 'what waits under ' || p.token || ' belongs to list ' || p.list_id || "
	"', which is not there' FROM list_pending p LEFT JOIN list l ON l.id = p.list_id "
	"WHERE l.id IS NULL");
DB_SQL(sql_check_pool_member,
	"SELECT 'next hop ' || m.next_hop || ' belongs to pool ' || m.pool || "
	"', which is not there' FROM pool_member m LEFT JOIN pool p ON p.name = m.pool "
	"WHERE p.name IS NULL");
DB_SQL(sql_check_route_pool,
	"SELECT 'the route of ' || r.match || ' leads to ' || r.next_hop || ', which is not there' "
	"FROM (SELECT domain AS match, next_hop FROM route UNION ALL SELECT sender, next_hop FROM "
	"sender_route) r LEFT JOIN pool p ON r.next_hop = 'pool:' || p.name "
	"WHERE r.next_hop LIKE 'pool:%' AND p.name IS NULL");
DB_SQL(sql_check_route_egress,
	"SELECT 'the route of ' || r.match || ' goes out by ' || r.egress || "
	"', which is not there' FROM (SELECT domain AS match, egress FROM route UNION ALL "
	"SELECT sender, egress FROM sender_route) r WHERE r.egress <> '' AND NOT EXISTS "
	"(SELECT 1 FROM egress e WHERE e.name = r.egress)");

DB_SQL(sql_check_people_lost,
	"SELECT r.what || ' belongs to account ' || r.id || ', which is not there' FROM "
	"(SELECT 'a membership of ' || member_id AS what, account_id AS id FROM account_member "
	"UNION ALL SELECT 'a membership in ' || account_id, member_id FROM account_member "
	"UNION ALL SELECT 'send-as ' || pattern, account_id FROM send_as "
	"UNION ALL SELECT 'app password ' || name, account_id FROM app_password "
	"UNION ALL SELECT 'certificate ' || spki_sha256, account_id FROM account_certificate "
	"UNION ALL SELECT 'address ' || local || '@' || domain, account_id FROM address) r "
	"LEFT JOIN account a ON a.id = r.id WHERE a.id IS NULL");

_Static_assert(STORE_COUNT_MESSAGES == 1 && STORE_COUNT_QUEUE_MESSAGES == 2 &&
		STORE_COUNT_QUEUE_RCPTS == 3,
	"the questions above name counters by number");

DB_SQL(sql_check_facts_lost,
	"SELECT 'facts of body ' || f.blob_id || ', which is not there' FROM body_fact f LEFT JOIN "
	"blob b ON b.id = f.blob_id WHERE b.id IS NULL OR b.refs < 1");
DB_SQL(sql_check_facts_missing,
	"SELECT 'mailbox ' || m.mailbox_id || ' UID ' || m.uid || ': in a thread, but its body ' || "
	"m.blob_id || ' has no facts' FROM message m LEFT JOIN body_fact f ON f.blob_id = m.blob_id "
	"WHERE m.thread_id <> 0 AND f.blob_id IS NULL");

static const struct db_sql *const check_questions[] = {&sql_check_refs, &sql_check_queue_body,
	&sql_check_message_body, &sql_check_chunks, &sql_check_size, &sql_check_mailbox,
	&sql_check_mailbox_deleted, &sql_check_message_names, &sql_check_keywords,
	&sql_check_rights_lost, &sql_check_metadata_lost, &sql_check_reading_lost,
	&sql_check_expunged, &sql_check_uid, &sql_check_tombstone, &sql_check_lost_message,
	&sql_check_lost_mailbox, &sql_check_account, &sql_check_queue_left, &sql_check_queue_lost,
	&sql_check_queue_event, &sql_check_count_messages, &sql_check_count_queue,
	&sql_check_count_rcpts, &sql_check_forward, &sql_check_forward_many, &sql_check_recipient,
	&sql_check_domain, &sql_check_address_twice, &sql_check_list_members, &sql_check_list_lost,
	&sql_check_pending_lost, &sql_check_pool_member, &sql_check_route_pool,
	&sql_check_route_egress, &sql_check_people_lost, &sql_check_facts_lost,
	&sql_check_facts_missing};

#define CHECK_FINDINGS_MAX 1000 /* of one question; then "and more" */

struct check {
	void (*finding)(void *arg, const char *text);
	void *arg;
	uint64_t findings;
};

static void check_tell(struct check *c, struct span text)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_span_put(&b, text);
	c->findings++;
	if (c->finding)
		c->finding(c->arg, buf_cstr(&b));
	buf_fini(&b);
}

static int check_rows(struct db_stmt *st, struct check *c, struct err *e)
{
	uint64_t told = 0;
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span text = db_col_span(st, 0);

		/* The engine's own check says "ok" when it has nothing to say. */
		if (span_eq(text, SPAN("ok")))
			continue;
		if (told++ == CHECK_FINDINGS_MAX) {
			check_tell(c, SPAN("... and more of this kind"));
			break;
		}
		check_tell(c, text);
	}
	db_done(st);
	return result;
}

static int check_ask(struct db *db, const struct db_sql *sql, struct check *c, struct err *e)
{
	return check_rows(db_query(db, e, sql, ""), c, e);
}

/* A lane that was just served goes behind the others that are due, so it may stand at a time after its
 * rows' and still be due; only one that is due later than that keeps them waiting. */
static int check_lanes(struct db *db, struct check *c, struct err *e)
{
	int64_t soon_ns = clock_wall_ns() +
		CLOCK_MIN; /* who claims beside us reads a later clock */

	return check_rows(db_query(db, e, &sql_check_queue_lane, "i", soon_ns), c, e);
}

int store_check(struct store *s, void (*finding)(void *arg, const char *text), void *arg,
	void (*progress)(void *arg, uint64_t done, uint64_t total), uint64_t *findings_r,
	struct err *e)
{
	struct db_opts opts = {.path = s->file, .vfs = s->vfs, .role = DB_READER};
	struct check c = {.finding = finding, .arg = arg};
	size_t email_count;
	const struct db_sql *const *emails = email_check_questions(&email_count);
	uint64_t total = ARRAY_LEN(check_questions) + email_count + 2;
	struct db *db;
	int result;

	if (db_open(&opts, &db, e) < 0)
		return -1;
	result = check_ask(db, db_sql_integrity(db), &c, e);
	for (size_t i = 0; result == 0 && i < ARRAY_LEN(check_questions); i++) {
		if (progress)
			progress(arg, i + 1, total);
		result = check_ask(db, check_questions[i], &c, e);
	}
	for (size_t i = 0; result == 0 && i < email_count; i++) {
		if (progress)
			progress(arg, ARRAY_LEN(check_questions) + i + 1, total);
		result = check_ask(db, emails[i], &c, e);
	}
	if (result == 0)
		result = check_lanes(db, &c, e);
	if (progress && result == 0)
		progress(arg, total, total);
	db_close(&db);
	*findings_r = c.findings;
	return result;
}
