/* Any text: a configuration, or at least one mistake with a line of the file. */
#include "base/must.h"
#include "services/host/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errs = {0};
	struct config *c = config_read_text("fuzz.conf", span_of(data, size), &errs);

	MUST((c != NULL) == (errs.count == 0));
	for (size_t i = 0; i < errs.count; i++)
		MUST(errs.items[i].text[0] && errs.items[i].line <= size + 1);
	config_errors_fini(&errs);
	config_unref(&c);
	return 0;
}
