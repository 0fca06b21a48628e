/* SPDX-License-Identifier: MIT */
/*
 * student_t.c - StudentT(df, loc, scale) on the real line, df > 0, scale > 0.
 *
 *   log p(x)   -(df + 1) / 2 log(1 + z^2 / df) - log B(df/2, 1/2) - log(df) / 2 - log scale,
 *              z = (x - loc) / scale
 *   P(X > x)   I_w(df/2, 1/2) / 2 above loc, w = df / (df + z^2): the incomplete beta function
 *   mean loc, NaN where df <= 1; variance scale^2 df / (df - 2), infinite where 1 < df <= 2,
 *              NaN below
 *   entropy    (df + 1) / 2 D + log(df) / 2 + log B(df/2, 1/2) + log scale,
 *              D = psi((df + 1) / 2) - psi(df / 2)
 *   draw       loc + scale eps / sqrt(2 g / df), eps standard normal, g of Gamma(df/2, 1);
 *              d/d df by implicit differentiation of g (ppl_maths_gamma_slope)
 *
 * Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 2, 1995,
 * chapter 28.
 */
#include "gamma_terms.h"

/* psi(a + 1/2) - psi(a) - 1 / (2 a), for large a by its asymptotic series, and its
 * derivative. */
static double half_step(double a)
{
    const double w = 1 / (a * a);
    if (a < 12)
        return ppl_maths_digamma_at(a + 0.5) - ppl_maths_digamma_at(a) - 0.5 / a;
    return w * (1.0 / 8 - w * (1.0 / 64 - w * (1.0 / 128 - w * (17.0 / 2048 - w *
           (31.0 / 2048 - w * (691.0 / 16384))))));
}

static double half_step_slope(double a)
{
    const double w = 1 / (a * a);
    if (a < 12)
        return ppl_maths_trigamma_at(a + 0.5) - ppl_maths_trigamma_at(a) + w / 2;
    return -w / a * (1.0 / 4 - w * (1.0 / 16 - w * (3.0 / 64 - w * (17.0 / 256 - w *
           (155.0 / 1024 - w * (2073.0 / 4096))))));
}

/* z^2 / (df + z^2) and df / (df + z^2). */
static void split(double z, double df, double *v, double *w)
{
    const double u = z / df * z;
    *v = u < 1 ? u / (1 + u) : 1 / (1 + 1 / u);
    *w = u < 1 ? 1 / (1 + u) : 1 / u / (1 + 1 / u);
}

/* log(1 + z^2 / df). */
static double log_far(double z, double df)
{
    return z > 1e150 ? 2 * log(z) - log(df) : log1p(z / df * z);
}

static double log_prob(double x, double df, double loc, double scale)
{
    return -(df + 1) / 2 * log_far(fabs(x - loc) / scale, df) -
           ppl_maths_log_beta(df / 2, 0.5) - log(df) / 2 - log(scale);
}

static double log_prob_slope(int input, double x, double df, double loc, double scale)
{
    const double z = (x - loc) / scale;
    double v, w;

    split(z, df, &v, &w);
    switch (input) {
    case 0:
        return -(df + 1) * (z / df * w) / scale;
    case 1:
        if (v < 0.5)
            return (half_step(df / 2) + ppl__log1p_rest(-v) + v / df) / 2;
        return (half_step(df / 2) - log_far(fabs(z), df) + (df + 1) / df * v) / 2;
    case 2:
        return (df + 1) * (z / df * w) / scale;
    }
    return ((df + 1) * v - 1) / scale;
}

static double log_tail(int upper, double x, double df, double loc, double scale)
{
    const double z = (upper ? 1 : -1) * (x - loc) / scale;
    double v, w;
    split(z, df, &v, &w);
    const double log_beyond = ppl__beta_log_tail(0, w, v, df / 2, 0.5, NULL) - PPL__LOG_TWO;
    return z > 0 ? log_beyond : log1p(-exp(log_beyond));
}

/* Beyond |z| there is I_w / 2, and logit w = log df - 2 log |z|. */
static double log_tail_slope(int input, int upper, double x, double df, double loc,
                             double scale)
{
    const double z = (x - loc) / scale, sign = upper ? -1 : 1;
    const double log_t = log_tail(upper, x, df, loc, scale);
    double v, w, slope[3];

    split(z, df, &v, &w);
    const double log_beyond = ppl__beta_log_tail(0, w, v, df / 2, 0.5, slope) - PPL__LOG_TWO;
    const double share = (z > 0) == upper ? 1 : -exp(log_beyond - log_t);
    const double by_x = log_t < log(PPL__FAR_TAIL)
                            ? -2 * slope[0] / (x - loc)
                            : sign * exp(log_prob(x, df, loc, scale) - log_t);

    if (input == 1)
        return share * (slope[1] / 2 + slope[0] / df);
    return input == 0 ? by_x : input == 2 ? -by_x : -by_x * z;
}

