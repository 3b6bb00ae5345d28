/*
 * A device that does nothing but remember: the sink of a backend under test and of the streams that
 * it hands out. Input is collected, output is what the test writes itself.
 *
 * Every wait runs the loop until a condition holds and fails the test after some seconds.
 */
#ifndef CHARDEV_TEST_FAKE_DEVICE_H
#define CHARDEV_TEST_FAKE_DEVICE_H

#include "backend/backend.h"
#include "test.h"

enum { FAKE_PEERS = 128, FAKE_WAIT_MS = 10000, FAKE_IDLE_MS = 500 };

struct fake_peer {
	struct fake_device *device;
	struct stream *stream; /* NULL once the device has closed it */
	enum peer_kind kind;
	char name[PEER_NAME_SIZE];
	bool no_input;
	bool no_output;

	char *input; /* NUL-terminated */
	size_t input_size;
	size_t space; /* the most that `space` yields at once; 0: paused */
	/* A line per signal: how many bytes came before it. */
	size_t breaks[16];
	int break_count;

	bool input_ended;
	bool gone;
	int gone_reason;
	uint64_t unsent;

	/* Called when more may be written, as a device would at once; NULL: only remember. */
	void (*offer)(struct fake_peer *peer);
	int number;    /* the test's own */
	int writables; /* how often the callback came */
	int writes_done;
	size_t written; /* the sum of `done` */
	int write_failure;
};

struct fake_device {
	struct loop *loop;
	struct device_config config; /* filled by the test before fake_open() */
	struct backend_params params;
	struct backend *backend;
	struct fake_peer peers[FAKE_PEERS];
	int peer_count;
	bool keep_gone;    /* do not close a stream that says `gone` */
	bool start_paused; /* new peers are not read from */
	enum backend_state state;
	int states;
	int failure;
	char reason[256];
	bool closed;
};

/* A new loop, a config of this kind and type with alias "serial0", no runtime directory. */
void fake_init(struct fake_device *device, enum device_kind kind, enum source_type type);
/* Opens the backend of config.source.type; the result and sentence are the backend's. */
int fake_open(struct fake_device *device, struct error *err);
/* Closes what is open, in the device's order, and waits for the backend's `closed`. */
void fake_close(struct fake_device *device);
/* fake_close(), then the loop's end: fails if anything was left on it. */
void fake_fini(struct fake_device *device);

/* Attaches a stream that the test made itself. */
struct fake_peer *fake_adopt(struct fake_device *device, struct stream *stream);
void fake_peer_close(struct fake_peer *peer);

/* One turn of the loop; false when nothing happened for FAKE_WAIT_MS. */
bool fake_turn(struct fake_device *device);
/* Turns until nothing is left to do right now. */
void fake_settle(struct fake_device *device);
/* Fails if anything wakes the loop within FAKE_IDLE_MS. */
void fake_assert_idle(struct fake_device *device);
/* stream_write() of a text in one part. */
ssize_t fake_write(struct fake_peer *peer, const char *text);

#define fake_wait(device, condition)                    \
	do {                                            \
		while (!(condition))                    \
			assert_true(fake_turn(device)); \
	} while (0)

#endif
