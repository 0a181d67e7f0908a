#pragma once
/* Between send_plan.c (way, envelope, stops), send_plan_tls.c (TLS and login) and send_plan_proxy.c
 * (XCLIENT and PROXY). Each returns 0, or an exit status when a mistake has been told. */

#include "cli/send_priv.h"

int send_plan_set_tls(struct send_plan *p);    /* before the way: the port depends on it */
int send_plan_set_auth(struct send_plan *p);   /* after it: .netrc goes by host */
int send_plan_set_verify(struct send_plan *p); /* after both */
int send_plan_set_xclient(struct send_plan *p);
int send_plan_set_proxy(struct send_plan *p);
int send_plan_port(const char *text, int *port_r);
