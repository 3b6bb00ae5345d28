/* Stands in for backend/log_reader.c: what a server asks of a log, without a disk. */
#ifndef CHARDEV_TEST_FAKE_LOG_READER_H
#define CHARDEV_TEST_FAKE_LOG_READER_H

#include "backend/log_reader.h"

struct fake_log_asked {
	char path[128];
	struct log_reader_start start;
	unsigned count;
};

/* The last one that was asked for. */
extern struct fake_log_asked fake_log_asked;

#endif
