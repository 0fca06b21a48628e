/* SPDX-License-Identifier: MIT */
/*
 * gamma.c - Gamma(concentration a, rate b) on x >= 0, a > 0, b > 0.
 *
 *   log p(x)   a log b + (a - 1) log x - b x - log Gamma(a)
 *              = log(b / sqrt z) - log(2 pi) / 2 - r(z) - t - (a - 1) e(t), z = a,
 *              t = b x / z - 1; less t + log(z / a), z = a + 1, where a < 1
 *   P(X <= x)  P(a, b x), the incomplete gamma function
 *   mean a/b, variance a/b^2
 *   entropy    a - log b + log Gamma(a) + (1 - a) psi(a)
 *              = log(a) / 2 - log b + log(2 pi) / 2 + r(a) + (a - 1) (log a - psi(a))
 *   draw       Gamma(a, 1) / b; dx/db = -x/b, dx/da by implicit differentiation
 *              (ppl_maths_gamma_slope)
 *   KL(q||p)   (a_q - a_p) psi(a_q) - log Gamma(a_q) + log Gamma(a_p)
 *              + a_p log(b_q / b_p) + a_q (b_p / b_q - 1)
 *              = a_p (m - 1 - log m) + (t - log(1 + t)) / 2 + r(a_p) - r(a_q) - (a_p - a_q)
 *              r'(a_q),  m = a_q b_p / (b_q a_p), t = (a_p - a_q) / a_q
 *
 * With e(t) = t - log(1 + t) and what Stirling's formula leaves (gamma_terms.h) nothing
 * grows as a log a and cancels, so that float suffices for float; b x - a is taken in double.
 * At the ends of the support and of the dtype's range the first form is worked in double, as
 * is all but log_prob. A draw that would underflow is the least normal number, so that its
 * log_prob is finite.
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 1994,
 * chapter 17.
 */
#ifdef REAL

/* What is left of the parameters, with w = 1 / z: log(b^2 w) / 2, plus log(a w) where a < 1,
 * - log(2 pi) / 2 - r(z), and w; once where both are single. Where an argument is not plain,
 * w is 0 and 1 is returned. */
static int LOOP(level)(const ppl__span *s, REAL *restrict level, REAL *restrict inverse)
{
    const REAL *a = s->in[1], *b = s->in[2];
    const size_t n = (s->single & 6) == 6 ? 1 : s->n;
    int odd = 0;

    PPL__EACH_OF(i, n) {
        const REAL w = 1 / (a[i] < 1 ? a[i] + 1 : a[i]);
        const REAL root = (a[i] < 1 ? a[i] * w : 1) * b[i], q = root * root * w;
        level[i] = LOGS(log, q) / 2 - ((REAL)PPL__HALF_LOG_TWO_PI + w * STIRLING(rest, w));
        inverse[i] = IS_PLAIN(q) ? w : 0;
        odd |= !IS_PLAIN(q);
    }
    if (n < s->n) {
        s->repeat[DTYPE](s->n, level, level);
        s->repeat[DTYPE](s->n, inverse, inverse);
    }
    return odd;
}

static void LOOP(lambda)(ppl_dtype dtype, size_t n, const void *shape, void *out)
{
    const REAL *a = shape;
    REAL *restrict y = out;

    PPL__EACH_OF(i, n) {
        const REAL w = 1 / (a[i] < 1 ? a[i] + 1 : a[i]);
        y[i] = w * ((REAL)0.5 + w * STIRLING(fall, w)) + (a[i] < 1 ? 1 / a[i] : 0);
    }
    (void)dtype;
}

/* Where the value leaves log r to the slope by a; `room` if that is not asked for. */
static REAL *LOOP(kept)(const ppl__span *s, REAL *room)
{
    REAL *log_r = ((const log_prob_attr *)s->attr)->log_r;
    return log_r ? log_r + s->start : room;
}

static void LOOP(log_prob)(const ppl__span *s, void *out)
{
    const REAL *x = s->in[0], *a = s->in[1], *b = s->in[2];
    REAL *restrict y = out, r[PPL__SPAN], w[PPL__SPAN], room[PPL__SPAN];
    REAL *restrict log_r = LOOP(kept)(s, room);
    int odd = LOOP(level)(s, y, w);

    PPL__EACH(i, s) {
        const REAL z = a[i] < 1 ? a[i] + 1 : a[i], t = LESS(b[i], x[i], z) * w[i];
        r[i] = b[i] * x[i] * w[i];
        y[i] -= (a[i] - 1) * LOGS(log_excess, r[i], t, &log_r[i]) + (a[i] < 1 ? 2 * t : t);
        odd |= !(IS_PLAIN(r[i]) && IS_PLAIN(b[i] * x[i]));
    }
    for (size_t i = 0; odd && i < s->n; i++)
        if (!(IS_PLAIN(r[i]) && IS_PLAIN(b[i] * x[i]))) {
            y[i] = (REAL)log_prob_at((double)x[i], (double)a[i], (double)b[i]);
            log_r[i] = (REAL)log((double)b[i] * x[i] / (a[i] < 1 ? a[i] + 1 : a[i]));
        }
}

