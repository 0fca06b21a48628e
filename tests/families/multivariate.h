/* SPDX-License-Identifier: MIT */
/*
 * multivariate.h - for events.h: a member of each family from its parameters in order,
 * and statistics of draws whose distribution is known. In alphabetical order.
 */
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
