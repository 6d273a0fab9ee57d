/* SPDX-License-Identifier: ISC */
#include <sys/wait.h>

#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/registry.h"
#include "lib/uuid.h"
#include "t/unit/halves.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define STORM	50	/* processes at a time */
#define SHARED	20	/* uuids they all want */

static const char *const keys[] = { "secret", " two words ", "a\nb", "\xff" };

static struct d4_registry *
open_registry(void)
{
	struct d4_registry *reg;
	char why[256] = "";

	if ((reg = open_half(scratch_path("queues"), why)) == NULL) {
		printf("Bail out! %s\n", why);
		exit(1);
	}
	return reg;
}

static int
count(void *n, const char *text)
{
	(void)text;
	(*(int *)n)++;
	return 0;
}

static int
count_waiting(void *n, const struct d4_registry_waiting *one)
{
	(void)one;
	(*(int *)n)++;
	return 0;
}

static int
count_sensors(void *n, const uint8_t one[D4_UUID_LEN])
{
	(void)one;
	(*(int *)n)++;
	return 0;
}

static int
count_queues(void *n, const struct d4_registry_queue *queue)
{
	(void)queue;
	(*(int *)n)++;
	return 0;
}

/* Runs it in another process; whether it returned true there. */
static bool
elsewhere(bool (*run)(struct d4_registry *))
{
	struct d4_registry *reg;
	int status;
	bool good;
	pid_t pid;

	(void)fflush(stdout);
	if ((pid = fork()) == 0) {
		reg = open_registry();
		good = run(reg);
		d4_registry_close(reg);
		_exit(good ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid && status == 0;
}

/* -- opening --------------------------------------------------------------- */

static void
test_open(void)
{
	struct d4_registry *reg;
	char why[256] = "";

	ok(d4_registry_open("redis:localhost", NULL, true, why) == NULL
	    && strstr(why, "redis:localhost: ") != NULL, "no server: %s",
	    why);
	ok(d4_registry_open("redis:/nowhere/0", NULL, true, why) == NULL
	    && strstr(why, "/nowhere/0: No such") != NULL,
	    "nor is there one: %s", why);
	ok(d4_registry_open(scratch_path("registry"), NULL, false, why) == NULL
	    && strstr(why, "registry: No such") != NULL,
	    "a missing directory is not made unless asked: %s", why);
	ok(scratch_write(scratch_path("file"), "", 0) &&
	    d4_registry_open(scratch_path("file"), NULL, true, why) == NULL &&
	    strstr(why, "file: Not a directory") != NULL,
	    "a file is none: %s", why);
	reg = open_registry();
	ok(reg != NULL, "a directory is made when asked");
	is(scratch_mode(scratch_path("registry/sensors")), 0750,
	    "others can't look in");
	is(d4_registry_refresh(reg), 0, "nothing has changed yet");
	ok(strcmp(d4_registry_why(reg), "") == 0, "nothing was wrong");
	d4_registry_close(reg);
	reg = d4_registry_open(scratch_path("registry"),
	    scratch_path("queues"), false, why);
	ok(reg != NULL, "now it opens without");
	d4_registry_close(reg);
	d4_registry_close(NULL);
}

/* -- values ---------------------------------------------------------------- */

static bool
has_value(struct d4_registry *reg, unsigned int n,
    enum d4_registry_field field, const char *value)
{
	char buf[D4_REGISTRY_KEY + 1];
	size_t len;

	return d4_registry_get(reg, uuid(n), field, buf, sizeof(buf),
	    &len) == 0 && len == strlen(value) && memcmp(buf, value, len) == 0;
}

static void
test_refused(struct d4_registry *reg, enum d4_registry_field field,
    const char *value, size_t len, const char *reason)
{
	ok(d4_registry_set(reg, uuid(1), field, value, len) == -1 &&
	    strstr(d4_registry_why(reg), reason) != NULL, "refused: %s",
	    reason);
}

static void
test_values(void)
{
	struct d4_registry *reg = open_registry();
	char big[D4_REGISTRY_KEY + 1], buf[64];
	struct d4_registry_sensor s;
	size_t i, len;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ok(d4_registry_set(reg, uuid(1), D4_FIELD_KEY, keys[i],
		    strlen(keys[i])) == 0 &&
		    has_value(reg, 1, D4_FIELD_KEY, keys[i]),
		    "key %zu comes back as it was", i);
	}
	memset(big, 'k', sizeof(big));
	ok(d4_registry_set(reg, uuid(1), D4_FIELD_KEY, big,
	    D4_REGISTRY_KEY) == 0, "a key may have %d bytes",
	    D4_REGISTRY_KEY);
	if (!over_redis)
		is(scratch_mode(scratch_path("registry/sensors/%s/key",
		    hex(1))), 0600, "a key is the owner's alone");
	ok(d4_registry_sensor(reg, uuid(1), &s) == 0 && s.key != NULL &&
	    s.keylen == D4_REGISTRY_KEY && s.known && !s.registered,
	    "a sensor with a key alone is known, not registered");
	test_refused(reg, D4_FIELD_KEY, "", 0, "empty");
	test_refused(reg, D4_FIELD_KEY, big, sizeof(big), "too long");
	test_refused(reg, D4_FIELD_KEY, "a\0b", 3, "NUL");
	test_refused(reg, D4_FIELD_KEY, "a\r", 2, "carriage return");
	test_refused(reg, D4_FIELD_DESCRIPTION, "a\nb", 3, "one line");
	test_refused(reg, D4_FIELD_MAIL, "a\0b", 3, "one line");
	test_refused(reg, D4_FIELD_LIMIT, "-1", 2, "number");
	test_refused(reg, D4_FIELD_MONITOR, "", 0, "number");
	test_refused(reg, D4_FIELD_MAX_AGE, "9999999999999999999", 19,
	    "number");
	test_refused(reg, D4_FIELD_MONOTONIC, "2", 1, "is not 1");
	ok(d4_registry_set(reg, uuid(1), D4_FIELD_LIMIT, "500", 3) == 0 &&
	    d4_registry_set(reg, uuid(1), D4_FIELD_MAX_AGE, "60", 2) == 0 &&
	    d4_registry_set(reg, uuid(1), D4_FIELD_MONOTONIC, "1", 1) == 0,
	    "numbers are set");
	is(d4_registry_refresh(reg), 1, "our own changes are seen, too");
	ok(d4_registry_sensor(reg, uuid(1), &s) == 0 && s.limit == 500 &&
	    s.max_age == 60 && s.monotonic, "and come with the sensor");
	is(d4_registry_get(reg, uuid(1), D4_FIELD_MAIL, buf, sizeof(buf),
	    &len), 1, "what was not set is not there");
	is(d4_registry_get(reg, uuid(1), D4_FIELD_KEY, buf, sizeof(buf),
	    &len), -1, "a value that does not fit is a fault");
	for (i = 0; i < D4_FIELDS; i++)
		(void)d4_registry_set(reg, uuid(1),
		    (enum d4_registry_field)i, NULL, 0);
	is(d4_registry_set(reg, uuid(1), D4_FIELD_KEY, NULL, 0), 1,
	    "what was unset is gone");
	(void)d4_registry_refresh(reg);
	ok(d4_registry_sensor(reg, uuid(1), &s) == 0 && !s.known,
	    "and the sensor a stranger again");
	d4_registry_close(reg);
}

/* -- registration ---------------------------------------------------------- */

static void
test_registration(void)
{
	struct d4_registry_registration r = { .key = "k", .keylen = 1,
	    .description = "a sensor", .mail = "a@example.org",
	    .third_party = "1" };
	struct d4_registry *reg = open_registry();
	struct d4_registry_sensor s;
	uint8_t v1[D4_UUID_LEN] = { 0 };
	int n = 0;

	ok(d4_registry_sensor(reg, uuid(2), &s) == 0 && !s.known &&
	    s.key == NULL && s.kicked_until == 0, "a stranger has nothing");
	is(d4_registry_register(reg, v1, &r, true), -1,
	    "a uuid of another version can't be registered");
	is(d4_registry_approve(reg, v1), -1, "nor approved");
	is(d4_registry_register(reg, uuid(2), &r, false), 0,
	    "a registration may wait");
	is(d4_registry_register(reg, uuid(2), &r, true), 1,
	    "and is not made twice");
	(void)d4_registry_refresh(reg);
	ok(d4_registry_sensor(reg, uuid(2), &s) == 0 && s.pending &&
	    !s.registered && s.keylen == 1, "it is pending");
	ok(d4_registry_waiting(reg, count_waiting, &n) == 0 && n == 1,
	    "one waits");
	is(d4_registry_stranger(reg, uuid(2), "192.0.2.1", 1000), 0,
	    "it comes before it is approved");
	n = 0;
	ok(d4_registry_waiting(reg, count_waiting, &n) == 0 && n == 1,
	    "that is still one");
	is(d4_registry_approve(reg, uuid(2)), 0, "it is approved");
	is(d4_registry_approve(reg, uuid(2)), 1, "once");
	is(d4_registry_reject(reg, uuid(2)), 1, "and no more to reject");
	(void)d4_registry_refresh(reg);
	ok(d4_registry_sensor(reg, uuid(2), &s) == 0 && s.registered &&
	    !s.pending && s.keylen == 1 && *s.key == 'k', "it is registered");
	ok(has_value(reg, 2, D4_FIELD_DESCRIPTION, "a sensor") &&
	    has_value(reg, 2, D4_FIELD_MAIL, "a@example.org") &&
	    has_value(reg, 2, D4_FIELD_THIRD_PARTY, "1"),
	    "with what the registration brought");
	n = 0;
	ok(d4_registry_waiting(reg, count_waiting, &n) == 0 && n == 0,
	    "none waits");
	is(d4_registry_register(reg, uuid(3), &r, false), 0, "another waits");
	is(d4_registry_reject(reg, uuid(3)), 0, "it is rejected");
	is(d4_registry_reject(reg, uuid(3)), 1, "once");
	ok(!has_value(reg, 3, D4_FIELD_KEY, "k"), "its key is gone");
	is(d4_registry_unregister(reg, uuid(2)), 0, "the first is removed");
	is(d4_registry_unregister(reg, uuid(2)), 1, "once");
	is(d4_registry_register(reg, uuid(2), &r, true), 0,
	    "and registered anew");
	(void)d4_registry_unregister(reg, uuid(2));
	d4_registry_close(reg);
}

static int
on_newest(void *cookie, const struct d4_registry_waiting *one)
{
	int *found = cookie;

	found[0]++;
	if (memcmp(one->uuid, uuid(1), D4_UUID_LEN) == 0)
		found[1]++;
	if (memcmp(one->uuid, uuid(D4_REGISTRY_PENDING + 500),
	    D4_UUID_LEN) == 0 && strcmp(one->address, "2001:db8::1") == 0 &&
	    one->time == D4_REGISTRY_PENDING + 500)
		found[2]++;
	return 0;
}

static void
test_strangers(void)
{
	struct d4_registry *reg = open_registry();
	int found[3] = { 0 }, wrong = 0;
	struct d4_registry_sensor s;
	unsigned int i;

	for (i = 1; i <= D4_REGISTRY_PENDING + 500; i++)
		wrong += d4_registry_stranger(reg, uuid(i), "2001:db8::1",
		    i) != 0;
	is(wrong, 0, "%u strangers come", i - 1);
	is(d4_registry_stranger(reg, uuid(i - 1), "192.0.2.1", 1), 1,
	    "one comes again");
	is(d4_registry_stranger(reg, uuid(1), "two words", 1), -1,
	    "an address has no blank");
	ok(d4_registry_waiting(reg, on_newest, found) == 0 &&
	    found[0] <= D4_REGISTRY_PENDING && found[0] > 5000,
	    "not all of them are kept: %d", found[0]);
	is(found[1], 0, "the oldest is not");
	is(found[2], 1, "the newest is, with time and address");
	ok(d4_registry_sensor(reg, uuid(i - 1), &s) == 0 && s.known &&
	    s.pending && !s.registered, "it is pending");
	is(d4_registry_refresh(reg), 0, "strangers are no change");
	is(d4_registry_approve(reg, uuid(i - 1)), 0, "it is approved");
	(void)d4_registry_refresh(reg);
	ok(d4_registry_sensor(reg, uuid(i - 1), &s) == 0 && s.registered &&
	    !s.pending, "and no stranger any more");
	is(d4_registry_reject(reg, uuid(i - 2)), 0, "the one before is not");
	is(d4_registry_reject(reg, uuid(i - 2)), 1, "and is gone");
	found[0] = 0;
	d4_registry_close(reg);
}

/* -- blocks, types --------------------------------------------------------- */

static bool
block_elsewhere(struct d4_registry *reg)
{
	return d4_registry_add(reg, D4_SET_BLOCKED_ADDRESSES,
	    "198.51.100.0/24") == 0 && d4_registry_kick(reg, uuid(7),
	    1000) == 0;
}

static void
test_blocks(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_sensor s;
	uint64_t generation;
	int n = 0;

	is(d4_registry_address_blocked(reg, "198.51.100.7"), 0,
	    "an address is not blocked");
	generation = d4_registry_generation(reg);
	ok(elsewhere(block_elsewhere), "another process blocks its network");
	is(d4_registry_refresh(reg), 1, "we see it");
	ok(d4_registry_generation(reg) > generation, "a new generation");
	is(d4_registry_refresh(reg), 0, "once");
	is(d4_registry_address_blocked(reg, "198.51.100.7"), 1, "blocked");
	is(d4_registry_address_blocked(reg, "198.51.101.7"), 0,
	    "its neighbour is not");
	is(d4_registry_address_blocked(reg, "unix"), 0, "no address is not");
	ok(d4_registry_sensor(reg, uuid(7), &s) == 0 &&
	    s.kicked_until == 1000 + D4_REGISTRY_KICK, "a kick came along");
	is(d4_registry_add(reg, D4_SET_BLOCKED_ADDRESSES, "198.51.100.0/24"),
	    1, "it is blocked only once");
	is(d4_registry_add(reg, D4_SET_BLOCKED_ADDRESSES, "2001:DB8::/32"), 0,
	    "so is one of IPv6");
	is(d4_registry_add(reg, D4_SET_BLOCKED_ADDRESSES, "2001:db8::1/32"),
	    -1, "not with bits behind the prefix");
	ok(d4_registry_each(reg, D4_SET_BLOCKED_ADDRESSES, count, &n) == 0 &&
	    n == 2, "two are listed");
	is(d4_registry_add(reg, D4_SET_BLOCKED_UUIDS,
	    "08000000-0000-4000-8000-000000000000"), 0, "a uuid is blocked");
	is(d4_registry_add(reg, D4_SET_BLOCKED_BY_UUID, hex(9)), 0,
	    "and the addresses of another");
	is(d4_registry_add(reg, D4_SET_BLOCKED_UUIDS, "8"), -1,
	    "what is no uuid is not");
	is(d4_registry_refresh(reg), 1, "we see that");
	is(d4_registry_address_blocked(reg, "2001:db8:1::"), 1,
	    "the network is blocked");
	ok(d4_registry_sensor(reg, uuid(8), &s) == 0 && s.blocked && s.known &&
	    !s.block_address, "the uuid is");
	ok(d4_registry_sensor(reg, uuid(9), &s) == 0 && !s.blocked &&
	    s.block_address, "the other's addresses are to be");
	is(d4_registry_remove(reg, D4_SET_BLOCKED_UUIDS, hex(8)), 0,
	    "it is unblocked");
	is(d4_registry_remove(reg, D4_SET_BLOCKED_UUIDS, hex(8)), 1, "once");
	is(d4_registry_remove(reg, D4_SET_BLOCKED_ADDRESSES,
	    "2001:db8::/32"), 0, "so is the network");
	(void)d4_registry_refresh(reg);
	is(d4_registry_address_blocked(reg, "2001:db8:1::"), 0,
	    "its addresses may come");
	ok(d4_registry_sensor(reg, uuid(8), &s) == 0 && !s.known,
	    "and the uuid");
	ok(d4_registry_kick(reg, uuid(9), 1000000) == 0 && (over_redis ?
	    raw("HLEN d4toolkit:kicked") == 1 :
	    access(scratch_path("registry/kicked/%s", hex(7)), F_OK) == -1),
	    "a kick long ago is forgotten with the next");
	d4_registry_close(reg);
}

/* A block with bits set behind its prefix, as nobody of us makes it. */
static void
put_bad_block(bool there)
{
	const char *bad = scratch_path("registry/blocks/address/192.0.2.1_24");

	if (over_redis) {
		(void)raw("%s d4toolkit:blacklist_networks 192.0.2.1/24",
		    there ? "SADD" : "SREM");
		(void)raw("INCR d4toolkit:stamp");
	} else if (there) {
		(void)scratch_write(bad, "", 0);
		(void)scratch_write(scratch_path("registry/stamp"), "xx", 2);
	} else
		(void)unlink(bad);
}

/* A bad file leaves what was there before. */
static void
test_stale(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry *late;
	uint64_t generation;

	is(d4_registry_address_blocked(reg, "198.51.100.7"), 1, "blocked");
	generation = d4_registry_generation(reg);
	put_bad_block(true);
	is(d4_registry_refresh(reg), -1, "a bad block is a fault");
	ok(strstr(d4_registry_why(reg), "192.0.2.1/24") != NULL, "named: %s",
	    d4_registry_why(reg));
	is(d4_registry_address_blocked(reg, "198.51.100.7"), 1,
	    "the others stay");
	is(d4_registry_refresh(reg), -1, "it is said again");
	is(d4_registry_generation(reg), generation + 1,
	    "but is one change only");
	late = open_registry();
	is(d4_registry_address_blocked(late, "198.51.100.7"), -1,
	    "who has nothing from before can't tell");
	d4_registry_close(late);
	put_bad_block(false);
	is(d4_registry_refresh(reg), 1, "mended, it is loaded");
	is(d4_registry_refresh(reg), 0, "once");
	d4_registry_close(reg);
}

static void
put_blocks(bool there)
{
	unsigned int i;

	if (over_redis && there)
		(void)raw("EVAL for\ti=0,9999\tdo\tredis.call('SADD',KEYS[1],"
		    "string.format('10.%%d.%%d.0/24',math.floor(i/256),i%%256))"
		    "\tend 1 d4toolkit:blacklist_networks");
	else if (over_redis)
		(void)raw("DEL d4toolkit:blacklist_networks");
	for (i = 0; !over_redis && i < 10000; i++) {
		const char *path = scratch_path("registry/blocks/address/"
		    "10.%u.%u.0_24", i / 256, i % 256);

		if (there)
			(void)scratch_write(path, "", 0);
		else
			(void)unlink(path);
	}
}

static void
test_many_blocks(void)
{
	struct d4_registry *reg;
	struct timespec a, b;
	int blocked = 0;
	char text[64];
	unsigned int i;

	put_blocks(true);
	reg = open_registry();
	is(d4_registry_address_blocked(reg, "10.0.0.1"), 1,
	    "10,000 networks are loaded");
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "10.%u.%u.9", i / 256,
		    i % 256);
		blocked += d4_registry_address_blocked(reg, text);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	is(blocked, 10000, "of 20,000 addresses those are blocked");
	printf("# %.0f ns for a look-up\n",
	    ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / 20000);
	d4_registry_close(reg);
	put_blocks(false);
}

