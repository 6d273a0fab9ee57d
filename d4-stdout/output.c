/* SPDX-License-Identifier: ISC */
#include <sys/socket.h>

#include <string.h>

#include "d4-stdout/output.h"
#include "lib/io.h"
#include "lib/log.h"

void
output_open(struct output *o, int fd)
{
	socklen_t len = sizeof(int);
	int type;

	memset(o, 0, sizeof(*o));
	o->fd = fd;
	o->messages = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type != SOCK_STREAM;
}

void
output_begin(struct output *o)
{
	o->of_item = 0;
}

int
output_write(struct output *o, const void *data, size_t len)
{
	size_t done;
	int rc = d4_io_write_full(o->fd, data, len, &done);

	if (rc == -1)
		d4_log_warn("stdout");
	o->bytes += done;
	o->of_item += done;
	return rc;
}

void
output_take_back(struct output *o)
{
	if (d4_io_take_back(o->fd, o->of_item) == -1)
		d4_log_warn("stdout");
	o->of_item = 0;
}
