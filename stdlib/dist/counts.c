/* SPDX-License-Identifier: MIT */
/*
 * counts.c - masses, draws and quantiles of counts (counts.h).
 *
 * Draws: Poisson by inversion for small rates, else by transformed rejection (PTRS);
 * Binomial by inversion for few expected successes, else BTRS: Hoermann, The Transformed
 * Rejection Method for Generating Poisson Random Variables (1993), and The Generation of
 * Binomial Random Variates (1993). Both accept by the exact mass.
 */
#include "counts.h"

#include "stirling.h"
#include "strides.h"

#include <float.h>

/* ---- Masses ------------------------------------------------------------------------ */

/* x log(x / m) + m - x >= 0, x > 0, by the difference m - x and the logarithms. */
static double deviance(double x, double difference, double log_x, double log_m)
{
    const double t = difference / x;

    return fabs(t) < 0.1 ? -x * ppl__log1p_minus_f64(t)
                         : x * (log_x - log_m) + difference;
}

double ppl__log_poisson_by(double k, double rate, double log_rate)
{
    if (k < 0)
        return -INFINITY;
    if (k == 0)
        return -rate;
    const double log_k = log(k);
    return -ppl__stirling(k) - deviance(k, rate - k, log_k, log_rate) - log_k / 2 -
           PPL__HALF_LOG_TWO_PI;
}

double ppl__log_poisson(double k, double rate)
{
    return ppl__log_poisson_by(k, rate, log(rate));
}

double ppl__log_binomial(double x, double y, double excess, double log_p, double log_q)
{
    if (x == 0)
        return y == 0 ? 0 : y * log_q;
    if (y == 0)
        return x * log_p;
    const double n = x + y, log_x = log(x), log_y = log(y), log_n = log(n);
    return ppl__stirling(n) - ppl__stirling(x) - ppl__stirling(y) -
           deviance(x, -excess, log_x, log_n + log_p) -
           deviance(y, excess, log_y, log_n + log_q) - (log_x + log_y - log_n) / 2 -
           PPL__HALF_LOG_TWO_PI;
}

/* As a quotient of Binomials of one probability, which cancels out: that of k among n by
 * that of a among a + b over that of k + a among all, where it is the mean. */
double ppl__log_beta_binomial(double k, double n, double a, double b)
{
    if (k < 0 || k > n)
        return -INFINITY;
    if (n == 0)
        return isnan(a + b) ? NAN : 0;
    const double rest = n - k, s = a + b, all = n + s;
    const double p = (k + a) / all, q = (rest + b) / all;
    const double log_p = p < 0.5 ? log(p) : log1p(-q), log_q = q < 0.5 ? log(q) : log1p(-p);
    const double excess = k * (b / all) - rest * (a / all);
    return ppl__log_binomial(k, rest, excess, log_p, log_q) +
           ppl__log_binomial(a, b, -excess, log_p, log_q) -
           ppl__log_binomial(k + a, rest + b, 0, log_p, log_q) +
           log(a / s) + log(b / s) - log_p - log_q - log(all / s);
}

double ppl__digamma_difference(double a, double k)
{
    double psi[] = { a + k, a };

    if (a < 10) {
        ppl_maths_digamma(PPL_F64, 2, psi, psi);
        return psi[0] - psi[1];
    }
    return log1p(k / a) + k / a / psi[0] / 2 + ppl__stirling_slope(a + k) -
           ppl__stirling_slope(a);
}

/* ---- Draws ------------------------------------------------------------------------- */

#define FEW 10                              /* expected: by inversion below that */

/* The first k at which the masses add up to more than u. */
static int64_t poisson_by_inversion(double u, double rate)
{
    double mass = exp(-rate), k = 0;

    for (u -= mass; u > 0 && mass > 0; u -= mass)
        mass *= rate / ++k;
    return (int64_t)k;
}

static int64_t poisson_by_rejection(const ppl_rng *rng, uint32_t stream,
                                    uint64_t element, double rate)
{
    const double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
    const double log_scale = log(1.1239 + 1.1328 / (b - 3.4));
    const double inside = 0.9277 - 3.6224 / (b - 2);

    for (uint32_t attempt = 0;; attempt++) {
        double u[2];
        ppl_rng_uniform_pair(rng, stream, element, attempt, u);
        const double side = u[0] - 0.5, edge = 0.5 - fabs(side);
        const double k = floor((2 * a / edge + b) * side + rate + 0.43);
        if (edge >= 0.07 && u[1] <= inside)
            return ppl__count_of(k);
        if (k < 0 || (edge < 0.013 && u[1] > edge))
            continue;
        if (log(u[1]) + log_scale - log(a / (edge * edge) + b) <=
            ppl__log_poisson(k, rate))
            return ppl__count_of(k);
    }
}

