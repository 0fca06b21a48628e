/* SPDX-License-Identifier: MIT */
/*
 * beta_proportion.c - BetaProportion(mean m, concentration k) on [0,1], 0 < m < 1, k > 0: the
 * Beta of concentrations a = m k and b = (1 - m) k.
 *
 *   log p(x)   (a - 1) log x + (b - 1) log(1 - x) - log B(a, b), by gamma_terms.h
 *   P(X <= x)  I_x(a, b), the incomplete beta function
 *   mean m, variance m (1 - m) / (k + 1)
 *   entropy, KL    those of the Beta (beta.c)
 *   draw       g1 / (g1 + g0), g1 of Gamma(a, 1), g0 of Gamma(b, 1) (ppl_rng_gamma)
 *
 * Parameters as in numpyro.distributions.BetaProportion.
 * Source: Ferrari, Cribari-Neto, Beta regression for modelling rates and proportions, 2004.
 */
#include "gamma_terms.h"

static ppl__beta_point point_of(double x, double m)
{
    return (ppl__beta_point){ (x - m) / m, x / m, (m - x) / (1 - m), (1 - x) / (1 - m) };
}

/* (c - 1) log y with 0 log 0 = 0. */
static double power(double c, double log_y)
{
    return c == 1 ? 0 : (c - 1) * log_y;
}

static double log_prob(double x, double m, double k)
{
    const double a = m * k, b = (1 - m) * k;
    const ppl__beta_point p = point_of(x, m);
    if (x <= 0 || x >= 1)
        return x < 0 || x > 1 ? -INFINITY
               : power(a, log(x)) + power(b, log1p(-x)) - ppl_maths_log_beta(a, b);
    return ppl__beta_kernel(a, b, &p) - log(x) - log1p(-x);
}

/* d/da, d/db of the kernel at a fixed x, less lambda(k). */
static double score_1(double x, double m, double k)
{
    return ppl__log_ratio(x, m) + ppl__lambda(m * k);
}

static double score_0(double x, double m, double k)
{
    return ppl__log_ratio(1 - x, 1 - m) + ppl__lambda((1 - m) * k);
}

static double log_prob_slope(int input, double x, double m, double k)
{
    if (!(x >= 0 && x <= 1))
        return 0;
    if (input == 0)
        return power(m * k, 1 / x) - power((1 - m) * k, 1 / (1 - x));
    if (input == 1)
        return k * (score_1(x, m, k) - score_0(x, m, k));
    return m * score_1(x, m, k) + (1 - m) * score_0(x, m, k) - ppl__lambda(k);
}

/* From derivatives in a and b. */
static double by_param(int input, double m, double k, double by_a, double by_b)
{
    return input == 0 ? k * (by_a - by_b) : m * by_a + (1 - m) * by_b;
}

static double log_tail(int upper, double x, double m, double k)
{
    const double a = m * k, b = (1 - m) * k;
    if (x <= 0 || x >= 1)
        return (x <= 0) == upper ? 0 : -INFINITY;
    return ppl__beta_log_tail(upper, x, 1 - x, a, b, NULL);
}

static double log_tail_slope(int input, int upper, double x, double m, double k)
{
    double slope[3];
    if (!(x > 0 && x < 1))
        return 0;
    ppl__beta_log_tail(upper, x, 1 - x, m * k, (1 - m) * k, slope);
    return input == 0 ? slope[0] / (x * (1 - x))
                      : by_param(input - 1, m, k, slope[1], slope[2]);
}

static double quantile(int upper, double p, double m, double k)
{
    return ppl__beta_quantile(upper, p, m * k, (1 - m) * k);
}

/* logit x = log g1 - log g0; dx/da = x (1 - x) d log g1 / da, and -x (1 - x) d log g0 / db. */
static double draw_logit(const ppl_rng *rng, uint64_t element, double m, double k,
                         double log_g[2])
{
    ppl_rng_gamma(rng, 0, element, m * k, &log_g[0]);
    ppl_rng_gamma(rng, 3, element, (1 - m) * k, &log_g[1]);
    return log_g[0] - log_g[1];
}

static double draw(const ppl_rng *rng, uint64_t element, double m, double k)
{
    double log_g[2];
    return ppl_maths_sigmoid_at(draw_logit(rng, element, m, k, log_g));
}

static double draw_slope(int input, double x, const ppl_rng *rng, uint64_t element, double m,
                         double k)
{
    double log_g[2];
    const double logit = draw_logit(rng, element, m, k, log_g), e = exp(-fabs(logit));
    const double by_1 = ppl_maths_gamma_slope(m * k, exp(log_g[0]), log_g[0]);
    const double by_0 = ppl_maths_gamma_slope((1 - m) * k, exp(log_g[1]), log_g[1]);

    (void)x;
    return e / ((1 + e) * (1 + e)) * (input == 0 ? k * (by_1 + by_0) : m * by_1 - (1 - m) * by_0);
}

static double variance(double m, double k)
{
    return m * (1 - m) / (k + 1);
}

static double variance_slope(int input, double m, double k)
{
    return input == 0 ? (1 - 2 * m) / (k + 1) : -variance(m, k) / (k + 1);
}

static double entropy(double m, double k)
{
    return ppl__beta_entropy(m * k, (1 - m) * k);
}

static double entropy_slope(int input, double m, double k)
{
    return by_param(input, m, k, ppl__beta_entropy_slope(m * k, k),
                    ppl__beta_entropy_slope((1 - m) * k, k));
}

/* KL of two Betas. */
static double kl(double m_q, double k_q, double m_p, double k_p)
{
    return ppl__beta_kl(m_q * k_q, (1 - m_q) * k_q, m_p * k_p, (1 - m_p) * k_p);
}

static double kl_slope(int input, double m_q, double k_q, double m_p, double k_p)
{
    const int of_p = input >= 2;
    const double by_a = ppl__dirichlet_kl_slope(of_p, m_q * k_q, k_q, m_p * k_p, k_p);
    const double by_b =
        ppl__dirichlet_kl_slope(of_p, (1 - m_q) * k_q, k_q, (1 - m_p) * k_p, k_p);
    return by_param(input % 2, of_p ? m_p : m_q, of_p ? k_p : k_q, by_a, by_b);
}

PPL__LOG_PROB(2, "beta_proportion")
PPL__TAILS(2, "beta_proportion")
PPL__QUANTILES(2, "beta_proportion")
PPL__DRAWS_OF_RNG(2, "beta_proportion")
PPL__MOMENT(2, "beta_proportion", variance)
PPL__MOMENT(2, "beta_proportion", entropy)
PPL__KL(2, "beta_proportion")

static ppl_tensor *mean_of(const ppl_dist *d)
{
    return d->param[0];
}

ppl_dist *ppl_beta_proportion(ppl_tensor *mean, ppl_tensor *concentration)
{
    ppl_tensor *params[] = { mean, concentration };
    return ppl_dist_make(&ppl_family_beta_proportion, params, NULL);
}

const ppl_family ppl_family_beta_proportion = {
    .name = "beta_proportion",
    .params = 2,
    .param_name = { "mean", "concentration" },
    .param_constraint = { &ppl_constraint_open_unit_interval, &ppl_constraint_positive },
    .support = &ppl_constraint_unit_interval,
    .flags = PPL_REPARAM,
    .sample = sample,
    .log_prob = log_prob_at,
    .entropy = entropy_of,
    .mean = mean_of,
    .variance = variance_of,
    .kl = kl_of,
    PPL__TAIL_FUNCTIONS,
    PPL__QUANTILE_FUNCTIONS,
};
