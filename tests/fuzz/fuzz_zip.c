/* Any octets as a zip: what is read lies within it, no entry gives more than it says, and all together give at most
 * ZIP_TIMES_MAX times the file and what small entries may be. */
#include <string.h>

#include "base/must.h"
#include "services/jmapd/jmapd_move_priv.h"

#define SMALL (64 * 1024)

struct taken {
	uint64_t octets, most;
	uint32_t sum; /* so that each octet is looked at */
};

static FIBER int read_file(
	void *arg, uint64_t offset, void *p, size_t n, size_t *got_r, struct err *e)
{
	const struct span *file = arg;
	struct span piece = span_sub(*file, (size_t)offset, n);

	(void)e;
	if (piece.len)
		memcpy(p, piece.ptr, piece.len);
	*got_r = piece.len;
	return 0;
}

static FIBER int take(void *arg, struct span octets, struct err *e)
{
	struct taken *t = arg;

	(void)e;
	t->octets += octets.len;
	MUST(octets.len && t->octets <= t->most);
	for (size_t i = 0; i < octets.len; i++)
		t->sum += (unsigned char)octets.ptr[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span file = span_of(data, size);
	struct http_source source = {.read = read_file, .arg = &file, .size = size};
	struct arena *a = arena_new();
	uint64_t all = 0, small = 0, entries = 0;
	struct zip_entry entry;
	struct zip z;
	bool is = false;
	int rc = zip_begin(&z, a, &source, NULL);

	while (rc == 0 && (rc = zip_next(&z, &entry, &is, NULL)) == 0 && is) {
		struct taken t = {.most = entry.size};

		MUST(entry.name.len && entry.name.len < ZIP_NAME_MAX && ++entries <= 0xffff);
		if (zip_read(&z, &entry, take, &t, NULL) == 0)
			MUST(t.octets <= entry.packed * (ZIP_TIMES_MAX + 1) || t.octets <= SMALL);
		all += t.octets;
		small += t.octets <= SMALL ? SMALL : 0;
	}
	MUST(all <= (size + 1) * (ZIP_TIMES_MAX + 1) + small);
	arena_free(&a);
	return 0;
}
