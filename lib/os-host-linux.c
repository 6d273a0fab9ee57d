/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <sys/sysinfo.h>
#include <sys/timex.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/os-host.h"
#include "lib/uuid.h"

static void
read_uptime(struct d4_os_host *host)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) == -1)
		return;
	host->uptime = (uint64_t)ts.tv_sec;
	host->has_uptime = true;
}

/* getloadavg(3) would open a file each time. */
static void
read_load(struct d4_os_host *host)
{
	struct sysinfo info;
	int i;

	if (sysinfo(&info) == -1)
		return;
	for (i = 0; i < 3; i++)
		host->load[i] = (double)info.loads[i] /
		    (1 << SI_LOAD_SHIFT);
	host->has_load = true;
}

/* The figure in kB behind the word at the beginning of a line, in bytes. */
static bool
find(const char *text, const char *word, uint64_t *bytes)
{
	const char *at = strstr(text, word);
	unsigned long long kb;

	if (at == NULL || sscanf(at + strlen(word), "%llu", &kb) != 1)
		return false;
	*bytes = (uint64_t)kb << 10;
	return true;
}

static void
read_memory(struct d4_os_host *host)
{
	static int fd = -1;
	char text[4096];
	ssize_t got;

	if (fd == -1 &&
	    (fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC)) == -1)
		return;
	if ((got = pread(fd, text, sizeof(text) - 1, 0)) <= 0)
		return;
	text[got] = '\0';
	host->has_memory = find(text, "MemTotal:", &host->memory_total) &&
	    find(text, "MemAvailable:", &host->memory_available);
}

/* adjtimex(2) with nothing to set reads the state of the kernel's clock. */
static void
read_clock(struct d4_os_host *host)
{
	struct timex tx = { .modes = 0 };
	int state;

	if ((state = adjtimex(&tx)) == -1)
		return;
	host->clock_synchronized = state != TIME_ERROR &&
	    (tx.status & STA_UNSYNC) == 0;
	host->clock_offset_ns = (int64_t)tx.offset *
	    ((tx.status & STA_NANO) != 0 ? 1 : 1000);
	host->clock_error_us = tx.esterror;
	host->clock_error_max_us = tx.maxerror;
	host->has_clock = true;
}

void
d4_os_host(struct d4_os_host *host)
{
	memset(host, 0, sizeof(*host));
	read_uptime(host);
	read_load(host);
	read_memory(host);
	read_clock(host);
}

void
d4_os_boot(uint8_t boot[16])
{
	char text[D4_UUID_TEXT];
	ssize_t got = -1;
	int fd;

	memset(boot, 0, 16);
	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	got = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (got < (ssize_t)sizeof(text) - 1)
		return;
	text[got] = '\0';
	(void)d4_uuid_parse(boot, text);
}
