/* SPDX-License-Identifier: MIT */
/*
 * search.c - quantiles by search between two numbers (search.h): steps of Newton on the
 * logarithm of the lesser tail, and halvings where they lead out. Elementwise, on tensors,
 * so that any family's tails will do.
 */
#include "search.h"

#include "pointwise.h"

#include <float.h>

/* ---- Between two numbers ----------------------------------------------------------- */

/* The floats or doubles in order as integers, -0 and 0 as one. */
static int64_t key_of(ppl_dtype dtype, double x)
{
    const float narrow = (float)x;
    int32_t half;
    int64_t k;
    if (dtype == PPL_F32) {
        memcpy(&half, &narrow, sizeof half);
        return half < 0 ? (int64_t)INT32_MIN - half : half;
    }
    memcpy(&k, &x, sizeof k);
    return k < 0 ? INT64_MIN - k : k;
}

static double of_key(ppl_dtype dtype, int64_t k)
{
    float narrow;
    double x;
    if (dtype == PPL_F32) {
        const int32_t half = (int32_t)(k < 0 ? INT32_MIN - k : k);
        memcpy(&narrow, &half, sizeof narrow);
        return narrow;
    }
    k = k < 0 ? INT64_MIN - k : k;
    memcpy(&x, &k, sizeof x);
    return x;
}

/* Half way between a and b by the numbers that there are: 64 halvings leave none, however
 * far apart they are, infinite ones included. */
static double middle(ppl_dtype dtype, double a, double b)
{
    const int64_t i = key_of(dtype, a), k = key_of(dtype, b);
    return isnan(a) || isnan(b) ? (double)NAN
                                : of_key(dtype, (i & k) + ((i ^ k) >> 1));
}

/* The same by the integers: a if there is none between. */
static double whole_middle(ppl_dtype dtype, double a, double b)
{
    const double m = floor(middle(dtype, a, b));
    return m > a ? m : floor(a + (b - a) / 2);
}

/* How a search goes on: from x between lo and hi, with the logarithms of the tails and of
 * the density there, and the probabilities that are looked for. */
typedef struct place {
    double lo, hi, x, log_cdf, log_survival, log_p, below, above;
} place;

static place narrow(place p)
{
    const int early = p.below < 0.5 ? p.log_cdf < log(p.below)
                                    : p.log_survival > log(p.above);
    *(early ? &p.lo : &p.hi) = p.x;
    return p;
}

static double epsilon_of(ppl_dtype dtype)
{
    return dtype == PPL_F32 ? (double)FLT_EPSILON : DBL_EPSILON;
}

/* Newton's step on the logarithm of the lesser part; half way where that is far off, as next to
 * a power law's end steps are too short, where it leads out or, of a probability that is not 0,
 * beyond all numbers, and where the logarithms are so large that their difference is but their
 * rounding. */
static double next_number(ppl_dtype dtype, place p)
{
    const int lower = p.below < 0.5;
    const double log_tail = lower ? p.log_cdf : p.log_survival;
    const double off = log_tail - log(lower ? p.below : p.above);
    const double x = p.x + (lower ? -off : off) * exp(log_tail - p.log_p);
    const int near = fabs(off) < 8 && isfinite(x);
    const int sound = fabs(log_tail) * epsilon_of(dtype) < 1e-3 && (near || isinf(off));
    return sound && x >= p.lo && x <= p.hi ? x : middle(dtype, p.lo, p.hi);
}

static double next_integer(ppl_dtype dtype, place p)
{
    return whole_middle(dtype, p.lo, p.hi);
}

/* The attr of a step: set where x still moves by more than its rounding. C code does not
 * read x itself, as all that follows would then count as depending on it. */
typedef struct unrest {
    int *found;
} unrest;

static double notice(const unrest *u, ppl_dtype dtype, double from, double to)
{
    *u->found |= fabs(to - from) > 8 * epsilon_of(dtype) * fabs(to);
    return to;
}

