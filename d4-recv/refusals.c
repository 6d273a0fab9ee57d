/* SPDX-License-Identifier: ISC */
#include "d4-recv/refusals.h"
#include "lib/log.h"

static const struct {
	const char	*name;
	const char	*words;
} ours[REFUSED_REASONS - D4_REFUSALS] = {
#define AT(reason)	[(reason) - D4_REFUSALS]
	AT(REFUSED_BLOCKED_ADDRESS) = { "blocked_address",
	    "address is blocked" },
	AT(REFUSED_BLOCKED_UUID) = { "blocked_uuid", "uuid is blocked" },
	AT(REFUSED_NOT_REGISTERED) = { "not_registered",
	    "sensor is not registered" },
	AT(REFUSED_KICKED) = { "kicked", "kicked by the administrator" },
	AT(REFUSED_KEY_CHANGED) = { "key_changed",
	    "key of the sensor changed" },
	AT(REFUSED_DUPLICATE) = { "duplicate",
	    "another connection of this sensor and type lives" },
	AT(REFUSED_TAKEN_OVER) = { "taken_over",
	    "a newer connection took over" },
	AT(REFUSED_CERTIFICATE) = { "certificate",
	    "certificate is not this sensor's" },
	AT(REFUSED_TLS) = { "tls", "TLS" },
	AT(REFUSED_TIMEOUT) = { "timeout", "too slow" },
	AT(REFUSED_FULL) = { "full", "too many connections" },
	AT(REFUSED_CUT_OFF) = { "cut_off", "cut off" },
	AT(REFUSED_OVERFLOW) = { "overflow",
	    "its stream has as many entries as it may" },
	AT(REFUSED_WORKER) = { "worker", "a worker refused its data" },
	AT(REFUSED_LOST) = { "lost",
	    "its stream was lost or ended, and begins anew" },
	AT(REFUSED_TOO_OLD) = { "too_old", "timestamp is too old" },
	AT(REFUSED_BACKWARDS) = { "backwards", "timestamp goes backwards" },
	AT(REFUSED_OURS) = { "ours", "our own fault" },
#undef AT
};

static const char *const record_names[D4_REFUSALS] = {
	[D4_OK] = "none",
	[D4_SHORT] = "short",
	[D4_TOO_LARGE] = "too_large",
	[D4_BAD_UUID] = "bad_uuid",
	[D4_BAD_TYPE] = "bad_type",
	[D4_NO_META] = "no_meta",
	[D4_UUID_CHANGED] = "uuid_changed",
	[D4_TYPE_CHANGED] = "type_changed",
	[D4_BAD_HMAC] = "bad_hmac",
	[D4_BAD_META] = "bad_meta",
	[D4_BAD_DATA] = "bad_data",
};

const char *
refused_str(unsigned reason)
{
	if (reason < D4_REFUSALS)
		return d4_refusal_str((enum d4_refusal)reason);
	return ours[reason - D4_REFUSALS].words;
}

const char *
refused_name(unsigned reason)
{
	if (reason < D4_REFUSALS)
		return record_names[reason];
	return ours[reason - D4_REFUSALS].name;
}

bool
refusals_any(const struct refusals *r)
{
	unsigned i;

	for (i = 0; i < REFUSED_REASONS && r->counts[i] == 0; i++)
		continue;
	return i < REFUSED_REASONS;
}

void
refusals_say(struct refusals *r, int64_t now_ms, unsigned reason,
    const char *peer, const char *more)
{
	r->counts[reason]++;
	if (now_ms / 1000 != r->second) {
		r->second = now_ms / 1000;
		r->lines = 0;
	}
	if (r->lines >= REFUSALS_LINES) {
		r->suppressed++;
		return;
	}
	r->lines++;
	d4_log_warnx("%s: %s%s%s", peer, refused_str(reason),
	    *more == '\0' ? "" : ": ", more);
}

void
refusals_tick(struct refusals *r)
{
	if (r->suppressed == 0)
		return;
	d4_log_warnx("refusals: %llu suppressed",
	    (unsigned long long)r->suppressed);
	r->suppressed = 0;
}
