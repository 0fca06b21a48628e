/* SPDX-License-Identifier: MIT */
/*
 * makers.h - for families.h: a member of each family from its parameters in order, and
 * the cdfs of those that have none of their own. In alphabetical order.
 */
MAKE_3(asymmetric_laplace)
MAKE_1(bernoulli)
MAKE_1(bernoulli_logits)
MAKE_2(beta)
MAKE_3(beta_binomial)
MAKE_2(beta_proportion)
MAKE_2(binomial)
MAKE_2(binomial_logits)
MAKE_1(categorical)
MAKE_1(categorical_logits)
MAKE_2(cauchy)
MAKE_1(chi2)
MAKE_1(continuous_bernoulli)
MAKE_1(continuous_bernoulli_logits)
MAKE_2(discrete_uniform)
MAKE_1(exponential)
MAKE_2(fisher_snedecor)
MAKE_2(gamma)
MAKE_2(gamma_poisson)
MAKE_1(geometric)
MAKE_1(geometric_logits)
MAKE_2(gompertz)
MAKE_2(gumbel)
MAKE_1(half_cauchy)
MAKE_1(half_normal)
MAKE_2(inverse_gamma)
MAKE_2(kumaraswamy)
MAKE_2(laplace)
MAKE_2(levy)
MAKE_2(log_normal)
MAKE_2(log_uniform)
MAKE_2(logistic)
MAKE_2(negative_binomial)
MAKE_2(negative_binomial_logits)
MAKE_2(negative_binomial_mean)
MAKE_2(normal)
MAKE_2(pareto)
MAKE_1(poisson)
MAKE_2(relaxed_bernoulli)
MAKE_2(relaxed_bernoulli_logits)
MAKE_2(soft_laplace)
MAKE_4(stable)
MAKE_3(student_t)
MAKE_4(truncated_normal)
MAKE_2(uniform)
MAKE_2(von_mises)
MAKE_2(weibull)

static inline ppl_dist *make_delta(ppl_tensor *const *p)
{
    return ppl_delta(p[0], p[1], 0);
}

/* By the family's own, from a table over asinh x that is filled once for each law. */
static inline double stable_cdf(double x, const double *p)
{
    enum { KNOTS = 4001, UNIT = 33 };
    static double of[4], at[KNOTS];
    const double z = asinh((x - p[3]) / p[2]) * UNIT + KNOTS / 2;
    if (memcmp(of, p, sizeof of) != 0) {
        ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .dtype = PPL_F64 });
        double knot[KNOTS];
        for (int i = 0; i < KNOTS; i++)
            knot[i] = p[3] + p[2] * sinh((double)(i - KNOTS / 2) / UNIT);
        ppl_dist *d = ppl_stable(ppl_scalar(c, p[0]), ppl_scalar(c, p[1]),
                                 ppl_scalar(c, p[2]), ppl_scalar(c, p[3]));
        ppl_read(ppl_cdf(d, ppl_from_doubles(c, PPL_SHAPE(KNOTS), knot)), at, KNOTS);
        ppl_ctx_free(c);
        memcpy(of, p, sizeof of);
    }
    const int i = (int)fmin(fmax(floor(z), 0), KNOTS - 2);
    return at[i] + fmin(fmax(z - i, 0), 1) * (at[i + 1] - at[i]);
}

static inline ppl_dist *make_folded_gumbel(ppl_tensor *const *p)
{
    return ppl_folded(ppl_gumbel(p[0], p[1]));
}

static inline ppl_dist *make_folded_logistic(ppl_tensor *const *p)
{
    return ppl_folded(ppl_logistic(p[0], p[1]));
}

static inline ppl_dist *make_truncated_laplace(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_laplace(p[0], p[1]), p[2], p[3]);
}

static inline ppl_dist *make_left_truncated_cauchy(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_cauchy(p[0], p[1]), p[2], NULL);
}

static inline ppl_dist *make_right_truncated_gumbel(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_gumbel(p[0], p[1]), NULL, p[2]);
}

static inline ppl_dist *make_truncated_weibull(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_weibull(p[0], p[1]), p[2], p[3]);
}

static inline ppl_dist *make_left_truncated_poisson(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_poisson(p[0]), p[1], NULL);
}

static inline ppl_dist *make_truncated_poisson(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_poisson(p[0]), p[1], p[2]);
}

static inline ppl_dist *make_left_truncated_negative_binomial(ppl_tensor *const *p)
{
    return ppl_truncated(ppl_negative_binomial(p[0], p[1]), p[2], NULL);
}

static inline ppl_dist *make_hurdle_beta_binomial(ppl_tensor *const *p)
{
    return ppl_hurdle(p[0], ppl_beta_binomial(p[1], p[2], p[3]));
}

static inline ppl_dist *make_hurdle_poisson(ppl_tensor *const *p)
{
    return ppl_hurdle(p[0], ppl_poisson(p[1]));
}

static inline ppl_dist *make_zero_inflated_binomial_logits(ppl_tensor *const *p)
{
    return ppl_zero_inflated_logits(p[0], ppl_binomial(p[1], p[2]));
}

static inline ppl_dist *make_zero_inflated_poisson(ppl_tensor *const *p)
{
    return ppl_zero_inflated(p[0], ppl_poisson(p[1]));
}

static inline double normal_cdf(double x, const double *p)
{
    return erfc((p[0] - x) / p[1] / sqrt(2)) / 2;
}

static inline double gamma_cdf(double x, const double *p)
{
    return gamma_p(p[0], p[1] * x);
}

static inline double beta_cdf(double x, const double *p)
{
    return beta_i(p[0], p[1], x);
}

static inline double exponential_cdf(double x, const double *p)
{
    return -expm1(-p[0] * x);
}
