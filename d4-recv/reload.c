/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/reload.h"
#include "lib/log.h"
#include "lib/secret.h"

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
	may = is_same(dir, "user", old->user, fresh->user) && may;
	if (old->workers == fresh->workers)
		return may;
	d4_log_warnx("%s/workers: cannot change before a new start", dir);
	return false;
}

static int
load(struct settings *fresh, const struct settings *old, const char *dir)
{
	struct d4_conf *conf;
	int faults = 1;

	memset(fresh, 0, sizeof(*fresh));
	if ((conf = d4_conf_open(dir)) == NULL)
		d4_log_warn("%s", dir);
	else
		faults = settings_load(fresh, conf, old, old->insecure_key);
	d4_conf_close(conf);
	return faults == 0 ? 0 : -1;
}

int
reload_settings(struct settings *s, const char *dir,
    struct d4_tls_context **tls)
{
	struct settings *fresh;
	int rc = -1;

	if ((fresh = d4_secret_new(sizeof(*fresh))) == NULL)
		d4_log_warn("memory");
	else if (load(fresh, s, dir) == 0 && may_replace(s, fresh, dir) &&
	    (tls == NULL || fresh->keeps_tls ||
	    (*tls = reload_open_tls(fresh)) != NULL)) {
		settings_free(s);
		*s = *fresh;
		rc = 0;
	} else {
		settings_free(fresh);
	}
	if (rc == -1)
		d4_log_warnx("%s: not taken, the old configuration stays",
		    dir);
	d4_secret_free(fresh);
	return rc;
}