/* A first value by the inverse of I, which has not all digits of 1 - w, then Newton's
 * method on the logarithm of the tail. */
static double quantile(int upper, double p, double df, double loc, double scale)
{
    const int above = p < 0.5;
    const double tail = above ? p : 1 - p;
    double w = ppl_maths_beta_i_inverse(df / 2, 0.5, 2 * tail), v = 1 - w;

    if (tail == 0)
        return upper == above ? INFINITY : -INFINITY;
    if (w > 0.5 && tail > 0.01) {
        v = ppl_maths_beta_i_inverse(0.5, df / 2, 1 - 2 * tail);
        w = 1 - v;
    }
    double z = sqrt(df) * sqrt(v / w);
    for (int k = 0; k < 2 && z > 0 && z < INFINITY; k++) {
        const double step = (log_tail(1, z, df, 0, 1) - log(tail)) /
                            log_tail_slope(0, 1, z, df, 0, 1);
        z -= fabs(step) < z / 2 ? step : 0;
    }
    return loc + scale * (upper == above ? z : -z);
}

static double unit_draw(const ppl_rng *rng, uint64_t element, double df, double *log_g)
{
    double eps[2];
    ppl_rng_gamma(rng, 0, element, df / 2, log_g);
    ppl_rng_normal_pair(rng, 3, element, 0, eps);
    return eps[0] * exp((log(df / 2) - *log_g) / 2);
}

static double draw(const ppl_rng *rng, uint64_t element, double df, double loc, double scale)
{
    double log_g;
    return loc + scale * unit_draw(rng, element, df, &log_g);
}

static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element, double df,
                         double loc, double scale)
{
    double log_g;
    const double z = unit_draw(rng, element, df, &log_g);

    (void)x, (void)loc;
    if (input == 0)
        return scale * z *
               (0.5 / df - ppl_maths_gamma_slope(df / 2, exp(log_g), log_g) / 4);
    return input == 1 ? 1 : z;
}

static double mean(double df, double loc, double scale)
{
    (void)scale;
    return df > 1 ? loc : (double)NAN;
}

static double mean_slope(int input, double df, double loc, double scale)
{
    (void)loc, (void)scale;
    return input == 1 && df > 1;
}

static double variance(double df, double loc, double scale)
{
    (void)loc;
    return df > 2 ? scale * scale * df / (df - 2) : df > 1 ? INFINITY : (double)NAN;
}

static double variance_slope(int input, double df, double loc, double scale)
{
    (void)loc;
    if (input == 1 || !(df > 2))
        return 0;
    return input == 2 ? 2 * scale * df / (df - 2)
                      : -2 * scale * scale / ((df - 2) * (df - 2));
}

static double entropy(double df, double loc, double scale)
{
    (void)loc;
    return (df + 1) / 2 * (half_step(df / 2) + 1 / df) + log(df) / 2 +
           ppl_maths_log_beta(df / 2, 0.5) + log(scale);
}

static double entropy_slope(int input, double df, double loc, double scale)
{
    const double a = df / 2;
    (void)loc;
    if (input > 0)
        return input == 1 ? 0 : 1 / scale;
    return ((a + 0.5) * half_step_slope(a) - 0.25 / (a * a)) / 2;
}

PPL__LOG_PROB(3, "student_t")
PPL__TAILS(3, "student_t")
PPL__QUANTILES(3, "student_t")
PPL__DRAWS_OF_RNG(3, "student_t")
PPL__MOMENT(3, "student_t", mean)
PPL__MOMENT(3, "student_t", variance)
PPL__MOMENT(3, "student_t", entropy)

ppl_dist *ppl_student_t(ppl_tensor *df, ppl_tensor *loc, ppl_tensor *scale)
{
    ppl_tensor *params[] = { df, loc, scale };
    return ppl_dist_make(&ppl_family_student_t, params, NULL);
}

const ppl_family ppl_family_student_t = {
    .name = "student_t",
    .params = 3,
    .param_name = { "df", "loc", "scale" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_real,
                          &ppl_constraint_positive },
    .support = &ppl_constraint_real,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