int64_t ppl__poisson_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                          double rate)
{
    if (!(rate >= 0))
        return -1;
    if (rate < FEW)
        return poisson_by_inversion(ppl_rng_uniform(rng, stream, element, 0), rate);
    return rate < 0x1p64 ? poisson_by_rejection(rng, stream, element, rate) : INT64_MAX;
}

/* p <= 1/2. */
static double binomial_by_inversion(double u, double total, double p, double q)
{
    const double ratio = p / q;
    double mass = exp(total * log1p(-p)), k = 0;

    for (u -= mass; u > 0 && mass > 0 && k < total; u -= mass) {
        mass *= ratio * (total - k) / (k + 1);
        k++;
    }
    return k;
}

static double binomial_by_rejection(const ppl_rng *rng, uint32_t stream,
                                    uint64_t element, double total, double p, double q)
{
    const double deviation = sqrt(total * p * q), log_p = log(p), log_q = log1p(-p);
    const double b = 1.15 + 2.53 * deviation, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double inside = 0.92 - 4.2 / b, mode = floor((total + 1) * p);
    const double log_scale =
        log((2.83 + 5.1 / b) * deviation) +
        ppl__log_binomial(mode, total - mode, fma(-total, p, mode), log_p, log_q);

    for (uint32_t attempt = 0;; attempt++) {
        double u[2];
        ppl_rng_uniform_pair(rng, stream, element, attempt, u);
        const double side = u[0] - 0.5, edge = 0.5 - fabs(side);
        const double k = floor((2 * a / edge + b) * side + total * p + 0.5);
        if (edge >= 0.07 && u[1] <= inside)
            return k;
        if (k >= 0 && k <= total &&
            log(u[1]) + log_scale - log(a / (edge * edge) + b) <=
                ppl__log_binomial(k, total - k, fma(-total, p, k), log_p, log_q))
            return k;
    }
}

int64_t ppl__binomial_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                           double total, double p, double q)
{
    const double rare = p <= q ? p : q, often = p <= q ? q : p;
    double k;

    if (!(total >= 0 && total <= 0x1p63 && rare >= 0 && often <= 1))
        return -1;
    if (total * rare < FEW)
        k = binomial_by_inversion(ppl_rng_uniform(rng, stream, element, 0), total, rare,
                                  often);
    else
        k = binomial_by_rejection(rng, stream, element, total, rare, often);
    return ppl__count_of(p <= q ? k : total - k);
}

int64_t ppl__gamma_poisson_draw(const ppl_rng *rng, uint32_t stream, uint64_t element,
                                double concentration, double log_scale)
{
    double log_x;

    ppl_rng_gamma(rng, stream + 1, element, concentration, &log_x);
    return ppl__poisson_draw(rng, stream, element, exp(log_x + log_scale));
}

/* ---- Quantiles --------------------------------------------------------------------- */

/* Whether the cdf has reached the probability at k; or, `upper`, the tail above it. */
static int reached(const ppl__count_kind *kind, const ppl__count_dist *d,
                   double probability, int upper, double k)
{
    return upper ? kind->cdf(d, k, 1) <= probability : kind->cdf(d, k, 0) >= probability;
}