static void
test_types(void)
{
	struct d4_registry *reg = open_registry();
	bool types[UINT8_MAX + 1];

	is(d4_registry_types(reg, types), 0, "no types are set");
	ok(d4_registry_add(reg, D4_SET_TYPES, "1") == 0 &&
	    d4_registry_add(reg, D4_SET_TYPES, "254") == 0 &&
	    d4_registry_add(reg, D4_SET_EXTENDED, "ja3-jl") == 0,
	    "some are");
	is(d4_registry_add(reg, D4_SET_TYPES, "256"), -1, "256 is none");
	is(d4_registry_add(reg, D4_SET_TYPES, "+1"), -1, "nor is +1");
	is(d4_registry_add(reg, D4_SET_EXTENDED, "8"), -1,
	    "8 is no extended type");
	is(d4_registry_add(reg, D4_SET_EXTENDED, "../x"), -1, "nor is ../x");
	(void)d4_registry_refresh(reg);
	is(d4_registry_types(reg, types), 3, "three in all");
	ok(types[1] && types[254] && !types[2], "they are those");
	is(d4_registry_extended(reg, "ja3-jl"), 1, "ja3-jl is accepted");
	is(d4_registry_extended(reg, "maltrail"), 0, "maltrail is not");
	ok(d4_registry_remove(reg, D4_SET_TYPES, "1") == 0 &&
	    d4_registry_remove(reg, D4_SET_TYPES, "254") == 0 &&
	    d4_registry_remove(reg, D4_SET_EXTENDED, "ja3-jl") == 0,
	    "they are removed");
	d4_registry_close(reg);
}

