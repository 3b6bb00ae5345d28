/*
 * TCP_INFO, RFC 4898's tcpEStatsAppHCThruOctetsAcked. A file of its own because the C library's
 * <netinet/tcp.h>, which libuv's header includes, lacks the field and excludes the kernel's header.
 */
#include "stream/tcp_acked.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

int tcp_acked(int fd, uint64_t *ret)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	*ret = info.tcpi_bytes_acked;
	return 0;
}