/* It is reached at `high`, and not yet at `low`. */
static double bisect(const ppl__count_kind *kind, const ppl__count_dist *d,
                     double probability, int upper, double low, double high)
{
    while (high - low > 1) {
        const double middle = floor(low + (high - low) / 2);
        if (middle <= low || middle >= high)
            break;
        if (reached(kind, d, probability, upper, middle))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* The least count at which it is; NaN unless the probability is from 0 to 1. */
static double quantile(const ppl__count_kind *kind, const ppl__count_dist *d,
                       double probability, int upper)
{
    const double none = kind->cdf(d, 0, 0);
    double mean, deviation, most, low = 0;

    kind->spread(d, &mean, &deviation, &most);
    if (!(probability >= 0 && probability <= 1) || isnan(none))
        return NAN;
    if (reached(kind, d, probability, upper, 0))
        return 0;
    if (probability == !upper)
        return most;
    double high = fmin(fmax(floor(mean), 1), most), step = fmax(floor(deviation), 1);
    if (reached(kind, d, probability, upper, high)) {
        for (double k = high - step; k > low; k -= step, step *= 2) {
            if (reached(kind, d, probability, upper, k))
                high = k;
            else
                low = k;
        }
        return bisect(kind, d, probability, upper, low, high);
    }
    while (high < most && !reached(kind, d, probability, upper, high)) {
        low = high;
        high = fmin(high + step, most);
        step *= 2;
    }
    return bisect(kind, d, probability, upper, low, high);
}

/* ---- Sums of masses ---------------------------------------------------------------- */

/* What is summed: masses, or shares of the entropy by -log p - `shift`; or (input >= 0)
 * their derivatives in that parameter, where the masses' own add up to 0. */
typedef struct summand {
    const ppl__count_kind *kind;
    const ppl__count_dist *d;
    int input, entropy;
    double shift;
} summand;

static double term_of(const void *more, double k)
{
    const summand *s = more;
    const double log_p = s->kind->log_mass(s->d, k), p = exp(log_p);

    if (p == 0)
        return 0;
    return p * (s->entropy ? -log_p - s->shift : 1) *
           (s->input < 0 ? 1 : s->kind->log_mass_slope(s->d, k, s->input));
}

/* Of from <= k < end; apart below and above the mean. */
static double sum_of(const summand *s, double from, double end)
{
    double mean, deviation, most;

    s->kind->spread(s->d, &mean, &deviation, &most);
    if (!isfinite(mean))
        return NAN;
    const double center = fmin(fmax(floor(mean), from), end);
    return ppl__stride_sum(term_of, s, from, center) +
           ppl__stride_sum(term_of, s, center, fmin(end, most + 1));
}

double ppl__count_masses(const ppl__count_kind *kind, const ppl__count_dist *d, int input,
                         double from, double end)
{
    return sum_of(&(summand){ kind, d, input, 0, 0 }, from, end);
}

static double entropy_sum(const ppl__count_kind *kind, const ppl__count_dist *d, int input,
                          double shift)
{
    return sum_of(&(summand){ kind, d, input, 1, shift }, 0, INFINITY);
}

/* ---- Operations -------------------------------------------------------------------- */

/* The attr of a node. */
typedef struct node {
    const ppl__count_kind *kind;
    ppl_rng rng;
    int params;
} node;

/* A formula: an expression of `kind`, the distribution d of element i, its input x[i], and
 * `input` and y. The inputs after the first are the parameters. */
#define EACH(expression)                                                                 \
    const node *at = s->attr;                                                            \
    const ppl__count_kind *kind = at->kind;                                              \
    const double *x = s->in[0];                                                          \
    ppl__count_dist member = { .form = kind->form }, *d = &member;                       \
    double *result = out;                                                                \
    for (size_t i = 0; i < s->n; i++) {                                                  \
        for (int k = 0; k < at->params; k++)                                             \
            d->param[k] = ((const double *)s->in[k + 1])[i];                             \
        result[i] = expression;                                                          \
    }

/* Between counts a distribution function is level. */
static double cdf_at(const ppl__count_kind *kind, const ppl__count_dist *d, double x,
                     int upper)
{
    return x < 0 ? upper : x == INFINITY ? !upper : kind->cdf(d, floor(x), upper);
}

static void log_prob_value(const ppl__span *s, void *out)
{
    EACH(kind->log_mass(d, x[i]))
}

static void log_prob_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(input > 0 && y[i] > -INFINITY ? kind->log_mass_slope(d, x[i], input - 1) : 0)
}

static void cdf_value(const ppl__span *s, void *out)
{
    EACH(cdf_at(kind, d, x[i], 0))
}

static void cdf_slope(const ppl__span *s, int input, void *out)
{
    EACH(input > 0 && x[i] >= 0 && x[i] < INFINITY
             ? kind->cdf_slope(d, floor(x[i]), input - 1) : 0)
}

/* log of a tail from count k on, outwards, where masses fall off fast, or (input >= 0) its
 * derivative in that parameter. */
static double far_tail(const ppl__count_kind *kind, const ppl__count_dist *d, double k,
                       int step, int input)
{
    const double first = kind->log_mass(d, k);
    double sum = 0, slopes = 0, term = 1;

    for (; first > -INFINITY && term > 1e-17 * sum && sum < 1e5 && k < 0x1p53; k += step) {
        term = exp(kind->log_mass(d, k) - first);
        sum += term;
        slopes += input >= 0 && term > 0 ? term * kind->log_mass_slope(d, k, input) : 0;
    }
    return sum == 0 ? (input < 0 ? first : 0) : input < 0 ? first + log(sum) : slopes / sum;
}

/* Whether a tail between counts has too few digits as a double to be taken the logarithm of. */
static int is_far(double x, double tail)
{
    return tail < DBL_MIN && x >= 0 && x < INFINITY;
}

/* log of a tail, by the other one where that is smaller, by its masses where it is less
 * than any double. */
static double log_tail(const ppl__count_kind *kind, const ppl__count_dist *d, double x,
                       int upper)
{
    const double tail = cdf_at(kind, d, x, upper);

    if (is_far(x, tail))
        return far_tail(kind, d, floor(x) + upper, upper ? 1 : -1, -1);
    return tail > 0.5 ? log1p(-cdf_at(kind, d, x, !upper)) : log(tail);
}

/* Its derivative in parameter i, the logarithm being y. */
static double log_tail_slope(const ppl__count_kind *kind, const ppl__count_dist *d, double x,
                             double y, int upper, int i)
{
    if (!(x >= 0 && x < INFINITY))
        return 0;
    if (is_far(x, exp(y)))
        return far_tail(kind, d, floor(x) + upper, upper ? 1 : -1, i);
    return (upper ? -1 : 1) * kind->cdf_slope(d, floor(x), i) * exp(-y);
}

static void log_cdf_value(const ppl__span *s, void *out)
{
    EACH(log_tail(kind, d, x[i], 0))
}

static void log_cdf_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(input > 0 ? log_tail_slope(kind, d, x[i], y[i], 0, input - 1) : 0)
}

