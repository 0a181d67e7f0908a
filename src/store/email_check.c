/* Questions about the index of Emails: rows of what is wrong in it, compared with `message` and with itself.
 * An index that is behind is compared with itself alone. */

#include "base/must.h"
#include "store/email_priv.h"

#define OF_WHOLE "JOIN email_index i ON i.account_id = a.id AND i.upto >= a.modseq "

DB_SQL(sql_check_email_row,
	"SELECT 'the index of Emails knows message ' || r.message_id || ' otherwise than it is' "
	"FROM email_row r JOIN account a ON a.id = r.account_id " OF_WHOLE
	"LEFT JOIN message m ON m.id = r.message_id WHERE m.id IS NULL OR "
	"m.mailbox_id <> r.mailbox_id OR m.flags <> r.flags OR m.keywords <> r.keywords OR "
	"m.email_id <> r.email_id OR m.account_id <> r.account_id OR (m.flags & 8) <> 0");
DB_SQL(sql_check_email_row_missing,
	"SELECT 'the index of Emails does not know message ' || m.id FROM message m JOIN account a "
	"ON a.id = m.account_id " OF_WHOLE "LEFT JOIN email_row r ON r.message_id = m.id "
	"WHERE (m.flags & 8) = 0 AND r.message_id IS NULL");
DB_SQL(sql_check_email,
	"SELECT 'Email ' || x.email_id || ' of account ' || x.account_id || ' is not what its rows "
	"make it' FROM email x LEFT JOIN (SELECT account_id, email_id, COUNT(*) AS n, "
	"MIN(flags & 1) + MAX(flags & 2) + MAX(flags & 4) + MAX(flags & 16) AS flags FROM email_row "
	"GROUP BY account_id, email_id) r ON r.account_id = x.account_id AND "
	"r.email_id = x.email_id WHERE r.n IS NULL OR r.n <> x.rows_count OR "
	"r.flags <> (x.flags & 23) OR ((x.flags & 512) <> 0) <> (x.keywords <> '')");
DB_SQL(sql_check_email_missing,
	"SELECT 'there is no Email ' || r.email_id || ' of message ' || r.message_id FROM email_row "
	"r LEFT JOIN email x ON x.account_id = r.account_id AND x.email_id = r.email_id "
	"WHERE x.email_id IS NULL");
DB_SQL(sql_check_email_box,
	"SELECT 'Email ' || b.email_id || ' is in the list of mailbox ' || b.mailbox_id || ' and "
	"should not be there so' FROM email_box b LEFT JOIN (SELECT DISTINCT r.mailbox_id, "
	"r.email_id, x.thread_id, x.received_ns, x.flags FROM email_row r JOIN email x ON "
	"x.account_id = r.account_id AND x.email_id = r.email_id) r ON "
	"r.mailbox_id = b.mailbox_id AND r.email_id = b.email_id WHERE r.email_id IS NULL OR "
	"r.thread_id <> b.thread_id OR r.received_ns <> b.received_ns OR r.flags <> b.flags");
DB_SQL(sql_check_email_box_missing,
	"SELECT 'Email ' || r.email_id || ' is not in the list of mailbox ' || r.mailbox_id FROM "
	"email_row r JOIN email x ON x.account_id = r.account_id AND x.email_id = r.email_id "
	"LEFT JOIN email_box b ON b.mailbox_id = r.mailbox_id AND b.received_ns = x.received_ns "
	"AND b.email_id = r.email_id WHERE b.email_id IS NULL");
DB_SQL(sql_check_email_thread,
	"SELECT 'thread ' || t.thread_id || ' of account ' || t.account_id || ' says ' || t.emails "
	"|| ' Emails, ' || t.unread || ' unread; there are ' || COALESCE(x.n, 0) || ', ' || "
	"COALESCE(x.unread, 0) FROM thread t LEFT JOIN (SELECT account_id, thread_id, "
	"COUNT(*) AS n, SUM((flags & 17) = 0) AS unread FROM email GROUP BY account_id, thread_id) x "
	"ON x.account_id = t.account_id AND x.thread_id = t.thread_id WHERE "
	"t.emails <> COALESCE(x.n, 0) OR t.unread <> COALESCE(x.unread, 0)");
DB_SQL(sql_check_email_thread_missing,
	"SELECT 'there is no thread ' || x.thread_id || ' of Email ' || x.email_id FROM email x LEFT "
	"JOIN thread t ON t.account_id = x.account_id AND t.thread_id = x.thread_id "
	"WHERE t.thread_id IS NULL");
