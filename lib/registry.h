/* SPDX-License-Identifier: ISC */
#ifndef LIB_REGISTRY_H
#define LIB_REGISTRY_H

/*
 * What a collector knows: sensors and their keys, who is blocked, which types
 * are accepted, who is connected, what was counted, which analyzer queues
 * there are.  Collectors ask and note, an administrator's programs change; all
 * of them at the same time, from several processes.  Where it is kept is the
 * business of a backend, chosen by the text given to d4_registry_open();
 * d4-store(5) has the layout of the directory.
 *
 * A handle belongs to one process: it is opened after fork(2), not before.
 *
 * Unless it says otherwise a function returns 0, or -1 with a reason in
 * d4_registry_why(), and "1" means that nothing had to be done.  Uuids are 16
 * bytes (people's spellings are read by lib/uuid), times are seconds since
 * 1970, addresses are text as d4_net_peer() gives it.  Texts have no control
 * character in them.  What is read is checked: bad content is a fault with the
 * name of the file, never taken for absent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/type.h"

/* Bytes with the NUL: of an address or network, of a text such as a
 * description or an error.  A key has at most D4_REGISTRY_KEY bytes, no NUL. */
#define D4_REGISTRY_ADDRESS	64
#define D4_REGISTRY_TEXT	1024
#define D4_REGISTRY_KEY		4095

#define D4_REGISTRY_PENDING	10000	/* strangers kept at most */
#define D4_REGISTRY_BLOCKS	100000	/* members of each set of blocks */
#define D4_REGISTRY_KICK	30	/* seconds a kicked sensor is refused */
#define D4_REGISTRY_ADDRESSES	16	/* last addresses kept of a sensor */

/* The greatest length of a queue that says nothing of it. */
#define D4_REGISTRY_QUEUE_SIZE	100000000

struct d4_registry;
struct d4_registry_claim;	/* a live connection of ours */

/*
 * Opens DIR or redis:HOST:PORT/DB, redis:/PATH/DB.  A directory keeps the
 * queues' definitions in the directory queues, beside their items; NULL stands
 * for DIR/queues.  Redis keeps definitions with the rest; queues, another
 * redis:..., is where the items are: NULL stands for database 2 of the server.
 * With create what is missing is made, without it is a fault.  NULL with a
 * reason in why.
 */
struct d4_registry *d4_registry_open(const char *spec, const char *queues,
    bool create, char why[256]);

/* Who we are for Redis; both may be NULL.  Copied.  Of a directory: whether
 * keys are taken that others than owner and group can read or change; else
 * their sensors are refused. */
struct d4_registry_login {
	const char	*user;
	const char	*password;
	bool		 insecure_key;
};

/* The same with a login, or NULL. */
struct d4_registry *d4_registry_open_as(const char *spec, const char *queues,
    bool create, const struct d4_registry_login *, char why[256]);

/* Releases all claims; flushes nothing.  Takes NULL. */
void d4_registry_close(struct d4_registry *);

/* The words of the last fault, never NULL, never with a key in them. */
const char *d4_registry_why(const struct d4_registry *);

/* Tells d4-core's own programs what they look for in Redis: the default key,
 * and since when there is a server.  Of a directory nobody asks that. */
int d4_registry_announce(struct d4_registry *, const void *key, size_t len);

/* -- changes by others ----------------------------------------------------- */

/*
 * Looks, once a second, whether somebody changed something, and who took over
 * a claim of ours: a stat(2) or two.  Returns 1 when what was learned before
 * may be out of date (the caches are dropped and the generation is another, so
 * live connections are to be judged anew), 0 when not, -1.
 */
int d4_registry_refresh(struct d4_registry *);

/* Grows with every change seen, also with those made by this handle. */
uint64_t d4_registry_generation(const struct d4_registry *);

/* -- admission ------------------------------------------------------------- */