static void log_survival_value(const ppl__span *s, void *out)
{
    EACH(log_tail(kind, d, x[i], 1))
}

static void log_survival_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(input > 0 ? log_tail_slope(kind, d, x[i], y[i], 1, input - 1) : 0)
}

static void icdf_value(const ppl__span *s, void *out)
{
    EACH(quantile(kind, d, x[i], 0))
}

static void inverse_survival_value(const ppl__span *s, void *out)
{
    EACH(quantile(kind, d, x[i], 1))
}

/* Of no x. */
static void entropy_value(const ppl__span *s, void *out)
{
    EACH(((void)x, entropy_sum(kind, d, -1, 0)))
}

static void entropy_slope(const ppl__span *s, int input, void *out)
{
    const double *y = s->y;
    EACH(((void)x, input > 0 ? entropy_sum(kind, d, input - 1, y[i]) : 0))
}

static const ppl__formula log_prob_formula = PPL__IN_DOUBLE(-1, log_prob_value, log_prob_slope);
static const ppl__formula cdf_formula = PPL__IN_DOUBLE(-1, cdf_value, cdf_slope);
static const ppl__formula log_cdf_formula = PPL__IN_DOUBLE(-1, log_cdf_value, log_cdf_slope);
static const ppl__formula log_survival_formula = PPL__IN_DOUBLE(-1, log_survival_value, log_survival_slope);
static const ppl__formula icdf_formula = PPL__VALUE_IN_DOUBLE(-1, icdf_value);
static const ppl__formula inverse_survival_formula =
    PPL__VALUE_IN_DOUBLE(-1, inverse_survival_value);
static const ppl__formula entropy_formula = PPL__IN_DOUBLE(-1, entropy_value, entropy_slope);
PPL__FORMULA_OP(log_prob_op, "log_prob of counts", log_prob_formula)
PPL__FORMULA_OP(cdf_op, "cdf of counts", cdf_formula)
PPL__FORMULA_OP(log_cdf_op, "log_cdf of counts", log_cdf_formula)
PPL__FORMULA_OP(log_survival_op, "log_survival of counts", log_survival_formula)
PPL__FORMULA_OP(entropy_op, "entropy of counts", entropy_formula)
PPL__FORMULA_ROW(icdf_op, "icdf of counts", icdf_formula, NULL)
PPL__FORMULA_ROW(inverse_survival_op, "inverse_survival of counts",
                 inverse_survival_formula, NULL)

