/* SPDX-License-Identifier: MIT */
/*
 * optim.c - what the optimisers share: options, clipping, and the walk over the slab.
 *
 * Neighbours in the slab that were both touched and have taken equally many steps are one
 * run of elements, moved by one call of the rule's loop. The padding between them is
 * zeros and every rule leaves zeros without gradient or moment as they are.
 */
#include "rules.h"

#include <kiln/maths.h>

#include <float.h>
#include <math.h>

typedef struct optimiser {
    ppl_optim base;
    const ppl__rule *rule;
    ppl_optim_opts opts;            /* complete: defaults filled in */
} optimiser;

/* ---- Options ----------------------------------------------------------------------- */

/* One row an option: what it must be, of a number x that is not 0. */
#define OPTION_MAP(X)                                                                    \
    X(lr, x >= 0 && isfinite(x), "a finite number >= 0")                                 \
    X(lr_decay, x > 0 && isfinite(x), "a finite number > 0")                             \
    X(weight_decay, x >= 0 && isfinite(x), "a finite number >= 0")                       \
    X(clip_value, x > 0, "a number > 0")                                                 \
    X(clip_norm, x > 0, "a number > 0")                                                  \
    X(momentum, x >= 0 && x < 1, "at least 0 and less than 1")                           \
    X(beta1, x >= 0 && x < 1, "at least 0 and less than 1")                              \
    X(beta2, x >= 0 && x < 1, "at least 0 and less than 1")                              \
    X(epsilon, x > 0 && isfinite(x), "a finite number > 0")

/* The option's value: the default for 0, else what was given if it is valid. */
static double option(ppl_ctx *c, const ppl__rule *rule, const char *name, double given,
                     double usual, int valid, const char *must)
{
    const double shown = isnan(given) ? fabs(given) : given;    /* never "-nan" */
    if (!(given < 0 || given > 0) && !isnan(given))
        return isnan(usual) ? 0 : usual;
    if (isnan(usual))
        ppl_fail(c, PPL_EINVAL, "%s: %s is %g, but %s has no such option; leave it 0",
                 rule->name, name, shown, rule->name);
    else if (!valid)
        ppl_fail(c, PPL_EINVAL, "%s: %s is %g; it must be %s", rule->name, name, shown,
                 must);
    return given;
}