static void LOOP(log_prob_slopes)(const ppl__span *s, void *const *d)
{
    const REAL *x = s->in[0], *a = s->in[1], *b = s->in[2];
    REAL *restrict dx = d[0], *restrict da = d[1], *restrict db = d[2];
    int odd = 0;

    PPL__EACH(i, s) {                       /* 1 / x is b p, 1 / b is x p */
        const REAL p = 1 / (b[i] * x[i]), beyond = LESS(b[i], x[i], a[i]);
        dx[i] = a[i] == 1 ? -b[i] : LESS(b[i], x[i], a[i] - 1) * (-b[i] * p);
        db[i] = beyond * (-x[i] * p);
        odd |= !(IS_PLAIN(b[i] * x[i]) && IS_PLAIN(p));
    }
    if (s->due & 2) {                       /* often it is not; log r is right for all r */
        const REAL *log_r = LOOP(kept)(s, NULL);
        const REAL *lambda = MAPPED(lambda, s, 1, da);
        PPL__EACH(i, s)
            da[i] = lambda[i] + log_r[i];
    }
    for (size_t i = 0; odd && i < s->n; i++) {
        const REAL y = b[i] * x[i];
        if (IS_PLAIN(y) && IS_PLAIN(1 / y))
            continue;
        dx[i] = (REAL)log_prob_slope_at(0, (double)x[i], (double)a[i], (double)b[i]);
        da[i] = (REAL)log_prob_slope_at(1, (double)x[i], (double)a[i], (double)b[i]);
        db[i] = (REAL)log_prob_slope_at(2, (double)x[i], (double)a[i], (double)b[i]);
    }
}

#else

#include "gamma_terms.h"

#include <float.h>

static double log_prob_at(double x, double a, double b)
{
    const double power = a == 1 ? 0 : (a - 1) * log(x);
    return x < 0 ? -INFINITY : a * log(b) + power - b * x - ppl_maths_lgamma_at(a);
}

static double log_prob_slope_at(int input, double x, double a, double b)
{
    if (x < 0)
        return 0;
    return input == 0 ? (a == 1 ? 0 : (a - 1) / x) - b
           : input == 1 ? log(b) + log(x) - ppl_maths_digamma_at(a) : a / b - x;
}

/* Whether a number of either dtype is in its range and not 0. */
#define IS_PLAIN(r)                                                                      \
    ((r) >= (REAL)(sizeof(REAL) == sizeof(float) ? FLT_MIN : DBL_MIN) &&                  \
     (r) <= (REAL)(sizeof(REAL) == sizeof(float) ? FLT_MAX : DBL_MAX))

/* log r of every element, where the concentration has a gradient: cheaper to keep than to make
 * again. */
typedef struct log_prob_attr {
    void *log_r;
} log_prob_attr;

#define LOOPS "gamma.c"
#include "loops.h"

typedef struct draw_attr {
    const ppl_shape *shape;
    ppl_rng rng;
} draw_attr;

static void draw_value(const ppl__span *s, void *out)
{
    const double *a = s->in[0], *b = s->in[1];
    const double least = s->dtype == PPL_F32 ? (double)FLT_MIN : DBL_MIN;
    const draw_attr *attr = s->attr;
    double *y = out;

    ppl_rng_gammas(&attr->rng, 0, s->start, s->n, a, s->single & 1, y, NULL);
    for (size_t i = 0; i < s->n; i++) {
        const double x = y[i] / b[i];
        y[i] = x < least ? least : x;
    }
}

static void draw_slope(const ppl__span *s, int input, void *slope)
{
    const double *a = s->in[0], *b = s->in[1], *y = s->y;
    double *d = slope;

    for (size_t i = 0; i < s->n; i++) {
        const double x = y[i] * b[i];
        d[i] = input == 1 ? -y[i] / b[i] : y[i] * ppl_maths_gamma_slope(a[i], x, log(x));
    }
}

static double entropy(double a, double b)
{
    return log(a) / 2 - log(b) + PPL__HALF_LOG_TWO_PI + ppl__stirling(a) +
           (a - 1) * ppl__lambda(a);
}

static double entropy_slope(int input, double a, double b)
{
    return input == 0 ? -ppl__trigamma_excess(a, 1) : -1 / b;
}

/* q's mean over p's, and that less 1: from the differences where the means are close. */
typedef struct mean_ratio {
    double m, less_1;
} mean_ratio;