static ppl_tensor *apply(const ppl_op *op, const ppl_dist *d, ppl_tensor *x)
{
    const node attr = { .kind = d->attr, .params = d->family->params };
    ppl_tensor *in[PPL__MAX_INPUTS] = { x };

    for (int k = 0; k < attr.params; k++)
        in[k + 1] = d->param[k];
    return ppl_apply(op, in, attr.params + 1, &attr, sizeof attr);
}

ppl_tensor *ppl__count_log_prob(const ppl_dist *d, ppl_tensor *x)
{
    return apply(&log_prob_op, d, x);
}

ppl_tensor *ppl__count_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return apply(&cdf_op, d, x);
}

ppl_tensor *ppl__count_log_cdf(const ppl_dist *d, ppl_tensor *x)
{
    return apply(&log_cdf_op, d, x);
}

ppl_tensor *ppl__count_log_survival(const ppl_dist *d, ppl_tensor *x)
{
    return apply(&log_survival_op, d, x);
}

ppl_tensor *ppl__count_icdf(const ppl_dist *d, ppl_tensor *probability)
{
    return apply(&icdf_op, d, probability);
}

ppl_tensor *ppl__count_inverse_survival(const ppl_dist *d, ppl_tensor *probability)
{
    return apply(&inverse_survival_op, d, probability);
}

ppl_tensor *ppl__count_entropy(const ppl_dist *d)
{
    return apply(&entropy_op, d, ppl_scalar(d->ctx, 0));
}

/* Draws are integers, of the shape of the parameters. */
static ppl_status sample_rule(const ppl_op *op, ppl_tensor *const *inputs, int count,
                              void *attr, ppl_dtype *dtype, ppl_shape *shape)
{
    (void)op, (void)count, (void)attr;
    *dtype = PPL_I64;
    *shape = ppl_tensor_shape(inputs[0]);
    return PPL_OK;
}

static void sample_forward(ppl_tensor *out)
{
    const node *at = ppl_op_attr(out);
    const size_t n = (size_t)ppl_numel(out);
    ppl__count_dist d = { .form = at->kind->form };
    int64_t *y = ppl_result(out);

    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < at->params; k++)
            d.param[k] = ppl__count_at(ppl_op_input(out, k), ppl_operand(out, k), i);
        y[i] = at->kind->draw(&d, &at->rng, i);
    }
}

static const ppl_op sample_op = {
    .name = "sample of counts", .inputs = -1, .shape = sample_rule,
    .forward = sample_forward
};

ppl_tensor *ppl__count_sample(const ppl_dist *d, const ppl_rng *rng)
{
    const node attr = { d->attr, *rng, d->family->params };
    ppl_tensor *in[PPL__COUNT_PARAMS];

    for (int k = 0; k < attr.params; k++)
        in[k] = ppl__whole_param(d, k);
    return ppl_apply(&sample_op, in, attr.params, &attr, sizeof attr);
}

/* ---- Supports ---------------------------------------------------------------------- */

double ppl__count_at(const ppl_tensor *t, const void *elements, size_t i)
{
    switch (ppl_tensor_dtype(t)) {
    case PPL_F32:
        return ((const float *)elements)[i];
    case PPL_F64:
        return ((const double *)elements)[i];
    default:
        return (double)((const int64_t *)elements)[i];
    }
}

ppl_tensor *ppl__integers_from(ppl_ctx *c, int64_t low, int64_t high)
{
    const int64_t n = high - low + 1;
    int64_t *k = n > 0 ? ppl_alloc(c, (size_t)n * sizeof *k) : NULL;

    for (int64_t i = 0; k && i < n; i++)
        k[i] = low + i;
    return k ? ppl_wrap(c, PPL_I64, PPL_SHAPE(n), k) : NULL;
}

int ppl__same_throughout(const ppl_dist *d, int i, double *value)
{
    const ppl_tensor *t = d->param[i];
    const void *elements = ppl_data(t);
    const size_t n = (size_t)ppl_numel(t);

    *value = n > 0 ? ppl__count_at(t, elements, 0) : 0;
    for (size_t k = 1; k < n; k++)
        if (ppl__count_at(t, elements, k) != *value) {
            ppl_fail(d->ctx, PPL_EUNSUPPORTED, "%s: its values can be listed only where %s "
                     "is the same throughout", d->family->name,
                     d->family->param_name[i]);
            return 0;
        }
    return 1;
}
