#include "services/host/host_priv.h"

/* SIGHUP: the file is read again, certificates are loaded again, the log is opened again. What
 * cannot change while serving is told and waits for the next start. */

void host_log_opts(const struct host *h, const struct config *c, struct log_thread_opts *opts_r)
{
	*opts_r = (struct log_thread_opts){
		.destination = c->log.destination,
		.format = (enum log_format)(
			h->opts->log_format >= 0 ? h->opts->log_format : c->log.format),
		.level = (enum log_level)(
			h->opts->log_level >= 0 ? h->opts->log_level : c->log.level),
	};
}

struct reloading {
	struct host *host;
	struct config *config;
	struct config_errors errs;
	struct arena *arena;
	const char *eab_key;
};

/* All that blocks, on the lane. */
static int read_again(void *arg, struct err *e)
{
	struct reloading *r = arg;
	struct host *h = r->host;
	struct log_thread_opts log;

	if (h->opts->config_file) {
		r->config = config_read(h->opts->config_file, &r->errs);
		if (!r->config)
			return err_set(e, ERR_CONFIG, "%s:%u: %s", h->opts->config_file,
				r->errs.items[0].line, r->errs.items[0].text);
		r->config->port_offset = h->opts->port_offset;
	} else {
		r->config = config_ref(h->settings->config);
	}
	if (host_filter_check(h, r->config, e) < 0)
		return -1;
	if (host_acme_key(r->config, r->arena, &r->eab_key, e) < 0)
		return -1;
	host_log_opts(h, r->config, &log);
	if (log_thread_reopen(h->log_thread, &log, e) < 0)
		return -1;
	return host_tls_load(h, r->config, e);
}

static void tell_change(void *arg, const struct config_setting *s, struct span was, struct span is)
{
	struct host *h = arg;

	log_event(&h->log, s->is_reloadable ? LOG_INFO : LOG_WARN,
		s->is_reloadable ? "host.setting.changed" : "host.setting.waits",
		LF_STR("section", s->section), LF_STR("name", s->name), LF("was", was),
		LF("is", is));
}

/* Settings that are read at the start only keep what they were (the first configuration lives as
 * long as the host); connections index listeners by their place, so these stay as a whole. */
static void keep_fixed(struct config *fresh, const struct config *was)
{
	for (size_t i = 0; i < config_setting_count; i++) {
		const struct config_setting *s = &config_settings[i];

		if (s->is_reloadable || config_is_listed(config_section_of(s)))
			continue;
		config_setting_copy(fresh, was, s);
	}
	fresh->listener_count = was->listener_count;
	fresh->listeners = was->listeners;
}

FIBER int host_reload(struct host *h, struct err *e)
{
	struct reloading r = {.host = h, .arena = arena_new()};
	int rc;

	notify_reloading();
	rc = work_run(h->lane, read_again, &r, e);
	if (rc < 0) {
		for (size_t i = 1; i < r.errs.count; i++)
			log_event(&h->log, LOG_ERROR, "host.config.wrong",
				LF_INT("line", r.errs.items[i].line),
				LF_STR("text", r.errs.items[i].text));
		config_unref(&r.config);
	} else if (r.config == h->settings->config) {
		config_unref(&r.config);
	} else {
		config_diff(h->settings->config, r.config, tell_change, h);
		keep_fixed(r.config, h->config);
		host_settings_unref(&h->settings);
		h->settings = host_settings_new(h, r.config);
		for (size_t i = 0; i < h->worker_count; i++)
			host_worker_tell(&h->workers[i], HOST_WORD_SETTINGS, h->settings);
		host_queue_reload(h);
		host_guard_reload(h, h->settings->config);
		rc = host_acme_set(h, h->settings->config, r.eab_key, e);
	}
	config_errors_fini(&r.errs);
	arena_free(&r.arena);
	if (rc == 0)
		log_event(&h->log, LOG_INFO, "host.reloaded", LF_NONE);
	if (rc == 0)
		host_tls_warn(h);
	notify_send("READY=1");
	return rc;
}
