/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "lib/confine-os.h"

void
confine_os_hide(void)
{
}

int
confine_os_no_new_privs(void)
{
	return 0;
}

int
confine_os_no_exec(void)
{
	errno = ENOSYS;
	return -1;
}

int
confine_os_version(const char **why)
{
	*why = "this system has nothing that we know of";
	return 0;
}

int
confine_os_open(int version, int abstract)
{
	(void)version;
	(void)abstract;
	errno = ENOSYS;
	return -1;
}

int
confine_os_path(int rules, int version, const char *path, unsigned rights)
{
	(void)rules;
	(void)version;
	(void)path;
	(void)rights;
	errno = ENOSYS;
	return -1;
}

int
confine_os_port(int rules, int version, uint16_t port)
{
	(void)rules;
	(void)version;
	(void)port;
	errno = ENOSYS;
	return -1;
}

int
confine_os_enter(int rules)
{
	(void)rules;
	errno = ENOSYS;
	return -1;
}
