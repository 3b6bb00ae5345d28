/* Any bytes as chardevd.conf: read, or refused with at least one error on a line that is there. */
#include "fuzz.h"

#include "daemon/settings.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;
	struct diagnostics diagnostics = DIAGNOSTICS_INIT;
	unsigned lines = 1;
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	int code = settings_parse((const char *)data, size, &settings, &diagnostics);
	assert((code == 0) == (diagnostics.errors == 0));
	for (size_t i = 0; i < diagnostics.count; i++)
		assert(diagnostics.entries[i].line <= lines && diagnostics.entries[i].message[0]);
	if (code == 0) {
		assert(settings.access.count <= SETTINGS_MAX_RULES);
		settings_fini(&settings);
	}
	diagnostics_fini(&diagnostics);
	return 0;
}
