/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/reload.h"
#include "lib/log.h"
#include "lib/mac.h"

struct d4_tls_context *
reload_open_tls(const struct settings *s)
{
	struct d4_tls_server server = {
		.cert = s->server_pem,
		.client_ca = *s->client_ca != '\0' ? s->client_ca : NULL
	};
	struct d4_tls_context *tls;
	char why[256];

	if ((tls = d4_tls_server_new(&server, why)) == NULL)
		d4_log_warnx("%s", why);
	return tls;
}

/* Returns whether it is the same; what is not can't be taken. */
static bool
is_same(const char *dir, const char *name, const char *old, const char *fresh)
{
	if (strcmp(old, fresh) == 0)
		return true;
	d4_log_warnx("%s/%s: cannot change before a new start", dir, name);
	return false;
}

static bool
may_replace(const struct settings *old, const struct settings *fresh,
    const char *dir)
{
	bool may = is_same(dir, "source", old->source, fresh->source);

	may = is_same(dir, "destination", old->destination,
	    fresh->destination) && may;
	may = is_same(dir, "registry", old->registry, fresh->registry) && may;
	may = is_same(dir, "queues", old->queues, fresh->queues) && may;
	may = is_same(dir, "stream", old->stream, fresh->stream) && may;
	if (old->sync != fresh->sync) {
		d4_log_warnx("%s/sync: cannot change before a new start", dir);
		may = false;
	}
	if (old->workers == fresh->workers)
		return may;
	d4_log_warnx("%s/workers: cannot change before a new start", dir);
	return false;
}

static int
load(struct settings *fresh, const char *dir)
{
	struct d4_conf *conf;
	int faults = 1;

	memset(fresh, 0, sizeof(*fresh));
	if ((conf = d4_conf_open(dir)) == NULL)
		d4_log_warn("%s", dir);
	else
		faults = settings_load(fresh, conf);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

int
reload_settings(struct settings *s, const char *dir,
    struct d4_tls_context **tls)
{
	struct settings fresh;

	if (load(&fresh, dir) == 0 && may_replace(s, &fresh, dir) &&
	    (tls == NULL || (*tls = reload_open_tls(&fresh)) != NULL)) {
		settings_free(s);
		*s = fresh;
		d4_mac_wipe(fresh.key, sizeof(fresh.key));
		return 0;
	}
	d4_log_warnx("%s: not taken, the old configuration stays", dir);
	settings_free(&fresh);
	return -1;
}
