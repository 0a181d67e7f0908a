#include "net/unpack.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/must.h"

struct unpack {
	z_stream z;
};

struct unpack *unpack_new(void)
{
	struct unpack *u = NEW(struct unpack);

	MUST(inflateInit2(&u->z, -MAX_WBITS) == Z_OK);
	return u;
}

void unpack_free(struct unpack **u)
{
	if (*u)
		inflateEnd(&(*u)->z);
	free(*u);
	*u = NULL;
}

int unpack_some(struct unpack *u, struct span *in, char *out, size_t cap, size_t *got_r,
	bool *is_end_r, struct err *e)
{
	size_t n = in->len < UINT32_MAX ? in->len : UINT32_MAX;
	int rc;

	u->z.next_in = (Bytef *)(uintptr_t)in->ptr;
	u->z.avail_in = (uInt)n;
	u->z.next_out = (Bytef *)out;
	u->z.avail_out = (uInt)cap;
	rc = inflate(&u->z, Z_NO_FLUSH);
	*got_r = cap - u->z.avail_out;
	*in = span_skip(*in, n - u->z.avail_in);
	*is_end_r = rc == Z_STREAM_END;
	if (rc == Z_OK || rc == Z_STREAM_END)
		return 0;
	return err_set(e, ERR_SYNTAX, "what is packed is broken");
}

uint32_t unpack_crc(uint32_t crc, struct span octets)
{
	return (uint32_t)crc32(crc, (const Bytef *)octets.ptr, (uInt)octets.len);
}
