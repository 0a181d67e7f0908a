#pragma once
/* What makes a letter out of a drop directory arrive once: its name is written down in the transaction that
 * accepts it (spool_new.once), and forgotten when its file is gone. A crash between the two leaves the
 * name, so that the file is not taken again. */

#include "store/store.h"

#define MAILDROP_PAGE 256

/** Names that are kept, in order, behind `after` ("" from the first on); at most MAILDROP_PAGE. */
FIBER int maildrop_list(struct store *s, struct arena *a, struct span after, struct span **names_r,
	size_t *count_r, struct err *e);
/** Their files are gone, durably. */
FIBER int maildrop_forget(struct store *s, const struct span *names, size_t count, struct err *e);
