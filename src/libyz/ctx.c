/* What sessions share: settings of TLS and of the resolver. */

#include "libyz/libyz_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

const char *yz_version(void)
{
	return YIZHAN_VERSION;
}

void yz_set_oom_hook(void (*hook)(size_t wanted))
{
	mem_set_out_hook(hook);
}

void yz_free(void *p)
{
	free(p);
}

struct yz_ctx *yz_ctx_new(void)
{
	struct yz_ctx *c = NEW(struct yz_ctx);

	atomic_init(&c->refs, 1);
	c->arena = arena_new();
	c->last = &c->first;
	pthread_mutex_init(&c->tls_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

struct yz_ctx *ctx_ref(struct yz_ctx *c)
{
	MUST(atomic_fetch_add(&c->refs, 1) > 0);
	return c;
}

void ctx_unref(struct yz_ctx **c_p)
{
	struct yz_ctx *c = *c_p;
	int before;

	if (!c)
		return;
	*c_p = NULL;
	before = atomic_fetch_sub(&c->refs, 1);
	MUST(before > 0);
	if (before > 1)
		return;
	MUST(!c->first && c->threads == 0);
	tls_client_free(&c->tls);
	arena_free(&c->arena);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->tls_lock);
	free(c);
}

void yz_ctx_free(struct yz_ctx **ctx)
{
	if (ctx)
		ctx_unref(ctx);
}

int yz_ctx_set_resolver(struct yz_ctx *ctx, const struct yz_resolver *resolver)
{
	struct addr server;

	if (!resolver || resolver->size < offsetof(struct yz_resolver, nameserver))
		return YZ_E_INVAL;
	memset(&ctx->resolver, 0, sizeof(ctx->resolver));
	memcpy(&ctx->resolver, resolver,
		resolver->size < sizeof(*resolver) ? resolver->size : sizeof(*resolver));
	if (ctx->resolver.nameserver) {
		if (addr_parse(span_str(ctx->resolver.nameserver), 53, &server, NULL) < 0 ||
			!addr_is_ip(&server))
			return YZ_E_INVAL;
		ctx->resolver.nameserver = arena_str(
			ctx->arena, span_str(ctx->resolver.nameserver));
	}
	return YZ_OK;
}