struct d4_registry_sensor {
	bool		 known;		/* has any of what follows */
	bool		 registered;
	bool		 pending;	/* registration waits for approval */
	bool		 blocked;	/* the uuid is */
	bool		 block_address;	/* block each address it comes from */
	bool		 monotonic;	/* timestamps must not go backwards */
	uint64_t	 kicked_until;	/* refuse before this time */
	uint64_t	 limit;		/* entries of its stream, 0: none set */
	uint64_t	 max_age;	/* seconds of a timestamp, 0: any */
	const uint8_t	*key;		/* its own, or NULL: the default key */
	size_t		 keylen;
};

/*
 * What is known of a sensor; for a stranger all false.  The key is good until
 * the next call of this function or d4_registry_refresh().  Cached.  On -1 the
 * sensor must be refused: its key may be what can't be read.
 */
int d4_registry_sensor(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    struct d4_registry_sensor *);

/* Whether the address, without zone, is in a blocked network: 1, 0 (also for
 * what is no address, such as "unix"), -1.  Cached, a binary search. */
int d4_registry_address_blocked(struct d4_registry *, const char *address);

/*
 * The accepted types by number and how many extended ones there are; 0 in all
 * when the registry has no types of either kind, then the configuration's are
 * meant.  Returns how many there are of both kinds, or -1.  Cached.
 */
int d4_registry_types(struct d4_registry *, bool types[UINT8_MAX + 1]);

/* Whether the extended type is accepted: 1, 0, -1.  Cached. */
int d4_registry_extended(struct d4_registry *, const char *name);

/* How sensors are known.  The values are part of no format. */
enum d4_registry_mode {
	D4_MODE_CONFIGURED,	/* none is set: the configuration's is meant */
	D4_MODE_SHARED_SECRET,
	D4_MODE_REGISTRATION
};

/* The mode that is set, and its word, which is what is kept of it; NULL for
 * D4_MODE_CONFIGURED.  d4_registry_mode() is cached. */
int d4_registry_mode(struct d4_registry *, enum d4_registry_mode *);
const char *d4_registry_mode_word(enum d4_registry_mode);

/* The mode of a word: 0, or -1 when it is none's. */
int d4_registry_mode_parse(const char *word, enum d4_registry_mode *);

/*
 * Remembers that a stranger asked for registration; 1 when it was pending
 * already.  Of more than D4_REGISTRY_PENDING the oldest are forgotten.
 */
int d4_registry_stranger(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    const char *address, uint64_t now);

/* -- live connections ------------------------------------------------------ */

/* Of one type a sensor has one connection, of types 2 and 254 many. */
struct d4_registry_live {
	uint8_t		uuid[D4_UUID_LEN];
	uint8_t		session[D4_UUID_LEN];	/* of the connection */
	uint8_t		type;
	char		extended[D4_TYPE_NAME_MAX + 1];	/* "" without */
	char		address[D4_REGISTRY_ADDRESS];
	uint64_t	since;
	/* Of those that d4_registry_connections() lists only: */
	uint64_t	records;	/* so far */
	uint64_t	bytes;
	uint64_t	as_of_ms;	/* when they were so, 0: unknown */
	long		pid;		/* of the collector's process */
};

/*
 * Claims the connection for a sensor whose first HMAC has verified.  Returns 0
 * and the claim, which the caller releases; 1 when another living connection
 * has it and take_over is false; -1, and when it was for want of room errno is
 * ENOSPC or EDQUOT.  With take_over that one loses it: it
 * comes out of d4_registry_lost() of its process, in ours at once, in another
 * with its next refresh.  A process that died holds nothing.
 * The cookie is the caller's; the numbers of the struct are not looked at.
 */
int d4_registry_claim(struct d4_registry *, const struct d4_registry_live *,
    bool take_over, void *cookie, struct d4_registry_claim **);

/* The connection goes on as another of the types 2 and 254, or as an extended
 * type; name is "" without one. */
