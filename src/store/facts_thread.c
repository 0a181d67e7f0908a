/* Threads (RFC 8474 THREADID, RFC 8621 section 3): messages of an account that share a Message-ID, by
 * their own or by what they refer to, and a base subject are one thread. A message is assigned once;
 * what comes later and joins two threads goes to the older one, and nothing that was told changes. */

#include "base/hash.h"
#include "store/facts_priv.h"

#define THREAD_REFS (FACTS_REFERENCES + 1)

DB_SQL(sql_message, "SELECT account_id, thread_id, email_id FROM message WHERE id = $1");
DB_SQL(sql_ref,
	"SELECT thread_id FROM thread_ref WHERE account_id = $1 AND ref = $2 AND subject = $3");
DB_SQL(sql_ref_add,
	"INSERT INTO thread_ref (account_id, ref, subject, thread_id) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (account_id, ref, subject) DO NOTHING");
DB_SQL(sql_assign, "UPDATE message SET thread_id = $2 WHERE id = $1");

/* A fixed key: the numbers are stored. Who makes two ids collide joins his own letters to a thread,
 * which he can do by quoting an id anyway. */
int64_t facts_ref_number(struct span s)
{
	static const struct hash_key key = {0x79697a68616e2d74ULL, 0x68726561642d7265ULL};

	return (int64_t)(hash_bytes(&key, s) >> 1);
}

struct thread_look {
	int64_t account_id, subject;
	int64_t refs[THREAD_REFS];
	bool is_known[THREAD_REFS];
	size_t count;
	int64_t thread_id; /* the oldest that is known; 0 none */
};

static void gather(const struct body_facts *f, struct thread_look *t)
{
	struct span rest = f->refs, id;

	t->subject = facts_ref_number(f->subject);
	if (f->message_id.len)
		t->refs[t->count++] = facts_ref_number(f->message_id);
	while (rest.len && t->count < THREAD_REFS) {
		span_cut(rest, '\n', &id, &rest);
		if (id.len)
			t->refs[t->count++] = facts_ref_number(id);
	}
}

static int look(struct db *db, struct thread_look *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++) {
		int64_t thread = 0;

		if (db_get(db, e, NULL, &sql_ref, &t->is_known[i], "iii:i", t->account_id,
			    t->refs[i], t->subject, &thread) < 0)
			return -1;
		if (t->is_known[i] && (!t->thread_id || thread < t->thread_id))
			t->thread_id = thread;
	}
	return 0;
}

static int remember(struct db *db, const struct thread_look *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->is_known[i] &&
			db_run(db, e, &sql_ref_add, "iiii", t->account_id, t->refs[i], t->subject,
				t->thread_id) < 0)
			return -1;
	return 0;
}

int facts_thread_tx(struct db *db, uint64_t message_id, const struct body_facts *f, bool *is_new_r,
	struct err *e)
{
	struct thread_look t = {0};
	int64_t thread = 0, email = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_message, &is_found, "i:iii", (int64_t)message_id,
		    &t.account_id, &thread, &email) < 0)
		return -1;
	if (!is_found || thread)
		return 0;
	gather(f, &t);
	if (look(db, &t, e) < 0)
		return -1;
	if (!t.thread_id) /* copies of one content are one Email, and so in one thread */
		t.thread_id = email ? email : (int64_t)message_id;
	*is_new_r = true;
	return remember(db, &t, e) < 0
		? -1
		: db_run(db, e, &sql_assign, "ii", (int64_t)message_id, t.thread_id);
}
