#pragma once
/* Inside client set-up. */

#include "services/setup/setup.h"

struct setup_words {
	const char *config, *discover;
	const char *srv[2]; /* with STARTTLS, with TLS first */
};
const struct setup_words *setup_words(enum setup_protocol p);
/** The server that a program should take when it takes one; NULL: there is none. */
const struct setup_server *setup_best(const struct setup_facts *f, enum setup_protocol p);
struct span setup_title(const struct setup_facts *f);
/** "<name>text</name>" on a line of its own, two blanks a level; the text is escaped. */
void setup_put_element(struct buf *b, unsigned depth, const char *name, struct span text);
void setup_put_number(struct buf *b, unsigned depth, const char *name, uint64_t n);