static ppl_optim_opts complete(ppl_ctx *c, const ppl__rule *rule,
                               const ppl_optim_opts *given)
{
    static const ppl_optim_opts none;
    ppl_optim_opts o = given ? *given : none;
    double x;
#define COMPLETE(field, valid, must)                                                     \
    x = o.field;                                                                         \
    o.field = option(c, rule, #field, x, rule->defaults.field, valid, must);
    OPTION_MAP(COMPLETE)
#undef COMPLETE
    return o;
}

static void *element(void *array, ppl_dtype dtype, int64_t i)
{
    return dtype == PPL_F32 ? (void *)((float *)array + i)
                            : (void *)((double *)array + i);
}

/* ---- Clipping ---------------------------------------------------------------------- */

/* The 2-norm of the touched gradients, each element clamped to [-limit, limit]. */
static double norm_of(ppl_ctx *c, double limit, double scale)
{
    const ppl_slab slab = ppl_param_slab(c);
    const int count = ppl_param_count(c);
    double sum = 0;
    for (int i = 0; i < count; i++) {
        const ppl_param_info *p = ppl_param_at(c, i);
        const void *grad = element(slab.grad, slab.dtype, p->offset);
        if (p->touched)
            sum += ppl_maths_squares(slab.dtype, (size_t)p->count, limit, scale, grad);
    }
    return sqrt(sum) / scale;
}

static double clipped_norm(ppl_ctx *c, double limit)
{
    const double norm = norm_of(c, limit, 1);
    return isinf(norm) ? norm_of(c, limit, 0x1p-600) : norm;    /* squares overflowed */
}

double ppl_grad_norm(ppl_ctx *c)
{
    return clipped_norm(c, INFINITY);
}

/* ---- The update -------------------------------------------------------------------- */

enum { LINE = 16, LEAST = 256 };    /* elements of a piece: whole lines, so many at least */

typedef struct move {
    const ppl__rule *rule;
    const ppl__step *step;
    ppl_dtype dtype;
} move;

static void move_lines(void *arg, size_t from, size_t to)
{
    const move *m = arg;
    const int64_t first = (int64_t)from * LINE;
    ppl__step s = *m->step;
    s.n = (to * LINE < s.n ? to * LINE : s.n) - from * LINE;
    s.value = element(s.value, m->dtype, first);
    s.grad = element((void *)(uintptr_t)s.grad, m->dtype, first);
    for (int i = 0; i < 2; i++)
        s.moment[i] = element(s.moment[i], m->dtype, first);
    m->rule->loop[m->dtype == PPL_F32 ? 0 : 1](&s);
}

/* Moves elements [from, to) of the slab, which have taken `steps` steps. */
static void move_run(ppl_ctx *c, const optimiser *o, const ppl_slab *slab, int64_t from, int64_t to,
                     int64_t steps, double factor)
{
    const double t = (double)(steps + 1);
    ppl__step s = {
        .n = (size_t)(to - from),
        .value = element(slab->value, slab->dtype, from),
        .moment = { element(slab->moment[0], slab->dtype, from),
                    element(slab->moment[1], slab->dtype, from) },
        .grad = element(slab->grad, slab->dtype, from),
        .limit = o->opts.clip_value,
        .factor = factor,
        .decay = o->opts.weight_decay,
        .rate = o->opts.lr * pow(o->opts.lr_decay, t),
        .shrink = 1
    };
    o->rule->prepare(&o->opts, t, &s);
    /* Rounded to 0 it would make 0/0 of elements that never had a gradient. */
    s.epsilon = fmax(s.epsilon, slab->dtype == PPL_F32 ? FLT_MIN : DBL_MIN);
    ppl_maths_split(c, (s.n + LINE - 1) / LINE, LEAST, move_lines,
                    &(move){ o->rule, &s, slab->dtype });
}

static void update(ppl_optim *self, ppl_ctx *c)
{
    const optimiser *o = (const optimiser *)self;
    const ppl_slab slab = ppl_param_slab(c);
    const int64_t padding = 64 / (slab.dtype == PPL_F32 ? 4 : 8);
    const int count = ppl_param_count(c);
    double factor = 1;
    if (isfinite(o->opts.clip_norm)) {
        const double norm = clipped_norm(c, o->opts.clip_value);
        factor = norm > o->opts.clip_norm ? o->opts.clip_norm / norm : 1;
    }
    for (int i = 0, next; i < count; i = next) {
        const ppl_param_info *first = ppl_param_at(c, i), *p = first;
        const int64_t steps = first->steps;
        int64_t end = first->offset + first->count;
        next = i + 1;
        if (!first->touched)
            continue;
        for (; next < count; next++, end = p->offset + p->count) {
            p = ppl_param_at(c, next);
            if (!p->touched || p->steps != steps || p->offset < end ||
                p->offset - end >= padding)
                break;
        }
        move_run(c, o, &slab, first->offset, end, steps, factor);
        for (int k = i; k < next; k++)
            ppl_param_set_steps(c, k, steps + 1);
    }
}

static void release(ppl_ctx *c, void *object)
{
    ppl_persistent_free(c, object, sizeof(optimiser));
}

ppl_optim *ppl__optim_new(ppl_ctx *c, const ppl__rule *rule, const ppl_optim_opts *opts)
{
    static const char key = 0;
    const ppl_optim_opts full = complete(c, rule, opts);
    optimiser *o = ppl_ok(c) ? ppl_persistent_alloc(c, sizeof *o) : NULL;
    if (!o)
        return NULL;
    *o = (optimiser){ { rule->name, update }, rule, full };
    return ppl_own(c, &key, o, release) == PPL_OK ? &o->base : NULL;
}