static void
test_mode(void)
{
	struct d4_registry *reg = open_registry(), *other = open_registry();
	enum d4_registry_mode mode = D4_MODE_REGISTRATION;

	ok(d4_registry_mode(reg, &mode) == 0 && mode == D4_MODE_CONFIGURED,
	    "no mode is set");
	is(d4_registry_set_mode(reg, D4_MODE_CONFIGURED), 1,
	    "so none can be unset");
	(void)d4_registry_refresh(other);
	is(d4_registry_set_mode(reg, D4_MODE_REGISTRATION), 0, "one is set");
	is(d4_registry_refresh(other), 1, "another process sees a change");
	ok(d4_registry_mode(other, &mode) == 0 &&
	    mode == D4_MODE_REGISTRATION, "and the mode");
	is(d4_registry_set_mode(reg, D4_MODE_SHARED_SECRET), 0, "another");
	ok(d4_registry_refresh(other) == 1 &&
	    d4_registry_mode(other, &mode) == 0 &&
	    mode == D4_MODE_SHARED_SECRET, "is seen, too");
	is(d4_registry_set_mode(reg, D4_MODE_CONFIGURED), 0, "it is unset");
	ok(d4_registry_refresh(other) == 1 &&
	    d4_registry_mode(other, &mode) == 0 &&
	    mode == D4_MODE_CONFIGURED, "for the other, too");
	ok(d4_registry_mode_parse("open", &mode) == -1 &&
	    d4_registry_mode_parse("", &mode) == -1, "words that are no mode");
	d4_registry_close(other);
	d4_registry_close(reg);
}