#define PLACE narrow((place){ PPL__IN_4(0), PPL__IN_4(4) })
PPL__POINTWISE_VALUE(lo, 8, "icdf by search", (PLACE).lo)
PPL__POINTWISE_VALUE(hi, 8, "icdf by search", (PLACE).hi)
PPL__POINTWISE_VALUE(number, 8, "icdf by search",
                     notice(s->attr, s->dtype, PPL__IN(2), next_number(s->dtype, PLACE)))
PPL__POINTWISE_VALUE(integer, 8, "icdf by search",
                     notice(s->attr, s->dtype, PPL__IN(2), next_integer(s->dtype, PLACE)))
PPL__POINTWISE_VALUE(start, 2, "icdf by search", middle(s->dtype, PPL__IN_2(0)))
PPL__POINTWISE_VALUE(whole_start, 2, "icdf by search",
                     whole_middle(s->dtype, PPL__IN_2(0)))

PPL__POINTWISE_VALUE(checked, 2, "icdf by search",
                     PPL__IN(1) >= 0 && PPL__IN(1) <= 1 ? PPL__IN(0) : (double)NAN)

enum { STEPS = 64 };

ppl_tensor *ppl__search(const ppl__searched *law, ppl_tensor *low, ppl_tensor *high,
                        ppl_tensor *below, ppl_tensor *above)
{
    ppl_ctx *c = law->d->ctx;
    const int whole = law->whole;
    const unrest u = { ppl_alloc(c, sizeof *u.found) };
    ppl_tensor *in[] = { low ? low : ppl_scalar(c, -INFINITY),
                         high ? high : ppl_scalar(c, INFINITY), NULL, NULL, NULL, NULL,
                         below, above };
    in[2] = ppl_apply(whole ? &whole_start_op : &start_op, in, 2, NULL, 0);
    for (int k = 0; k < STEPS && u.found && (k == 0 || *u.found); k++) {
        const ppl__tails at = law->tails(law, in[2]);
        in[3] = at.log_cdf;
        in[4] = at.log_survival;
        in[5] = whole ? at.log_cdf : law->log_prob(law, in[2]);
        *u.found = 0;
        ppl_tensor *x = ppl_apply(whole ? &integer_op : &number_op, in, 8, &u, sizeof u);
        ppl_tensor *lo = ppl_apply(&lo_op, in, 8, NULL, 0);
        in[1] = ppl_apply(&hi_op, in, 8, NULL, 0);
        in[0] = lo;
        in[2] = x;
    }
    return ppl_apply(&checked_op, (ppl_tensor *[]){ in[whole ? 1 : 2], below }, 2, NULL, 0);
}

/* ---- With a gradient --------------------------------------------------------------- */

int ppl__recording(ppl_ctx *c)
{
    const int was = ppl_set_grad_enabled(c, 0);
    ppl_set_grad_enabled(c, was);
    return was;
}

/* x, which moves as P(X <= x) = below says. Inputs: x, log F, log (1 - F) and log p
 * there, below. */
static double move_slope(int input, double log_cdf, double log_survival, double log_p)
{
    const int lower = log_cdf < log_survival;
    switch (input) {
    case 1:
        return lower ? -exp(log_cdf - log_p) : 0;
    case 2:
        return lower ? 0 : exp(log_survival - log_p);
    case 4:
        return exp(-log_p);
    }
    return 0;
}

PPL__POINTWISE(move, 5, "icdf by search", PPL__IN(0), move_slope(input, PPL__IN_3(1)))

ppl_tensor *ppl__moved(const ppl__searched *law, ppl_tensor *x, ppl_tensor *below)
{
    const ppl__tails at = law->tails(law, x);
    ppl_tensor *in[] = { x, at.log_cdf, at.log_survival, law->log_prob(law, x), below };
    return ppl_apply(&move_op, in, 5, NULL, 0);
}
