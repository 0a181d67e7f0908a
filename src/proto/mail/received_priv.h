#pragma once
/* Between the files that read Received fields. */

#include "proto/mail/received.h"

enum received_clause {
	RECEIVED_IN_NONE,
	RECEIVED_IN_FROM,
	RECEIVED_IN_BY,
	RECEIVED_IN_VIA,
	RECEIVED_IN_WITH,
	RECEIVED_IN_ID,
	RECEIVED_IN_FOR,
	RECEIVED_IN_TLS,
	RECEIVED_IN_SENDER,
	RECEIVED_IN_DATE,
	RECEIVED_CLAUSES
};

struct received_reader {
	struct arena *a;
	struct received *r;
	enum received_clause clause;
	struct span words[RECEIVED_CLAUSES]; /* from the first to the last word of each */
	unsigned counts[RECEIVED_CLAUSES];
	bool is_open[RECEIVED_CLAUSES]; /* its keyword has been seen */
	bool has_helo;                  /* told beside the name behind "from" */
	unsigned looked;                /* words and comments so far */
	bool is_comment_open, is_quote_open;
};

/* What is gathered from the words of one comment, or from words that no clause foresees. */
enum received_want {
	RECEIVED_WANT_NONE,
	RECEIVED_WANT_SKIP,
	RECEIVED_WANT_HELO,
	RECEIVED_WANT_VERSION,
	RECEIVED_WANT_CIPHER,
	RECEIVED_WANT_BITS,
	RECEIVED_WANT_LOGIN,
	RECEIVED_WANT_MECHANISM, /* and the login behind it */
	RECEIVED_WANT_SENDER,
	RECEIVED_WANT_UID,
	RECEIVED_WANT_PROTOCOL,
};
struct received_facts {
	enum received_want want;
	struct span first;  /* the first word that means nothing by itself */
	struct span number; /* the last bare number */
	unsigned count;
	bool has_ip, is_known, is_after_auth, is_local;
};

void received_comment(struct received_reader *rd, struct span inner);
void received_fact(struct received_reader *rd, struct received_facts *f, struct span word);
/** "ESMTPSA", "esmtps", "HTTP": sets kind and flags; false: no protocol that is known. */
bool received_protocol(struct received *r, struct span word);
bool received_is_cipher(struct span word);
