#include "services/web/web.h"

#include "store/stage.h"

FIBER int web_upload(struct web_call *c, struct store *store, uint64_t max, struct stage **stage_r,
	struct err *e)
{
	struct stage *st = stage_new(store);
	struct span piece;

	http_body_limit(c->x, max);
	do {
		if (http_body_read(c->x, &piece, e) < 0 || stage_put(st, piece, e) < 0) {
			stage_free(&st);
			return -1;
		}
	} while (piece.len);
	*stage_r = st;
	return 0;
}
