#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_fail(const char *claim, const char *file, int line, const char *func)
{
	fprintf(stderr, "yizhan: broken claim '%s' in %s (%s:%d)\n", claim, func, file, line);
	fflush(stderr);
	abort();
}