/* -- queues ---------------------------------------------------------------- */

static int
on_first(void *cookie, const struct d4_registry_queue *queue)
{
	memcpy(cookie, queue, sizeof(*queue));
	return 7;
}

static int
count_for(struct d4_registry *reg, uint8_t type, const char *extended,
    unsigned int sensor)
{
	int n = 0;

	return d4_registry_queues_for(reg, type, extended, uuid(sensor),
	    count_queues, &n) == 0 ? n : -1;
}

/* A queue that somebody made by hand. */
static bool
make_by_hand(const char *text)
{
	return over_redis ? raw("HSET analyzer:%s type 8", text) == 1 &&
	    raw("SADD analyzer:8 %s", text) == 1 &&
	    raw("SADD all_analyzer_queues %s", text) == 1 :
	    mkdir(scratch_path("queues/8"), 0750) == 0 &&
	    mkdir(scratch_path("queues/8/%s", text), 0750) == 0;
}

/* An item in a queue of type 1, and whether there is anything of it left. */
static bool
put_item(const char *text)
{
	return over_redis ? raw("EVAL redis.call('SELECT',2)\treturn\t"
	    "redis.call('LPUSH',ARGV[1],'x') 0 analyzer:1:%s", text) == 1 :
	    mkdir(scratch_path("queues/1/%s/new", text), 0750) == 0 &&
	    scratch_write(scratch_path("queues/1/%s/new/1", text), "x", 1);
}

