/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/conf-login.h"
#include "lib/mac.h"

int
d4_conf_login(struct d4_conf *conf, struct d4_conf_login *login)
{
	size_t len = sizeof(login->password) - 1;
	bool insecure_key = login->insecure_key;

	memset(login, 0, sizeof(*login));
	login->insecure_key = insecure_key;
	if (d4_conf_has(conf, "redis_user") && d4_conf_text(conf,
	    "redis_user", login->user, "a name of Redis' ACL") == -1)
		return -1;
	/* The password is a key: it may hold blanks. */
	if (d4_conf_has(conf, "redis_password")) {
		if (d4_conf_key(conf, "redis_password",
		    (uint8_t *)login->password, &len) == -1)
			return -1;
		login->password[len] = '\0';
	}
	if (*login->user != '\0' && *login->password == '\0')
		return d4_conf_refuse(conf, "redis_user",
		    "has no redis_password", "both or none");
	return d4_conf_closed(conf, "redis_password", insecure_key);
}

int
d4_conf_login_from(const char *dir, struct d4_conf_login *login,
    char why[D4_CONF_LOGIN_WHY])
{
	struct d4_conf *conf;
	int rc;

	if ((conf = d4_conf_open(dir)) == NULL) {
		(void)snprintf(why, D4_CONF_LOGIN_WHY, "%s: %s", dir,
		    strerror(errno));
		return -1;
	}
	rc = d4_conf_login(conf, login);
	if (rc != -1 && *login->password == '\0')
		rc = d4_conf_refuse(conf, "redis_password", "missing",
		    "the password of Redis");
	if (rc != 0)
		(void)snprintf(why, D4_CONF_LOGIN_WHY, "%s",
		    d4_conf_fault(conf));
	d4_conf_close(conf);
	return rc;
}

void
d4_conf_login_wipe(struct d4_conf_login *login)
{
	d4_mac_wipe(login, sizeof(*login));
}
