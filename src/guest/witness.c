/* Crash-safe reading of a pipe; see witness.h. tee(2), pipe(7). */
#include "guest/witness.h"

#include "util/fd.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

int guest_witness_make(struct guest_witness *witness)
{
	if (witness->made)
		return 0;
	int fds[2];
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	*witness = (struct guest_witness){.made = true, .read_fd = fds[0], .write_fd = fds[1]};
	return 0;
}

void guest_witness_fini(struct guest_witness *witness)
{
	if (!witness->made)
		return;
	fd_close(witness->read_fd);
	fd_close(witness->write_fd);
	witness->made = false;
}

int guest_witness_look(struct guest_witness *witness, int fd, uint8_t *ret_byte)
{
	ssize_t n;
	do {
		n = tee(fd, witness->write_fd, 1, SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return WITNESS_NOBODY;
	if (n < 0)
		return errno == EAGAIN ? WITNESS_WRITER : -errno;
	uint8_t byte = 0;
	do {
		n = read(witness->read_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		return n < 0 ? -errno : -EIO;
	if (ret_byte != NULL)
		*ret_byte = byte;
	return WITNESS_BYTES;
}

/*
 * Reads until the parts are full: a writer that made its end a packet pipe (O_DIRECT) cuts reads
 * short. Ends early only if somebody else reads the pipe too. How much came, or a negative errno.
 */
static ssize_t read_parts(int fd, struct iovec *iov, int count)
{
	ssize_t total = 0;
	while (count > 0) {
		ssize_t n = readv(fd, iov, count);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return total > 0 ? total : n < 0 ? -errno : -EAGAIN;
		total += n;
		count = iov_skip(iov, count, (size_t)n);
	}
	return total;
}

ssize_t guest_witness_read(struct guest_witness *witness, int fd, struct stream *stream)
{
	int available = 0;
	if (ioctl(fd, FIONREAD, &available) < 0)
		return -errno;
	if (available <= 0)
		return -EAGAIN;
	struct iovec iov[STREAM_MAX_PARTS];
	int count = stream->sink->space(stream->consumer, iov);
	if (stream->closing || count <= 0)
		return -ENOBUFS;
	size_t n = iov_total(iov, count);
	if (n > (size_t)available)
		n = (size_t)available;
	count = iov_limit(iov, count, n);
	if (stream->sink->intent != NULL) {
		uint8_t byte = 0;
		int found = guest_witness_look(witness, fd, &byte);
		if (found != WITNESS_BYTES)
			return found < 0 ? found : -EAGAIN;
		stream->sink->intent(stream->consumer, n, byte);
		if (stream->closing)
			return -ENOBUFS;
	}
	ssize_t done = read_parts(fd, iov, count);
	if (done > 0)
		stream->sink->received(stream->consumer, (size_t)done);
	return done;
}
