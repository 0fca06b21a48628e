/* SPDX-License-Identifier: MIT */
/*
 * error.c - the first error of a context: its status and a text for the model's reader.
 *
 * Boundary calls nest (a step makes runs). Within the outermost one the first error stays
 * and everything drains; when that one has returned it, it stands in the way of nothing
 * any more, and only its status and text are kept to be asked for.
 */
#include "impl.h"

#include <stdio.h>
#include <string.h>

const char *ppl_status_name(ppl_status status)
{
    static const char *const name[] = {
#define ROW(name, text) "PPL_" #name,
        PPL_STATUS_MAP(ROW)
#undef ROW
    };

    if ((unsigned)status >= PPL_STATUS_COUNT)
        return "PPL_?";
    return name[status];
}

ppl_status ppl_error(const ppl_ctx *c)
{
    return c->status != PPL_OK ? c->status : c->reported;
}

int ppl_ok(const ppl_ctx *c)
{
    return c->status == PPL_OK;
}

const char *ppl_error_text(const ppl_ctx *c)
{
    return c->error;
}

void ppl_clear_error(ppl_ctx *c)
{
    c->status = c->reported = PPL_OK;
    c->error[0] = '\0';
}

/* What an outermost boundary call returns: from here on the caller knows. */
static ppl_status report(ppl_ctx *c)
{
    c->reported = c->status;
    c->status = PPL_OK;
    return c->reported;
}

ppl_status ppl_boundary_enter(ppl_ctx *c)
{
    if (c->status != PPL_OK)
        return c->boundaries > 0 ? c->status : report(c);
    if (c->boundaries++ == 0)
        ppl_clear_error(c);
    return PPL_OK;
}

ppl_status ppl_boundary_leave(ppl_ctx *c)
{
    if (c->boundaries == 0)
        return ppl_error(c);            /* the enter before it failed */
    return --c->boundaries == 0 ? report(c) : c->status;
}

/* Where the run stood: "after site z[3]; 4 sites and 11 parameters visited". */
static void append_place(ppl_ctx *c)
{
    size_t length = strlen(c->error);
    char at[64] = "";

    if (c->last_name == NULL || !(c->running || c->at_site))
        return;
    if (c->last_index >= 0)
        snprintf(at, sizeof at, "[%lld]", (long long)c->last_index);
    snprintf(c->error + length, sizeof c->error - length,
             "\n  %s site %s%s; %d site%s and %d parameter%s visited",
             c->at_site ? "at" : "after", c->last_name, at, c->run_sites,
             c->run_sites == 1 ? "" : "s", c->run_params, c->run_params == 1 ? "" : "s");
}

ppl_status ppl_fail(ppl_ctx *c, ppl_status status, const char *format, ...)
{
    va_list args;

    if (c->status != PPL_OK || status == PPL_OK)
        return c->status;
    c->status = status;
    c->reported = PPL_OK;
    va_start(args, format);
    vsnprintf(c->error, sizeof c->error, format, args);
    va_end(args);
    append_place(c);
    if (c->hook != NULL && status != PPL_ESCAPE)
        c->hook(c->hook_user, c->status, c->error);
    return c->status;
}

void ppl_error_append(ppl_ctx *c, const char *format, ...)
{
    size_t length = strlen(c->error);
    va_list args;

    if (ppl_error(c) == PPL_OK)
        return;
    va_start(args, format);
    vsnprintf(c->error + length, sizeof c->error - length, format, args);
    va_end(args);
}

void ppl_set_error_hook(ppl_ctx *c, ppl_error_hook hook, void *user)
{
    c->hook = hook;
    c->hook_user = user;
}
