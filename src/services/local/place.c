#include "services/local/place.h"

#include <string.h>

static const char *one(struct arena *a, const char *data, const char *setting, const char *name)
{
	if (strcmp(setting, "none") == 0)
		return NULL;
	return setting[0] ? arena_str(a, span_str(setting)) : arena_printf(a, "%s/%s", data, name);
}

struct local_place local_place(
	struct arena *a, const char *data, const char *socket, const char *maildrop)
{
	return (struct local_place){
		one(a, data, socket, "submit"), one(a, data, maildrop, "maildrop")};
}
