/*
 * A VMM's character devices on libchardev: every device of a domain document, nested in a poll
 * loop. The "guest" greets, and sends back what is typed to it. The end of standard input ends it.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs libchardev)
 *     ./embed domain.xml /tmp
 */
#include <chardev.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What an emulated port holds between the host and the guest. */
struct port {
	const char *alias;
	char data[256];
	size_t at, end;
};

/* Called when input waits, and when the output that was held up may go on. */
static void move_bytes(struct chardev_device *device, void *user)
{
	struct port *port = user;
	for (;;) {
		if (port->at == port->end) {
			port->at = 0;
			port->end = chardev_device_read(device, port->data, sizeof(port->data));
		}
		if (port->end == 0)
			return; /* on_input follows */
		port->at +=
			chardev_device_write(device, port->data + port->at, port->end - port->at);
		if (port->at < port->end)
			return; /* on_room follows */
	}
}

static void take_break(struct chardev_device *device, void *user)
{
	(void)device;
	printf("%s: BREAK\n", ((struct port *)user)->alias);
}

int main(int argc, char **argv)
{
	static char xml[65536];
	static struct port ports[64];
	const struct chardev_device_events events = {sizeof(events), .on_input = move_bytes,
		.on_room = move_bytes, .on_break = take_break};
	struct chardev_error error = {0};
	struct chardev_domain *domain = NULL;
	struct chardev_engine *engine = NULL;
	FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
	size_t size = file != NULL ? fread(xml, 1, sizeof(xml), file) : 0;
	if (chardev_domain_parse(xml, size, &domain, &error) < 0 ||
		chardev_engine_new(&engine, &error) < 0)
		return fprintf(stderr, "embed: %s\n", error.message), 1;

	for (size_t i = 0; i < 64 && i < chardev_domain_device_count(domain); i++) {
		struct chardev_device *device;
		struct chardev_device_status status = {sizeof(status)};
		ports[i].alias = chardev_domain_alias(domain, i);
		if (chardev_device_open(engine, domain, ports[i].alias, argv[2], &events, &ports[i],
			    &device, &error) < 0)
			return fprintf(stderr, "embed: %s\n", error.message), 1;
		chardev_device_write(device, "hello\r\n", 7);
		chardev_device_status(device, &status);
		printf("%s: %s: %s\n", ports[i].alias, status.where, status.command);
	}
	fflush(stdout);
	struct pollfd wanted[] = {{chardev_engine_fd(engine), POLLIN}, {STDIN_FILENO, POLLIN}};
	while (wanted[1].revents == 0 && poll(wanted, 2, -1) > 0)
		if (wanted[0].revents != 0)
			chardev_engine_dispatch(engine);
	chardev_engine_free(engine); /* closes the devices as well */
	chardev_domain_free(domain);
	return 0;
}
