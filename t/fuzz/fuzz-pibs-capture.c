/* SPDX-License-Identifier: ISC */

/*
 * A file of any bytes: pcap, pcapng, what libpcap knows, compressed or not.
 * The first byte says whether it is mapped or comes through a pipe.  Faults may
 * be behind it (faults.h), and the choice is: 1 there is no such file, 2 nor
 * such an interface, 3 the file comes as standard input.  Linked with
 * d4-pibs/capture.o, pcap.o, pcapng.o, pcap-lib.o, window.o and packet.o.
 */

#define _GNU_SOURCE	/* memfd_create() */

#include <sys/mman.h>

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-pibs/capture.h"
#include "d4-pibs/packet.h"
#include "t/fuzz/faults.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

enum choice { A_FILE, NO_FILE, NO_INTERFACE, STDIN, CHOICES };

static struct capture *
open_capture(const char *name, enum choice choice, char fault[CAPTURE_FAULT])
{
	switch (choice) {
	case NO_FILE:
		return capture_open_file("/nowhere", fault);
	case NO_INTERFACE:
		return capture_open_live("no-interface", "tcp", fault);
	case STDIN:
		return capture_open_file("-", fault);
	default:
		return capture_open_file(name, fault);
	}
}

static void
read_all(struct capture *c)
{
	static struct batch batch;
	static const struct hash_key key;
	struct packet_wanted wanted;
	struct frame frames[FRAME_BATCH];
	int n, interrupted = 0;

	packet_want(&wanted, PACKET_ALL, PACKET_ALL, &key);
	/* One of each fault may be EINTR. */
	while ((n = capture_next(c, frames, FRAME_BATCH)) != 0) {
		if (n == -1) {
			interrupted++;
			assert(interrupted <= FAULTS_MAX);
			continue;
		}
		assert(n > 0 && n <= FRAME_BATCH);
		assert(capture_percent(c) <= 100);
		packet_decode(&batch, frames, (size_t)n, &wanted);
	}
	assert(capture_next(c, frames, FRAME_BATCH) == 0);
	assert(capture_fault(c) == NULL || *capture_fault(c) != '\0');
	(void)capture_percent(c);
	(void)capture_nsec(c);
}

static void
once(const uint8_t *data, size_t len)
{
	char name[64], fault[CAPTURE_FAULT];
	enum choice choice;
	struct capture *c;
	int fd;

	choice = (enum choice)(faults_choice() % CHOICES);
	if (len < 1)
		return;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(fd != -1 && write(fd, data + 1, len - 1) == (ssize_t)len - 1);
	assert(lseek(fd, data[0] & 1, SEEK_SET) == (data[0] & 1));
	if (choice == STDIN) {
		assert(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
		(void)lseek(fd, 0, SEEK_SET);
	}
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	faults_on();
	c = open_capture(name, choice, fault);
	if (c == NULL)
		assert(memchr(fault, '\0', sizeof(fault)) != NULL);
	else
		read_all(c);
	capture_close(c);
	faults_off();
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	faults_run(data, len, once);
	return 0;
}
