#pragma once
/* SQLite's full text (FTS5) with a tokenizer of ours: what it is given are tokens already, with blanks
 * between. Only db_sqlite.c sees this. */

struct sqlite3;

/** The tokenizer "tokens" on this connection; an SQLite result code. */
int db_fts_register(struct sqlite3 *handle);
