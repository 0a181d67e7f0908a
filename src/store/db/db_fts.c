#include "store/db/db_fts.h"

#include <sqlite3.h>
#include <string.h>

static int tokens_create(void *context, const char **args, int count, Fts5Tokenizer **out)
{
	(void)context;
	(void)args;
	(void)count;
	*out = (Fts5Tokenizer *)(void *)"tokens"; /* it has no state */
	return SQLITE_OK;
}

static void tokens_delete(Fts5Tokenizer *t)
{
	(void)t;
}

static int tokens_run(Fts5Tokenizer *t, void *context, int flags, const char *text, int length,
	int (*token)(void *context, int flags, const char *text, int length, int from, int to))
{
	int at = 0;

	(void)t;
	(void)flags;
	while (at < length) {
		const char *end = memchr(text + at, ' ', (size_t)(length - at));
		int to = end ? (int)(end - text) : length;
		int rc = to > at ? token(context, 0, text + at, to - at, at, to) : SQLITE_OK;

		if (rc != SQLITE_OK)
			return rc;
		at = to + 1;
	}
	return SQLITE_OK;
}

/* https://www.sqlite.org/fts5.html section 7: the interface is handed over through a pointer that is
 * bound to a statement. */
static fts5_api *api_of(sqlite3 *handle)
{
	fts5_api *api = NULL;
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(handle, "SELECT fts5(?1)", -1, &st, NULL) == SQLITE_OK) {
		sqlite3_bind_pointer(st, 1, &api, "fts5_api_ptr", NULL);
		sqlite3_step(st);
	}
	sqlite3_finalize(st);
	return api;
}

int db_fts_register(sqlite3 *handle)
{
	fts5_tokenizer tokens = {tokens_create, tokens_delete, tokens_run};
	fts5_api *api = api_of(handle);

	return api ? api->xCreateTokenizer(api, "tokens", NULL, &tokens, NULL) : SQLITE_ERROR;
}
