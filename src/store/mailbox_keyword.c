/* Keywords: the first spelling that a mailbox has seen stays (RFC 9051 section 2.3.2: compared without
 * case). */

#include "store/mailbox_priv.h"

DB_SQL(sql_keyword_find, "SELECT name FROM mailbox_keyword WHERE mailbox_id = $1 AND folded = $2");
DB_SQL(sql_keyword_count, "SELECT COUNT(*) FROM mailbox_keyword WHERE mailbox_id = $1");
DB_SQL(sql_keyword_add,
	"INSERT INTO mailbox_keyword (mailbox_id, folded, name) VALUES ($1, $2, $3)");

static int keyword_spell(struct db *db, struct arena *a, uint64_t mailbox_id, struct span keyword,
	struct span *name_r, struct err *e)
{
	struct span folded = mailbox_lower(a, keyword);
	int64_t count = 0;
	bool is_found = false;

	*name_r = keyword;
	if (db_get(db, e, a, &sql_keyword_find, &is_found, "it:t", (int64_t)mailbox_id, folded,
		    name_r) < 0)
		return -1;
	if (is_found)
		return 0;
	if (keyword.len == 0 || keyword.len > MAILBOX_KEYWORD_MAX || span_find(keyword, ' ') >= 0)
		return err_set(
			e, ERR_LIMIT, "a keyword has at most %d octets", MAILBOX_KEYWORD_MAX);
	if (db_get(db, e, NULL, &sql_keyword_count, &is_found, "i:i", (int64_t)mailbox_id, &count) <
		0)
		return -1;
	if (count >= MAILBOX_KEYWORDS_MAX)
		return err_set(
			e, ERR_LIMIT, "a mailbox knows at most %d keywords", MAILBOX_KEYWORDS_MAX);
	return db_run(db, e, &sql_keyword_add, "itt", (int64_t)mailbox_id, folded, keyword);
}

int mailbox_keywords_tx(struct db *db, struct arena *a, uint64_t mailbox_id,
	const struct span *keywords, size_t count, struct span *joined_r, struct err *e)
{
	struct buf *b = arena_buf(a, MAILBOX_KEYWORDS_MAX * (MAILBOX_KEYWORD_MAX + 1));
	struct span *told = ARENA_ARRAY(a, struct span, count + 1);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_told = false;

		if (keyword_spell(db, a, mailbox_id, keywords[i], &told[n], e) < 0)
			return -1;
		for (size_t k = 0; k < n; k++)
			is_told = is_told || span_eq(told[k], told[n]);
		if (is_told)
			continue;
		if (n)
			buf_char(b, ' ');
		buf_span_put(b, told[n++]);
	}
	if (!buf_ok(b))
		return err_set(
			e, ERR_LIMIT, "a message has at most %d keywords", MAILBOX_KEYWORDS_MAX);
	*joined_r = buf_span(b);
	return 0;
}