DB_SQL(sql_check_email_thread_box,
	"SELECT 'thread ' || t.thread_id || ' in mailbox ' || t.mailbox_id || ' is not what its "
	"Emails make it' FROM thread_box t LEFT JOIN (SELECT mailbox_id, thread_id, COUNT(*) AS n, "
	"MAX(received_ns) AS newest, MIN(received_ns) AS oldest FROM email_box GROUP BY mailbox_id, "
	"thread_id) b ON b.mailbox_id = t.mailbox_id AND b.thread_id = t.thread_id WHERE "
	"b.n IS NULL OR b.n <> t.emails OR b.newest <> t.newest_ns OR b.oldest <> t.oldest_ns OR "
	"t.newest_email <> (SELECT MAX(email_id) FROM email_box x WHERE "
	"x.mailbox_id = t.mailbox_id AND x.received_ns = t.newest_ns AND x.thread_id = t.thread_id) "
	"OR t.oldest_email <> (SELECT MIN(email_id) FROM email_box x WHERE "
	"x.mailbox_id = t.mailbox_id AND x.received_ns = t.oldest_ns AND x.thread_id = t.thread_id)");
DB_SQL(sql_check_email_thread_box_missing,
	"SELECT 'thread ' || b.thread_id || ' is not in the list of mailbox ' || b.mailbox_id FROM "
	"email_box b LEFT JOIN thread_box t ON t.mailbox_id = b.mailbox_id AND "
	"t.thread_id = b.thread_id WHERE t.thread_id IS NULL");
#define DAY_OF(col)                                                                                \
	"CASE WHEN " col " >= 0 THEN " col " / 86400000000000 ELSE "                               \
	"-((86399999999999 - " col ") / 86400000000000) END"
DB_SQL(sql_check_email_day,
	"SELECT 'day ' || day || ' of mailbox ' || mailbox_id || ' is counted wrongly' FROM ("
	"SELECT mailbox_id, day, -emails AS emails, -newest AS newest, -oldest AS oldest FROM "
	"email_day UNION ALL SELECT mailbox_id, " DAY_OF("received_ns") ", 1, 0, 0 FROM email_box UNION ALL SELECT mailbox_id, " DAY_OF(
		"newest_ns") ", 0, 1, 0 FROM thread_box UNION ALL SELECT mailbox_id, " DAY_OF("oldest_ns") ", 0, 0, 1 FROM thread_box) GROUP BY mailbox_id, day HAVING SUM(emails) <> 0 OR "
													   "SUM(newest) <> 0 OR SUM(oldest) <> 0");
DB_SQL(sql_check_email_count,
	"SELECT 'mailbox ' || mailbox_id || ' counts its Emails and threads wrongly' FROM ("
	"SELECT mailbox_id, -emails AS emails, -unread AS unread, -threads AS threads, "
	"-unread_threads AS unread_threads FROM mailbox_count UNION ALL SELECT mailbox_id, 1, "
	"(flags & 17) = 0, 0, 0 FROM email_box UNION ALL SELECT b.mailbox_id, 0, 0, 1, t.unread > 0 "
	"FROM thread_box b JOIN mailbox_count c ON c.mailbox_id = b.mailbox_id JOIN thread t ON "
	"t.account_id = c.account_id AND t.thread_id = b.thread_id) GROUP BY mailbox_id HAVING "
	"SUM(emails) <> 0 OR SUM(unread) <> 0 OR SUM(threads) <> 0 OR SUM(unread_threads) <> 0");
DB_SQL(sql_check_email_lost,
	"SELECT r.what || ' belongs to account ' || r.id || ', which is not there' FROM ("
	"SELECT 'an index of Emails' AS what, account_id AS id FROM email_index UNION ALL SELECT "
	"'Email ' || email_id, account_id FROM email UNION ALL SELECT 'a change of object ' || "
	"object_id, account_id FROM object_change) r LEFT JOIN account a ON a.id = r.id "
	"WHERE a.id IS NULL");

_Static_assert(MAILBOX_DELETED == 8 && (MAILBOX_SEEN | MAILBOX_DRAFT) == 17 &&
		(MAILBOX_FLAGS_ALL & ~MAILBOX_DELETED) == 23 && EMAIL_BIT_WORDS == 512,
	"the questions above name flags by number");

static const struct db_sql *const questions[] = {&sql_check_email_row, &sql_check_email_row_missing,
	&sql_check_email, &sql_check_email_missing, &sql_check_email_box,
	&sql_check_email_box_missing, &sql_check_email_thread, &sql_check_email_thread_missing,
	&sql_check_email_thread_box, &sql_check_email_thread_box_missing, &sql_check_email_day,
	&sql_check_email_count, &sql_check_email_lost};

const struct db_sql *const *email_check_questions(size_t *count_r)
{
	*count_r = ARRAY_LEN(questions);
	return questions;
}

struct asking {
	const struct db_sql *sql;
	struct buf *b;
	uint64_t wrong;
};

static int ask(struct db *db, void *arg, struct err *e)
{
	struct asking *x = arg;
	struct db_stmt *st = db_query(db, e, x->sql, "");
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		buf_span_put(x->b, db_col_span(st, 0));
		buf_char(x->b, '\n');
		x->wrong++;
	}
	db_done(st);
	return rc;
}

int email_check_blocking(struct store *s, struct buf *b, uint64_t *wrong_r, struct err *e)
{
	struct asking x = {.b = b};

	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		x.sql = questions[i];
		if (store_read_blocking(s, "email.check", ask, &x, e) < 0)
			return -1;
	}
	*wrong_r = x.wrong;
	return 0;
}
