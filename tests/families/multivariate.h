/* SPDX-License-Identifier: MIT */
/*
 * multivariate.h - for events.h: a member of each family from its parameters in order,
 * and statistics of draws whose distribution is known. In alphabetical order.
 */
static inline ppl_dist *make_discrete_hmm(ppl_tensor *const *p, const double *attr)
{
    return ppl_discrete_hmm(p[0], p[1], ppl_normal(p[2], p[3]), (int64_t)attr[0]);
}

static inline ppl_dist *make_dirichlet(ppl_tensor *const *p, const double *attr)
{
    (void)attr;
    return ppl_dirichlet(p[0]);
}

/* A component of a Dirichlet is a Beta. */
static inline double first_component(const double *x, const member *m)
{
    (void)m;
    return x[0];
}

static inline double dirichlet_cdf(double s, const member *m)
{
    const double *a = m->param[0].x;
    return beta_i(a[0], a[1] + a[2], s);
}

static inline ppl_dist *make_gaussian_hmm(ppl_tensor *const *p, const double *attr)
{
    return ppl_gaussian_hmm(ppl_multivariate_normal_cholesky(p[0], p[1]), p[2],
                            ppl_multivariate_normal_cholesky(p[3], p[4]), p[5],
                            ppl_multivariate_normal_cholesky(p[6], p[7]),
                            (int64_t)attr[0]);
}

#define MAKE_EVENT_2(name)                                                               \
    static inline ppl_dist *make_##name(ppl_tensor *const *p, const double *attr)        \
    {                                                                                    \
        (void)attr;                                                                      \
        return ppl_##name(p[0], p[1]);                                                   \
    }
MAKE_EVENT_2(multivariate_normal)
MAKE_EVENT_2(multivariate_normal_cholesky)
MAKE_EVENT_2(multivariate_normal_precision)

/* z^T z of two numbers, z = L^-1 (x - loc), which is exponential of mean 2. */
static inline double squared_length(const double *x, const double *loc, const double *L)
{
    const double a = (x[0] - loc[0]) / L[0];
    const double b = (x[1] - loc[1] - L[2] * a) / L[3];
    return a * a + b * b;
}

static inline double cholesky_length(const double *x, const member *m)
{
    return squared_length(x, m->param[0].x, m->param[1].x);
}

static inline double covariance_length(const double *x, const member *m)
{
    const double *S = m->param[1].x, a = sqrt(S[0]);
    const double L[] = { a, 0, S[2] / a, sqrt(S[3] - S[2] * S[2] / S[0]) };
    return squared_length(x, m->param[0].x, L);
}

static inline double precision_length(const double *x, const member *m)
{
    const double *P = m->param[1].x, *loc = m->param[0].x;
    const double a = x[0] - loc[0], b = x[1] - loc[1];
    return P[0] * a * a + 2 * P[1] * a * b + P[3] * b * b;
}

static inline double length_cdf(double s, const member *m)
{
    (void)m;
    return -expm1(-s / 2);
}

/* x_2 - x_1 of two states: a mixture of four normals. */
static inline double first_difference(const double *x, const member *m)
{
    (void)m;
    return x[1] - x[0];
}

static inline double discrete_hmm_cdf(double s, const member *m)
{
    const double *A = m->param[1].x, *loc = m->param[2].x, *scale = m->param[3].x;
    double first = 1 / (1 + exp(m->param[0].x[1] - m->param[0].x[0])), sum = 0;
    double stay[2] = { 1 / (1 + exp(A[1] - A[0])), 1 / (1 + exp(A[2] - A[3])) };
    first = first * stay[0] + (1 - first) * (1 - stay[1]);      /* P(z_1 = 0) */
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            double p = (i ? 1 - first : first) * (i == j ? stay[i] : 1 - stay[i]);
            double width = hypot(scale[i], scale[j]) * sqrt(2);
            sum += p * erfc((loc[j] - loc[i] - s) / width) / 2;
        }
    return sum;
}
