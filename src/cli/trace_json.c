#include "cli/trace.h"

void trace_json(struct json_out *out, const struct trace *t, const struct journey *j)
{
	json_open_object(out);
	if (t->name)
		json_kv_str(out, "file", t->name);
	if (t->place)
		json_kv_u64(out, "index", t->place);
	journey_json_put(out, j);
	json_close(out);
}