int d4_registry_claim_become(struct d4_registry *, struct d4_registry_claim *,
    uint8_t type, const char *name);

/* Gives it up, lost or not, and frees it.  Takes a NULL claim. */
void d4_registry_release(struct d4_registry *, struct d4_registry_claim *);

/* The cookie of a claim that was lost, each once; NULL when there is none. */
void *d4_registry_lost(struct d4_registry *);

/* Whether any collector on the same server has, or had, the stream that began
 * with this HMAC, and keeps it for others (d4-resume(7)): 1, 0, -1. */
int d4_registry_has_stream(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    uint8_t type, const uint8_t hello[D4_HMAC_LEN]);

/* Calls back with each living connection of all collectors; a callback that
 * returns not 0 ends it, and that is returned. */
int d4_registry_connections(struct d4_registry *,
    int (*)(void *, const struct d4_registry_live *), void *);

/* -- facts ----------------------------------------------------------------- */

/*
 * Notes gather in memory and are written by d4_registry_flush().  They are for
 * sensors whose first HMAC has verified.  A process that is killed loses what
 * it had not flushed, never what it had.
 */

/* Counts verified records and the bytes of their payloads, as the claim's type
 * and from its address; some tens of nanoseconds.  First and last seen follow.
 * Returns -1 when what was counted before can't be read, or memory is short:
 * then it counts from nothing and says so once. */
int d4_registry_note(struct d4_registry *, struct d4_registry_claim *,
    uint64_t records, uint64_t bytes, uint64_t now);

/* The last error of a sensor, a line for people.  One that begins with
 * "Error: " is shown by d4-core's web pages, too, where Redis is the registry,
 * until the sensor's next record. */
int d4_registry_note_error(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    const char *error, uint64_t now);

/* That a queue was given items. */
void d4_registry_note_queue(struct d4_registry *,
    const uint8_t queue[D4_UUID_LEN], uint64_t now);

/*
 * Writes what changed, of at most max sensors, those that waited longest; 0
 * for all.  To be called once a second, and at the end.  Returns how many
 * still wait, or -1: then what could not be written waits too.
 */
int d4_registry_flush(struct d4_registry *, size_t max);

struct d4_registry_seen {
	char		extended[D4_TYPE_NAME_MAX + 1];	/* "" without */
	uint8_t		type;
	uint64_t	first;
	uint64_t	last;
};

struct d4_registry_facts {
	uint64_t	first;		/* seen, 0: never */
	uint64_t	last;
	size_t		nseen;		/* per type and extended type */
	struct d4_registry_seen *seen;
	size_t		naddresses;	/* newest first */
	struct {
		char		text[D4_REGISTRY_ADDRESS];
		uint64_t	time;
	} addresses[D4_REGISTRY_ADDRESSES];
	uint64_t	error_time;	/* 0: none */
	char		error[D4_REGISTRY_TEXT];
};

/* What has been flushed on a sensor, by all collectors together.  The caller
 * calls d4_registry_facts_free(), also after -1. */
int d4_registry_facts(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    struct d4_registry_facts *);
void d4_registry_facts_free(struct d4_registry_facts *);

/* One count of a day: of a sensor, from an address, as a type. */
struct d4_registry_count {
	uint8_t		uuid[D4_UUID_LEN];
	uint8_t		type;
	char		address[D4_REGISTRY_ADDRESS];	/* "other": of many */
	uint64_t	records;
	uint64_t	bytes;
};

/* The day of a time in UTC as a number, such as 20240229. */
uint32_t d4_registry_day(uint64_t time);

/* Calls back with each count of the day, in no order, of one sensor or with
 * uuid NULL of all.  The same sensor, address and type may come more than once:
 * the sum is meant. */
int d4_registry_counts(struct d4_registry *, uint32_t day,
    const uint8_t *uuid, int (*)(void *, const struct d4_registry_count *),
    void *);