static bool
has_items(const char *text)
{
	return over_redis ? raw("EVAL redis.call('SELECT',2)\treturn\t"
	    "redis.call('EXISTS',ARGV[1]) 0 analyzer:1:%s", text) != 0 :
	    access(scratch_path("queues/1/%s", text), F_OK) == 0;
}

static void
test_queues(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_queue q = { .type = 1, .description = "all" };
	uint8_t members[2][D4_UUID_LEN];
	char text[D4_UUID_TEXT];

	memcpy(members[0], uuid(12), D4_UUID_LEN);
	memcpy(members[1], uuid(11), D4_UUID_LEN);
	memcpy(q.uuid, uuid(100), D4_UUID_LEN);
	is(d4_registry_queue_create(reg, &q), 0, "a queue is made");
	is(d4_registry_queue_create(reg, &q), 1, "once");
	memcpy(q.uuid, uuid(101), D4_UUID_LEN);
	q.grouped = true;
	q.members = (const uint8_t (*)[D4_UUID_LEN])members;
	q.nmembers = 2;
	q.max_size = 50;
	is(d4_registry_queue_create(reg, &q), 0, "one for a group");
	q.type = 254;
	is(d4_registry_queue_create(reg, &q), -1, "254 needs a name");
	(void)snprintf(q.extended, sizeof(q.extended), "12");
	is(d4_registry_queue_create(reg, &q), -1, "that is no number");
	(void)snprintf(q.extended, sizeof(q.extended), "ja3-jl");
	q.grouped = false;
	is(d4_registry_queue_create(reg, &q), -1, "members need a group");
	q.nmembers = 0;
	is(d4_registry_queue_create(reg, &q), 1, "a uuid is one queue's");
	memcpy(q.uuid, uuid(102), D4_UUID_LEN);
	is(d4_registry_queue_create(reg, &q), 0, "one for an extended type");
	q.type = 2;
	q.extended[0] = '\0';
	is(d4_registry_queue_create(reg, &q), -1, "none for meta headers");
	is(count_for(reg, 1, NULL, 11), 2, "a member has two");
	is(count_for(reg, 1, NULL, 13), 1, "another sensor one");
	is(count_for(reg, 254, "ja3-jl", 11), 1, "the extended type one");
	is(count_for(reg, 254, NULL, 11), 0, "254 by itself none");
	is(count_for(reg, 8, NULL, 11), 0, "type 8 none");
	d4_uuid_text(text, uuid(103));
	ok(make_by_hand(text) &&
	    d4_registry_queue_describe(reg, uuid(103), "by hand") == 0,
	    "a queue made by hand is one");
	is(d4_registry_refresh(reg), 1, "we see it");
	ok(d4_registry_queues_for(reg, 8, NULL, uuid(11), on_first, &q) == 7 &&
	    !q.grouped && q.max_size == D4_REGISTRY_QUEUE_SIZE &&
	    strcmp(q.description, "by hand") == 0 && q.updated == 0,
	    "with the values of any other");
	is(d4_registry_queue_member(reg, uuid(101), uuid(13), true), 0,
	    "a sensor joins the group");
	is(d4_registry_queue_member(reg, uuid(101), uuid(11), false), 0,
	    "one leaves");
	is(d4_registry_queue_member(reg, uuid(999), uuid(11), true), 1,
	    "of no queue none is a member");
	is(d4_registry_queue_limit(reg, uuid(100), 77), 0, "a new limit");
	is(d4_registry_queue_limit(reg, uuid(100), 0), -1, "not of nothing");
	(void)d4_registry_refresh(reg);
	is(count_for(reg, 1, NULL, 11), 1, "who left has one");
	is(count_for(reg, 1, NULL, 13), 2, "who joined has two");
	ok(d4_registry_queues_for(reg, 1, NULL, uuid(13), on_first, &q) == 7 &&
	    q.max_size == 77, "the global one comes first");
	d4_registry_note_queue(reg, uuid(100), 123456);
	is(d4_registry_flush(reg, 1), 0, "it was fed");
	(void)d4_registry_queue_limit(reg, uuid(100), 78);
	(void)d4_registry_refresh(reg);
	ok(d4_registry_queues_for(reg, 1, NULL, uuid(13), on_first, &q) == 7 &&
	    q.updated == 123456 && q.max_size == 78, "which is remembered");
	(void)d4_registry_queue_member(reg, uuid(101), uuid(12), false);
	(void)d4_registry_queue_member(reg, uuid(101), uuid(13), false);
	(void)d4_registry_refresh(reg);
	is(count_for(reg, 1, NULL, 12), 1, "an empty group is for nobody");
	d4_uuid_text(text, uuid(100));
	ok(put_item(text) && d4_registry_queue_remove(reg, uuid(100)) == 0 &&
	    !has_items(text),
	    "a queue is removed with its items");
	is(d4_registry_queue_remove(reg, uuid(100)), 1, "once");
	(void)d4_registry_refresh(reg);
	is(count_for(reg, 1, NULL, 13), 0, "and wanted by nobody");
	d4_registry_close(reg);
}

