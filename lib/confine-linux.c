/* SPDX-License-Identifier: ISC */
#define _GNU_SOURCE
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "lib/confine-os.h"
#include "lib/os.h"

/*
 * Landlock as the kernel's include/uapi/linux/landlock.h has it: the headers of
 * a distribution may be older than its kernel, and the numbers are the same
 * on all architectures.
 */
#define NR_CREATE_RULESET	444
#define NR_ADD_RULE		445
#define NR_RESTRICT_SELF	446
#define CREATE_VERSION		1u

#define FS_EXECUTE		(UINT64_C(1) << 0)
#define FS_WRITE_FILE		(UINT64_C(1) << 1)
#define FS_READ_FILE		(UINT64_C(1) << 2)
#define FS_READ_DIR		(UINT64_C(1) << 3)
#define FS_REMOVE_DIR		(UINT64_C(1) << 4)
#define FS_REMOVE_FILE		(UINT64_C(1) << 5)
#define FS_MAKE_DIR		(UINT64_C(1) << 7)
#define FS_MAKE_REG		(UINT64_C(1) << 8)
#define FS_ALL_1		((UINT64_C(1) << 13) - 1)
#define FS_REFER		(UINT64_C(1) << 13)
#define FS_TRUNCATE		(UINT64_C(1) << 14)
#define FS_IOCTL_DEV		(UINT64_C(1) << 15)
/* Those that a rule for a file that is no directory may have. */
#define FS_OF_FILE		(FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | \
    FS_TRUNCATE | FS_IOCTL_DEV)

#define NET_BIND_TCP		(UINT64_C(1) << 0)
#define NET_CONNECT_TCP		(UINT64_C(1) << 1)

#define SCOPE_ABSTRACT_UNIX	(UINT64_C(1) << 0)
#define SCOPE_SIGNAL		(UINT64_C(1) << 1)

/* A kernel that knows fewer members takes a shorter one. */
struct ruleset {
	uint64_t	fs;
	uint64_t	net;		/* since 4 */
	uint64_t	scoped;		/* since 6 */
};

/* The kernel's has no padding behind it, and takes no more than its own. */
struct beneath {
	uint64_t	allowed;
	int32_t		parent;
};
#define RULE_BENEATH		1

struct net_port {
	uint64_t	allowed;
	uint64_t	port;
};
#define RULE_NET_PORT		2

/* The version before could not rename from one directory to another, which is
 * how a queue's item is taken. */
#define VERSION_MIN	2

void
confine_os_hide(void)
{
	/* The leak checker looks into its own process from another. */
	if (!D4_OS_SANITIZED)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
confine_os_no_new_privs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * Landlock holds back programs that are files somewhere, not one that was
 * written to memory (memfd_create(2)).  Only for architectures whose number we
 * know: another one's system calls have other numbers, and are refused.
 */
int
confine_os_no_exec(void)
{
#if defined(__x86_64__)
#define ARCHITECTURE	AUDIT_ARCH_X86_64
#define NR_END		0x40000000	/* from here on those of x32 */
#elif defined(__aarch64__) && defined(__AARCH64EL__)
#define ARCHITECTURE	AUDIT_ARCH_AARCH64
#define NR_END		0x40000000
#endif
#ifdef ARCHITECTURE
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, NR_END, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	};
	struct sock_fprog filter = {
		.len = sizeof(code) / sizeof(code[0]), .filter = code
	};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}

int
confine_os_version(const char **why)
{
	long version = syscall(NR_CREATE_RULESET, NULL, 0, CREATE_VERSION);

	*why = NULL;
	if (version == -1)
		*why = errno == EOPNOTSUPP ?
		    "Landlock is switched off in this kernel" :
		    errno == EPERM ?
		    "Landlock is refused by a filter of system calls" :
		    "this kernel has no Landlock";
	else if (version < VERSION_MIN)
		*why = "Landlock of this kernel cannot rename";
	return *why == NULL ? (int)version : 0;
}

/* All that the version can forbid. */
static uint64_t
handled(int version)
{
	uint64_t fs = FS_ALL_1 | FS_REFER;

	if (version >= CONFINE_TRUNCATE)
		fs |= FS_TRUNCATE;
	if (version >= CONFINE_DEVICES)
		fs |= FS_IOCTL_DEV;
	return fs;
}

int
confine_os_open(int version, int abstract)
{
	struct ruleset set = { .fs = handled(version) };
	size_t len = sizeof(set.fs);
	int rules;

	if (version >= CONFINE_TCP) {
		set.net = NET_BIND_TCP | NET_CONNECT_TCP;
		len = sizeof(set.fs) + sizeof(set.net);
	}
	if (version >= CONFINE_SIGNALS) {
		set.scoped = SCOPE_SIGNAL |
		    (abstract ? 0 : SCOPE_ABSTRACT_UNIX);
		len = sizeof(set);
	}
	rules = (int)syscall(NR_CREATE_RULESET, &set, len, 0);
	if (rules != -1 && D4_OS_SANITIZED)
		(void)confine_os_path(rules, version, "/",
		    CONFINE_READ | CONFINE_LIST);
	return rules;
}

static uint64_t
access_of(unsigned rights)
{
	uint64_t fs = 0;

	if (rights & CONFINE_READ)
		fs |= FS_READ_FILE;
	if (rights & CONFINE_LIST)
		fs |= FS_READ_DIR;
	if (rights & CONFINE_CHANGE)
		fs |= FS_WRITE_FILE | FS_TRUNCATE;
	if (rights & CONFINE_MAKE)
		fs |= FS_MAKE_REG;
	if (rights & CONFINE_REMOVE)
		fs |= FS_REMOVE_FILE;
	if (rights & CONFINE_FOLDERS)
		fs |= FS_MAKE_DIR | FS_REMOVE_DIR | FS_REFER;
	return fs;
}

int
confine_os_path(int rules, int version, const char *path, unsigned rights)
{
	struct beneath rule = { .allowed = access_of(rights) };
	struct stat st;
	int rc, saved;

	rule.parent = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ?
		    0 : -1;
	rule.allowed &= handled(version);
	if (fstat(rule.parent, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILE;
	rc = (int)syscall(NR_ADD_RULE, rules, RULE_BENEATH, &rule, 0);
	saved = errno;
	(void)close(rule.parent);
	errno = saved;
	/* Files without a place, pipes and sockets, need no rule. */
	return rc == -1 && errno == EBADFD ? 0 : rc;
}

int
confine_os_port(int rules, int version, uint16_t port)
{
	struct net_port rule = { .allowed = NET_CONNECT_TCP, .port = port };

	if (version < CONFINE_TCP)
		return 0;
	return (int)syscall(NR_ADD_RULE, rules, RULE_NET_PORT, &rule, 0);
}

int
confine_os_enter(int rules)
{
	return (int)syscall(NR_RESTRICT_SELF, rules, 0);
}
