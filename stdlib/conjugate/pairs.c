/* SPDX-License-Identifier: MIT */
/*
 * pairs.c - conjugate pairs: sufficient statistics of each x, and the latent's posterior
 * from their sums.
 *
 *   latent                child                  statistics          posterior
 *   Normal(m, s)          Normal(z, t)           1 / t^2, x / t^2    Normal(v (m / s^2 + S2),
 *                                                                    sqrt v), 1 / v =
 *                                                                    1 / s^2 + S1
 *                         LogNormal(z, t)        the same of log x
 *   Beta(a, b)            Bernoulli(z)           x, 1 - x            Beta(a + S1, b + S2)
 *                         Binomial(n, z)         x, n - x            the same
 *   Gamma(a, b)           Exponential(z)         1, x                Gamma(a + S1, b + S2)
 *   Gamma(a, b)           Gamma(k, z)            k, x                Gamma(a + S1, b + S2)
 *                         Poisson(z)             x, 1                the same
 *   Dirichlet(a)          Categorical(z)         [x = k] of each k   Dirichlet(a + S1)
 *                         Multinomial(n, z)      x                   the same
 *                         OneHotCategorical(z)   x                   the same
 *
 * Source: Gelman et al., Bayesian Data Analysis, 3rd edition, 2013, chapters 2 and 3.
 */
#include <kiln/conjugate.h>
#include <kiln/distributions.h>

/* Parameter i at the shape of a value, which the sums have as well. */
static ppl_tensor *param(const ppl_dist *d, int i)
{
    return ppl_expand(d->param[i], d->shape);
}

/* ---- Normal ------------------------------------------------------------------------ */

static ppl_tensor *precision(ppl_tensor *scale)
{
    return ppl_div(ppl_scalar(ppl_tensor_ctx(scale), 1), ppl_mul(scale, scale));
}

static void normal_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    out[0] = precision(likelihood->param[1]);
    out[1] = ppl_mul(x, out[0]);
}

static void log_normal_statistic(const ppl_dist *likelihood, ppl_tensor *x,
                                 ppl_tensor **out)
{
    normal_statistic(likelihood, ppl_log(x), out);
}

static ppl_dist *normal_posterior(const ppl_dist *prior, ppl_tensor *const *sum)
{
    ppl_tensor *before = precision(param(prior, 1)), *after = ppl_add(before, sum[0]);
    ppl_tensor *weighted = ppl_add(ppl_mul(before, prior->param[0]), sum[1]);

    return ppl_normal(ppl_div(weighted, after),
                      ppl_pow(after, ppl_scalar(prior->ctx, -0.5)));
}

/* ---- Beta -------------------------------------------------------------------------- */

static void bernoulli_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    (void)likelihood;
    out[0] = x;
    out[1] = ppl_affine(x, -1, 1);
}

static void binomial_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    out[0] = ppl_to_float(x);
    out[1] = ppl_sub(likelihood->param[0], out[0]);
}

static ppl_dist *beta_posterior(const ppl_dist *prior, ppl_tensor *const *sum)
{
    return ppl_beta(ppl_add(prior->param[0], sum[0]), ppl_add(prior->param[1], sum[1]));
}

/* ---- Gamma ------------------------------------------------------------------------- */

static void exponential_statistic(const ppl_dist *likelihood, ppl_tensor *x,
                                  ppl_tensor **out)
{
    out[0] = ppl_scalar(likelihood->ctx, 1);
    out[1] = x;
}

static void gamma_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    out[0] = likelihood->param[0];
    out[1] = x;
}

static void poisson_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    out[0] = ppl_to_float(x);
    out[1] = ppl_scalar(likelihood->ctx, 1);
}

static ppl_dist *gamma_posterior(const ppl_dist *prior, ppl_tensor *const *sum)
{
    return ppl_gamma(ppl_add(prior->param[0], sum[0]), ppl_add(prior->param[1], sum[1]));
}

/* ---- Dirichlet --------------------------------------------------------------------- */

/* [..,K]: 1 at x, 0 elsewhere. */
static void categorical_statistic(const ppl_dist *likelihood, ppl_tensor *x,
                                  ppl_tensor **out)
{
    ppl_shape shape = ppl_tensor_shape(x);

    shape.dim[shape.rank++] = 1;
    out[0] = ppl_to_float(ppl_equal(ppl_reshape(x, shape),
                                    likelihood->family->enumerate(likelihood)));
}

static void multinomial_statistic(const ppl_dist *likelihood, ppl_tensor *x,
                                  ppl_tensor **out)
{
    (void)likelihood;
    out[0] = ppl_to_float(x);
}

static void one_hot_statistic(const ppl_dist *likelihood, ppl_tensor *x, ppl_tensor **out)
{
    (void)likelihood;
    out[0] = x;
}

static ppl_dist *dirichlet_posterior(const ppl_dist *prior, ppl_tensor *const *sum)
{
    return ppl_dirichlet(ppl_add(prior->param[0], sum[0]));
}

const ppl_conjugacy ppl_conjugate_pairs[] = {
    { &ppl_family_normal, &ppl_family_normal, 0, 2, normal_statistic, normal_posterior },
    { &ppl_family_normal, &ppl_family_log_normal, 0, 2, log_normal_statistic,
      normal_posterior },
    { &ppl_family_beta, &ppl_family_bernoulli, 0, 2, bernoulli_statistic, beta_posterior },
    { &ppl_family_beta, &ppl_family_binomial, 1, 2, binomial_statistic, beta_posterior },
    { &ppl_family_gamma, &ppl_family_exponential, 0, 2, exponential_statistic,
      gamma_posterior },
    { &ppl_family_gamma, &ppl_family_gamma, 1, 2, gamma_statistic, gamma_posterior },
    { &ppl_family_gamma, &ppl_family_poisson, 0, 2, poisson_statistic, gamma_posterior },
    { &ppl_family_dirichlet, &ppl_family_categorical, 0, 1, categorical_statistic,
      dirichlet_posterior },
    { &ppl_family_dirichlet, &ppl_family_multinomial, 1, 1, multinomial_statistic,
      dirichlet_posterior },
    { &ppl_family_dirichlet, &ppl_family_one_hot_categorical, 0, 1, one_hot_statistic,
      dirichlet_posterior },
    { 0 }
};