/* Calls back with each day that has counts, in order. */
int d4_registry_days(struct d4_registry *, int (*)(void *, uint32_t day),
    void *);

/* Forgets the counts of a day that is over; 1 when there are none. */
int d4_registry_forget_day(struct d4_registry *, uint32_t day);

/* Adds facts and counts from elsewhere to what there is, as notes do. */
int d4_registry_merge_facts(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    const struct d4_registry_facts *);
int d4_registry_merge_count(struct d4_registry *, uint32_t day,
    const struct d4_registry_count *);

/* -- administration -------------------------------------------------------- */

/*
 * For many changes at a time: what is changed between the two is on the disk
 * when d4_registry_commit() returned 0, not when each call returns, and others
 * may see it only then.  When it returned -1 some of that may not be there, but
 * no registration without the values that were set before it.  In between no
 * sensor is rejected or unregistered.  Other administrators wait, so it is to
 * end within a second or two; and it must end, whatever failed.
 */
int d4_registry_begin(struct d4_registry *);
int d4_registry_commit(struct d4_registry *);

/* What is set of a sensor, one value each.  Numbers are decimal text. */
enum d4_registry_field {
	D4_FIELD_KEY,		/* bytes without NUL */
	D4_FIELD_DESCRIPTION,	/* a line */
	D4_FIELD_MAIL,		/* a line */
	D4_FIELD_THIRD_PARTY,	/* a line */
	D4_FIELD_LIMIT,		/* entries of its stream */
	D4_FIELD_MONITOR,	/* seconds it may be silent */
	D4_FIELD_MAX_AGE,	/* seconds */
	D4_FIELD_MONOTONIC,	/* 1 */
	D4_FIELDS
};

/* What it is called, static: its file in a directory, its name in an export. */
const char *d4_registry_field_name(enum d4_registry_field);

/* Gives the value into buf, *len bytes and a NUL behind them, size with it; 1
 * when it is not set. */
int d4_registry_get(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    enum d4_registry_field, void *buf, size_t size, size_t *len);

/* Sets it, or with value NULL unsets it.  On the disk when this returns, but
 * for what d4_registry_begin() says. */
int d4_registry_set(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    enum d4_registry_field, const void *value, size_t len);

/* What a registration brings; a member that is NULL is not set. */
struct d4_registry_registration {
	const void	*key;
	size_t		 keylen;
	const char	*description;
	const char	*mail;
	const char	*third_party;
};

/* Registers, or lets it wait for approval; 1 when it is registered or waits
 * already, then nothing is changed. */
int d4_registry_register(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    const struct d4_registry_registration *, bool approved);

/* Registers one that waits, or any other uuid of version 4; 1 when it is
 * registered and does not wait. */
int d4_registry_approve(struct d4_registry *, const uint8_t[D4_UUID_LEN]);

/* Takes a waiting one from the list, with what its registration brought; 1
 * when it does not wait. */
int d4_registry_reject(struct d4_registry *, const uint8_t[D4_UUID_LEN]);

/* Takes the registration and everything set away; facts and blocks stay.  1
 * when there was none. */
int d4_registry_unregister(struct d4_registry *, const uint8_t[D4_UUID_LEN]);

/* Cuts its connections, and refuses it for D4_REGISTRY_KICK seconds. */
int d4_registry_kick(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    uint64_t now);

/* One that waits for approval. */
struct d4_registry_waiting {
	uint8_t		uuid[D4_UUID_LEN];
	char		address[D4_REGISTRY_ADDRESS];	/* "" when registered by
							 * an administrator */
	uint64_t	time;
};

/* Whether it waits, as a stranger or registered so: 1, 0, -1. */
int d4_registry_waits(struct d4_registry *, const uint8_t[D4_UUID_LEN]);

/* Callbacks as with d4_registry_connections(): each that waits, and each uuid
 * that anything is known of (set, registered, waiting, blocked, facts). */