/* -- bad files ------------------------------------------------------------- */

static void
test_bad_value(const char *name, const void *data, size_t len)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_sensor s;
	const char *path;

	path = scratch_path("registry/sensors/%s/%s", hex(20), name);
	(void)scratch_write(path, data, len);
	ok(d4_registry_sensor(reg, uuid(20), &s) == -1 &&
	    strstr(d4_registry_why(reg), name) != NULL &&
	    strstr(d4_registry_why(reg), hex(20)) != NULL &&
	    strstr(d4_registry_why(reg), "sesame") == NULL, "bad %s: %s",
	    name, d4_registry_why(reg));
	(void)unlink(path);
	ok(d4_registry_sensor(reg, uuid(20), &s) == 0, "mended");
	d4_registry_close(reg);
}

static void
test_bad_values(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_sensor s;
	const char *path;
	char big[8192];

	memset(big, 'k', sizeof(big));
	(void)d4_registry_set(reg, uuid(20), D4_FIELD_MAIL, "m", 1);
	test_bad_value("key", "", 0);
	test_bad_value("key", "\n", 1);
	test_bad_value("key", "sesame\0x\n", 9);
	test_bad_value("key", big, sizeof(big));
	test_bad_value("limit", "many\n", 5);
	test_bad_value("limit", "99999999999999999999999\n", 24);
	test_bad_value("max_age", "", 0);
	test_bad_value("monotonic", "-1\n", 3);
	path = scratch_path("registry/sensors/%s/key", hex(20));
	ok(mkdir(path, 0700) == 0 && d4_registry_sensor(reg, uuid(20),
	    &s) == -1, "a directory: %s", d4_registry_why(reg));
	ok(rmdir(path) == 0 && mkfifo(path, 0600) == 0 &&
	    d4_registry_sensor(reg, uuid(20), &s) == -1, "a FIFO: %s",
	    d4_registry_why(reg));
	ok(unlink(path) == 0 && symlink("/etc/passwd", path) == 0 &&
	    d4_registry_sensor(reg, uuid(20), &s) == -1, "a link: %s",
	    d4_registry_why(reg));
	(void)unlink(path);
	(void)d4_registry_unregister(reg, uuid(20));
	d4_registry_close(reg);
}

/* Every function that reads; what they say matters less than that they do. */
static void
read_all(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_facts facts;
	struct d4_registry_sensor s;
	enum d4_registry_mode mode;
	bool types[UINT8_MAX + 1];
	char buf[64];
	size_t len;
	int n = 0;

	(void)d4_registry_sensor(reg, uuid(30), &s);
	(void)d4_registry_types(reg, types);
	(void)d4_registry_mode(reg, &mode);
	(void)d4_registry_get(reg, uuid(30), D4_FIELD_MAIL, buf, sizeof(buf),
	    &len);
	(void)d4_registry_waiting(reg, count_waiting, &n);
	(void)d4_registry_sensors(reg, count_sensors, &n);
	(void)d4_registry_queues(reg, count_queues, &n);
	(void)d4_registry_facts(reg, uuid(30), &facts);
	d4_registry_facts_free(&facts);
	d4_registry_close(reg);
}

static void
test_garbage(void)
{
	static const char *const files[] = {
		"sensors/%s/key", "sensors/%s/limit", "sensors/%s/registered",
		"sensors/%s/pending", "pending/%s", "kicked/%s",
		"mode", "facts/%s.0", "claims/%s-1", "blocks/uuid/%s",
		"types/%s", "metatypes/%s", "days/%s", "workers/%s",
		"../queues/1/1e000000-0000-4000-8000-000000000000/max_size",
		"../queues/1/1e000000-0000-4000-8000-000000000000/group/%s" };
	char data[300], path[256];
	size_t i, j, round, rounds = tap_slow() ? 2 : 20;

	/* What 10,000 strangers left would be read each time. */
	is(rename(scratch_path("registry/pending"), scratch_path("strangers")),
	    0, "strangers are put aside");
	(void)mkdir(scratch_path("registry/pending"), 0750);
	(void)mkdir(scratch_path("registry/sensors/%s", hex(30)), 0750);
	(void)mkdir(scratch_path("queues/1/"
	    "1e000000-0000-4000-8000-000000000000"), 0750);
	srand(7);
	for (round = 0; round < rounds; round++) {
		for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
			size_t len = (size_t)rand() % sizeof(data);

			for (j = 0; j < len; j++)
				data[j] = "0123456789 \n\0-:.af"[rand() % 18];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(path, sizeof(path), files[i],
			    round % 2 == 0 ? hex(30) : "garbage");
#pragma GCC diagnostic pop
			(void)scratch_write(scratch_path("registry/%s", path),
			    data, len);
			read_all();
			(void)unlink(scratch_path("registry/%s", path));
		}
	}
	ok(true, "garbage in any file is survived");
	(void)rmdir(scratch_path("registry/sensors/%s", hex(30)));
}

/* -- many at a time -------------------------------------------------------- */

/* Each wants to register the same sensors, with a key and a description that
 * belong together. */
static int
storm(unsigned int who)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_registration r;
	char text[32];
	unsigned int i;
	int made = 0;

	(void)snprintf(text, sizeof(text), "process %u", who);
	r = (struct d4_registry_registration){ .key = text,
	    .keylen = strlen(text), .description = text };
	for (i = 0; i < SHARED; i++) {
		int rc = d4_registry_register(reg, uuid(40 + i), &r, true);

		made += rc == 0;
		if (rc == -1)
			_exit(255);
		/* All at the same set, too. */
		if (d4_registry_add(reg, D4_SET_TYPES, "3") == -1 ||
		    d4_registry_remove(reg, D4_SET_TYPES, "3") == -1)
			_exit(255);
	}
	d4_registry_close(reg);
	return made;
}

