/* chardevd: the program. */
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/options.h"

#include <fcntl.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

/* 0, 1 and 2 must be taken, or a device would get one of them. */
static void take_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			_exit(1);
}

static int run(enum options_verdict verdict, const struct options *options)
{
	switch (verdict) {
	case OPTIONS_SERVE:
		return daemon_run(options);
	case OPTIONS_CHECK:
		return check_all(options) ? 0 : 1;
	case OPTIONS_DONE:
		return 0;
	case OPTIONS_WRONG:
		break;
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options options;
	take_standard_descriptors();
	enum options_verdict verdict = options_parse(argc, argv, &options);
	int status = run(verdict, &options);
	options_fini(&options);
	return status;
}