int d4_registry_waiting(struct d4_registry *,
    int (*)(void *, const struct d4_registry_waiting *), void *);
int d4_registry_sensors(struct d4_registry *,
    int (*)(void *, const uint8_t[D4_UUID_LEN]), void *);

/* A monitored sensor; it fails when it was silent for longer than its limit. */
struct d4_registry_monitored {
	uint8_t		uuid[D4_UUID_LEN];
	uint64_t	limit;		/* seconds */
	uint64_t	last;		/* seen, 0: never */
	bool		fails;
};

int d4_registry_monitor(struct d4_registry *, uint64_t now,
    int (*)(void *, const struct d4_registry_monitored *), void *);

/* Sets of texts, in the spelling that is kept. */
enum d4_registry_set {
	D4_SET_BLOCKED_ADDRESSES,	/* 192.0.2.1, 2001:db8::/32 */
	D4_SET_BLOCKED_UUIDS,		/* 32 digits */
	D4_SET_BLOCKED_BY_UUID,		/* 32 digits: addresses it comes from */
	D4_SET_TYPES,			/* 0 to 255 */
	D4_SET_EXTENDED,		/* names, not 0 to 255 */
	D4_SETS
};

/* Adds or removes a member, in any spelling; 1 when it was or wasn't there. A
 * network with bits set behind its prefix is refused. */
int d4_registry_add(struct d4_registry *, enum d4_registry_set, const char *);
int d4_registry_remove(struct d4_registry *, enum d4_registry_set,
    const char *);

/* Calls back with each member, in no order. */
int d4_registry_each(struct d4_registry *, enum d4_registry_set,
    int (*)(void *, const char *), void *);

/* Sets the mode; with D4_MODE_CONFIGURED unsets it, 1 when it is not set. */
int d4_registry_set_mode(struct d4_registry *, enum d4_registry_mode);

/* -- definitions of analyzer queues ---------------------------------------- */

struct d4_registry_queue {
	uint8_t		uuid[D4_UUID_LEN];
	uint8_t		type;		/* D4_TYPE_EXTENDED with a name */
	char		extended[D4_TYPE_NAME_MAX + 1];
	bool		grouped;	/* for members only */
	const uint8_t	(*members)[D4_UUID_LEN];	/* in order */
	size_t		nmembers;
	uint64_t	max_size;	/* items */
	uint64_t	updated;	/* when items came last, 0: never */
	const char	*description;
};

/* Makes it, max_size 0 standing for D4_REGISTRY_QUEUE_SIZE; 1 when there is
 * one of this uuid.  updated is not looked at. */
int d4_registry_queue_create(struct d4_registry *,
    const struct d4_registry_queue *);

/* Removes it with its items; 1 when there is none. */
int d4_registry_queue_remove(struct d4_registry *, const uint8_t[D4_UUID_LEN]);

/* Changes one of its values; 1 when there is no such queue. */
int d4_registry_queue_describe(struct d4_registry *,
    const uint8_t[D4_UUID_LEN], const char *description);
int d4_registry_queue_limit(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    uint64_t max_size);

/* Adds a sensor to the group, which makes it one, or removes it; a group whose
 * last member went is for nobody.  1 when there is no such queue. */
int d4_registry_queue_member(struct d4_registry *, const uint8_t[D4_UUID_LEN],
    const uint8_t sensor[D4_UUID_LEN], bool member);

/* Calls back with each queue; what the struct points to is good during the
 * call.  Cached, but for updated, which is as of the last change. */
int d4_registry_queues(struct d4_registry *,
    int (*)(void *, const struct d4_registry_queue *), void *);

/* The same for those that want what this sensor sends as this type (extended
 * "" or NULL but for type 254): the global ones, then those of its groups. */
int d4_registry_queues_for(struct d4_registry *, uint8_t type,
    const char *extended, const uint8_t sensor[D4_UUID_LEN],
    int (*)(void *, const struct d4_registry_queue *), void *);

#endif