static void
test_storm(void)
{
	char key[64], description[64];
	struct d4_registry *reg;
	pid_t pids[STORM], pid;
	int made = 0, status, wrong = 0;
	size_t len;
	unsigned int i;

	(void)fflush(stdout);
	for (i = 0; i < STORM; i++) {
		if ((pids[i] = fork()) == 0)
			_exit(storm(i));
	}
	for (i = 0; i < STORM; i++) {
		pid = waitpid(pids[i], &status, 0);
		if (pid != pids[i] || !WIFEXITED(status) ||
		    WEXITSTATUS(status) == 255)
			wrong++;
		else
			made += WEXITSTATUS(status);
	}
	is(wrong, 0, "%d processes change the same things", STORM);
	is(made, SHARED, "each sensor is registered once");
	reg = open_registry();
	for (i = 0; i < SHARED; i++) {
		if (d4_registry_get(reg, uuid(40 + i), D4_FIELD_KEY, key,
		    sizeof(key), &len) != 0 ||
		    d4_registry_get(reg, uuid(40 + i), D4_FIELD_DESCRIPTION,
		    description, sizeof(description), &len) != 0 ||
		    strcmp(key, description) != 0)
			wrong++;
	}
	is(wrong, 0, "with the key and description of one of them");
	d4_registry_close(reg);
}

/* An administrator is killed at any moment: a value is the old or the new. */
static void
test_killed(void)
{
	char value[D4_REGISTRY_TEXT];
	struct d4_registry *reg = open_registry();
	int round, wrong = 0;
	size_t len;
	pid_t pid;

	(void)d4_registry_set(reg, uuid(60), D4_FIELD_DESCRIPTION, "aaaa", 4);
	(void)fflush(stdout);
	for (round = 0; round < 20; round++) {
		if ((pid = fork()) == 0) {
			struct d4_registry *own = open_registry();

			for (;;) {
				(void)d4_registry_set(own, uuid(60),
				    D4_FIELD_DESCRIPTION, "bbbbbb", 6);
				(void)d4_registry_set(own, uuid(60),
				    D4_FIELD_DESCRIPTION, "aaaa", 4);
			}
		}
		(void)usleep(3000 + 1000 * (useconds_t)round);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		if (d4_registry_get(reg, uuid(60), D4_FIELD_DESCRIPTION,
		    value, sizeof(value), &len) != 0 ||
		    (strcmp(value, "aaaa") != 0 &&
		    strcmp(value, "bbbbbb") != 0))
			wrong++;
	}
	is(wrong, 0, "killed 20 times, the value is always whole");
	is(d4_registry_set(reg, uuid(60), D4_FIELD_DESCRIPTION, "c", 1), 0,
	    "and nobody holds the lock");
	d4_registry_close(reg);
}

/* The superuser's changes must be readable for the collector. */
static void
test_owner(void)
{
	struct d4_registry *reg;
	struct stat st;
	char why[256];

	if (geteuid() != 0) {
		skip("only the superuser gives files away");
		return;
	}
	if (mkdir(scratch_path("owned"), 0750) == -1 ||
	    chown(scratch_path("owned"), 65534, 65534) == -1) {
		skip("this file system gives nothing away");
		return;
	}
	reg = d4_registry_open(scratch_path("owned"), NULL, true, why);
	ok(reg != NULL && d4_registry_set(reg, uuid(1), D4_FIELD_KEY, "k",
	    1) == 0 && lstat(scratch_path("owned/sensors/%s/key", hex(1)),
	    &st) == 0 && st.st_uid == 65534 &&
	    lstat(scratch_path("owned/sensors/%s", hex(1)), &st) == 0 &&
	    st.st_uid == 65534 && lstat(scratch_path("owned/stamp"),
	    &st) == 0 && st.st_uid == 65534,
	    "what the superuser writes belongs to the registry's owner");
	d4_registry_close(reg);
}

/* -- Redis alone ----------------------------------------------------------- */

/* What d4-core's own programs write is understood. */
static void
test_d4_core(void)
{
	struct d4_registry *reg = open_registry();
	struct d4_registry_sensor s;
	int n = 0;

	ok(d4_registry_sensor(reg, uuid(70), &s) == 0 && !s.known,
	    "a sensor is not known");
	(void)raw("HSET metadata_uuid:%s hmac_key other first_seen 5",
	    hex(70));
	(void)raw("SADD registered_uuid %s", hex(70));
	is(d4_registry_refresh(reg), 1, "d4-core registers it: we see it");
	ok(d4_registry_sensor(reg, uuid(70), &s) == 0 && s.registered &&
	    s.keylen == 5 && memcmp(s.key, "other", 5) == 0,
	    "with its key");
	(void)raw("HSET metadata_uuid:%s hmac_key more", hex(70));
	is(d4_registry_refresh(reg), 0, "of another key there is no sign");
	(void)sleep(2);
	ok(d4_registry_sensor(reg, uuid(70), &s) == 0 && s.keylen == 4,
	    "but after two seconds it is the new one");
	(void)raw("SADD blacklist_uuid 46000000-0000-4000-8000-000000000000");
	is(d4_registry_refresh(reg), 1, "it is blocked");
	ok(d4_registry_sensor(reg, uuid(70), &s) == 0 && s.blocked,
	    "as a person spelt it");
	is(d4_registry_remove(reg, D4_SET_BLOCKED_UUIDS, hex(70)), 0,
	    "and unblocked");
	(void)raw("SADD blacklist_ip 2001:DB8::1");
	is(d4_registry_refresh(reg), 1, "an address, spelt by a person");
	is(d4_registry_address_blocked(reg, "2001:db8::1"), 1, "is blocked");
	ok(d4_registry_sensors(reg, count_sensors, &n) == 0 && n > 0,
	    "all are listed");
	(void)raw("DEL blacklist_ip");
	(void)d4_registry_unregister(reg, uuid(70));
	d4_registry_close(reg);
}

