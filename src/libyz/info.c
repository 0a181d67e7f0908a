/* What is known about a session and its connection. */

#include "libyz/libyz_priv.h"

const struct yz_error *yz_error(const struct yz_session *s)
{
	return &s->error;
}

bool yz_is_connected(const struct yz_session *s)
{
	return s->stream != NULL;
}

const char *yz_cap(const struct yz_session *s, const char *keyword)
{
	const struct smtp_cap *cap = smtp_caps_find(&s->client.caps, span_str(keyword));

	if (!cap)
		return NULL;
	return cap->params.ptr ? cap->params.ptr : "";
}

const char *yz_cap_at(const struct yz_session *s, size_t i, const char **params_r)
{
	const struct smtp_cap *cap;

	if (i >= s->client.caps.count)
		return NULL;
	cap = &s->client.caps.list[i];
	if (params_r)
		*params_r = cap->params.ptr ? cap->params.ptr : "";
	return cap->name.ptr;
}

uint64_t yz_size_max(const struct yz_session *s)
{
	return s->client.caps.size_max;
}

bool yz_is_esmtp(const struct yz_session *s)
{
	return s->client.is_esmtp;
}

const struct yz_reply *yz_greeting_reply(const struct yz_session *s)
{
	return s->greeting.reply;
}

const struct yz_reply *yz_hello_reply(const struct yz_session *s)
{
	return s->hello.reply;
}

const struct yz_reply *yz_auth_reply(const struct yz_session *s)
{
	return s->auth.reply;
}

const char *yz_auth_mechanism(const struct yz_session *s)
{
	return s->auth_mechanism;
}

const char *yz_hello_name(const struct yz_session *s)
{
	if (s->hello_name)
		return s->hello_name;
	return s->opts.hello_name ? s->opts.hello_name : "";
}

const char *yz_host(const struct yz_session *s)
{
	return s->host;
}

const char *yz_peer(const struct yz_session *s)
{
	return s->peer;
}

const char *yz_local(const struct yz_session *s)
{
	return s->local;
}

int yz_fd(const struct yz_session *s)
{
	return s->fd;
}

size_t yz_attempts(const struct yz_session *s, const struct yz_attempt **attempts_r)
{
	*attempts_r = s->attempts;
	return s->attempt_count;
}