static mean_ratio mean_ratio_of(double a_q, double b_q, double a_p, double b_p)
{
    const double m = a_q / b_q * (b_p / a_p);
    return (mean_ratio){ m, m > 0.5 && m < 2 ? (a_q - a_p) / a_p * (b_p / b_q) +
                                                (b_p - b_q) / b_q : m - 1 };
}

static double kl(double a_q, double b_q, double a_p, double b_p)
{
    const mean_ratio r = mean_ratio_of(a_q, b_q, a_p, b_p);
    return a_p * ppl__excess_of(r.less_1, r.m) +
           ppl__excess_of((a_p - a_q) / a_q, a_p / a_q) / 2 +
           ppl__stirling_divergence(a_q, a_p);
}

static double kl_slope(int input, double a_q, double b_q, double a_p, double b_p)
{
    const mean_ratio r = mean_ratio_of(a_q, b_q, a_p, b_p);
    switch (input) {
    case 0:
        return a_p / a_q * r.less_1 +
               (a_q - a_p) * (0.5 / (a_q * a_q) + ppl__trigamma_rest(a_q));
    case 1:
        return -a_p / b_q * r.less_1;
    case 2:
        return ppl__lambda(a_q) - ppl__lambda(a_p) -
               (fabs(r.less_1) < 0.5 ? log1p(r.less_1) : log(r.m));
    }
    return a_p / b_p * r.less_1;
}

static const ppl__formula log_prob_formula =
    PPL__FUSED_LOOPS(3, log_prob, log_prob_slopes);
static const ppl__formula draw_formula = PPL__IN_DOUBLE(2, draw_value, draw_slope);
PPL__FORMULA_OP(log_prob_op, "gamma log_prob", log_prob_formula)
PPL__DRAW_OP(draw_op, "gamma sample", draw_formula)

static double log_tail(int upper, double x, double a, double b)
{
    if (x <= 0 || isinf(x))
        return (x <= 0) == upper ? 0 : -INFINITY;
    return ppl__gamma_log_tail(upper, b * x, a, NULL);
}

static double log_tail_slope(int input, int upper, double x, double a, double b)
{
    double slope[2];
    if (!(x > 0 && x < INFINITY))
        return 0;
    ppl__gamma_log_tail(upper, b * x, a, slope);
    return input == 1 ? slope[1] : slope[0] / (input == 0 ? x : b);
}

static double quantile(int upper, double p, double a, double b)
{
    return (upper ? ppl_maths_gamma_q_inverse(a, p) : ppl_maths_gamma_p_inverse(a, p)) / b;
}

PPL__TAILS(2, "gamma")
PPL__QUANTILES(2, "gamma")
PPL__MOMENT(2, "gamma", entropy)
PPL__KL(2, "gamma")

static ppl_tensor *sample(const ppl_dist *d, const ppl_rng *rng)
{
    const draw_attr attr = { &d->shape, *rng };
    return ppl_apply(&draw_op, d->param, 2, &attr, sizeof attr);
}

/* Of x and d broadcast to each other. */
static size_t elements_of(const ppl_dist *d, const ppl_tensor *x)
{
    const ppl_shape s = ppl_tensor_shape(x);
    size_t n = 1;

    for (int a = 1; a <= s.rank || a <= d->shape.rank; a++) {
        const int64_t own = a <= s.rank ? s.dim[s.rank - a] : 1;
        const int64_t other = a <= d->shape.rank ? d->shape.dim[d->shape.rank - a] : 1;
        n *= (size_t)(own == 1 ? other : own);
    }
    return n;
}

static ppl_tensor *log_prob(const ppl_dist *d, ppl_tensor *x)
{
    ppl_tensor *in[] = { x, d->param[0], d->param[1] };
    log_prob_attr attr = { NULL };

    if (ppl_requires_grad(d->param[0]) &&
        !(attr.log_r = ppl_alloc_raw(d->ctx, elements_of(d, x) * sizeof(double))))
        return NULL;
    return ppl_apply(&log_prob_op, in, 3, &attr, sizeof attr);
}

static ppl_tensor *mean(const ppl_dist *d)
{
    return ppl_div(d->param[0], d->param[1]);
}

static ppl_tensor *variance(const ppl_dist *d)
{
    return ppl_div(mean(d), d->param[1]);
}

ppl_dist *ppl_gamma(ppl_tensor *concentration, ppl_tensor *rate)
{
    ppl_tensor *params[] = { concentration, rate };
    return ppl_dist_make(&ppl_family_gamma, params, NULL);
}

const ppl_family ppl_family_gamma = {
    .name = "gamma",
    .params = 2,
    .param_name = { "concentration", "rate" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob,
    .entropy = entropy_of,
    .mean = mean,
    .variance = variance,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};

#endif