/* The server goes away and comes back. */
static void
test_away(void)
{
	struct d4_registry *reg = open_registry();

	(void)d4_registry_add(reg, D4_SET_BLOCKED_ADDRESSES, "192.0.2.77");
	(void)d4_registry_refresh(reg);
	is(d4_registry_address_blocked(reg, "192.0.2.77"), 1, "blocked");
	redis_stop(SIGKILL);
	is(d4_registry_refresh(reg), -1, "the server is away: %s",
	    d4_registry_why(reg));
	is(d4_registry_address_blocked(reg, "192.0.2.77"), 1,
	    "what was learned holds");
	redis_start(scratch, "", redis_where);
	(void)sleep(1);
	ok(d4_registry_refresh(reg) != -1, "it is back");
	d4_registry_close(reg);
}

/* Many changes at a time. */
static void
test_commit(void)
{
	struct d4_registry_registration none = { .key = NULL };
	struct d4_registry *reg = open_registry(), *other = open_registry();
	struct d4_registry_sensor s;
	char text[64];
	size_t len;

	is(d4_registry_refresh(other), 0, "nothing is new");
	is(d4_registry_begin(reg), 0, "many changes begin");
	is(d4_registry_set(reg, uuid(80), D4_FIELD_KEY, "first", 5), 0,
	    "a key");
	is(d4_registry_set(reg, uuid(80), D4_FIELD_KEY, "second", 6), 0,
	    "another instead");
	is(d4_registry_register(reg, uuid(80), &none, false), 0, "it waits");
	is(d4_registry_register(reg, uuid(80), &none, true), 1,
	    "which is known");
	is(d4_registry_approve(reg, uuid(80)), 0, "no more");
	is(d4_registry_set(reg, uuid(81), D4_FIELD_MAIL, "a", 1), 0,
	    "a value of another");
	is(d4_registry_set(reg, uuid(81), D4_FIELD_MAIL, NULL, 0), 0,
	    "which is unset");
	is(d4_registry_set(reg, uuid(81), D4_FIELD_MAIL, NULL, 0), 1, "once");
	is(d4_registry_set(reg, uuid(81), D4_FIELD_LIMIT, "x", 1), -1,
	    "a wrong one is refused");
	is(d4_registry_set(reg, uuid(81), D4_FIELD_LIMIT, "7", 1), 0,
	    "and hinders nothing");
	is(d4_registry_add(reg, D4_SET_BLOCKED_UUIDS, hex(80)), 0, "a block");
	ok(d4_registry_get(reg, uuid(80), D4_FIELD_KEY, text, sizeof(text),
	    &len) == 0 && strcmp(text, "second") == 0, "who made it sees it");
	/* In Redis who is registered shows at once. */
	if (!over_redis)
		is(d4_registry_refresh(other), 0, "others are not told yet");
	is(d4_registry_commit(reg), 0, "all of it is kept");
	is(d4_registry_refresh(other), 1, "now they are");
	ok(d4_registry_sensor(other, uuid(80), &s) == 0 && s.registered &&
	    !s.pending && s.blocked && s.keylen == 6 &&
	    memcmp(s.key, "second", 6) == 0, "and see it");
	ok(d4_registry_sensor(other, uuid(81), &s) == 0 && s.limit == 7,
	    "all of it");
	is(d4_registry_get(other, uuid(81), D4_FIELD_MAIL, text, sizeof(text),
	    &len), 1, "and no more");
	is(d4_registry_set(other, uuid(80), D4_FIELD_KEY, NULL, 0), 0,
	    "another administrator waits no more");
	(void)d4_registry_remove(reg, D4_SET_BLOCKED_UUIDS, hex(80));
	(void)d4_registry_unregister(reg, uuid(80));
	(void)d4_registry_unregister(reg, uuid(81));
	if (!over_redis) {
		is(d4_registry_begin(reg), 0, "some more begin");
		(void)d4_registry_set(reg, uuid(80), D4_FIELD_KEY, "k", 1);
		(void)d4_registry_approve(reg, uuid(80));
		/* The name of its key can't be given. */
		(void)mkdir(scratch_path("registry/sensors/%s/key", hex(80)),
		    0750);
		is(d4_registry_commit(reg), -1, "a key that can't be kept: %s",
		    d4_registry_why(reg));
		(void)rmdir(scratch_path("registry/sensors/%s/key", hex(80)));
		(void)d4_registry_refresh(other);
		ok(d4_registry_sensor(other, uuid(80), &s) == 0 &&
		    !s.registered, "registers nobody");
		(void)d4_registry_unregister(reg, uuid(80));
	}
	d4_registry_close(other);
	d4_registry_close(reg);
}

/* What both halves must do alike. */
static void
test_half(void)
{
	test_values();
	test_registration();
	test_commit();
	test_blocks();
	test_stale();
	test_many_blocks();
	test_types();
	test_mode();
	test_queues();
	test_storm();
	test_killed();
	test_strangers();
}

int
main(void)
{
	if (scratch_make() == -1) {
		printf("Bail out! no scratch directory\n");
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	test_open();
	test_half();
	test_bad_values();
	test_garbage();
	test_owner();
	if (begin_redis()) {
		printf("# the same over Redis\n");
		test_half();
		test_d4_core();
		test_away();
		redis_stop(SIGTERM);
	} else
		skip("redis-server is not installed");
	scratch_remove();
	return tap_done();
}
