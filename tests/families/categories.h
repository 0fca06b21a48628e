/* SPDX-License-Identifier: MIT */
/*
 * categories.h - for events.h: a member of each family of categories from its parameters
 * in order, and how an element of a draw is distributed. In alphabetical order.
 */
MAKE_EVENT(dirichlet_multinomial, p[0], p[1])
MAKE_EVENT(multinomial, p[0], p[1])
MAKE_EVENT(multinomial_logits, p[0], p[1])
MAKE_EVENT(one_hot_categorical, p[0])
MAKE_EVENT(one_hot_categorical_logits, p[0])
MAKE_EVENT(ordered_logistic, p[0], p[1])
MAKE_EVENT(relaxed_one_hot_categorical, p[0], p[1])
MAKE_EVENT(relaxed_one_hot_categorical_logits, p[0], p[1])

/* A OneHotCategorical but for its draws. */
static inline ppl_dist *make_straight_through(ppl_tensor *const *p, const double *attr)
{
    ppl_tensor *temperature = ppl_scalar(ppl_tensor_ctx(p[0]), 0.5);
    (void)attr;
    return ppl_straight_through(ppl_relaxed_one_hot_categorical(temperature, p[0]));
}

/* The share of weight k, or of e^w[k], in all. */
static inline double share_of(const event *w, int k, int logits)
{
    double sum = 0;
    for (int i = 0; i < w->n; i++)
        sum += logits ? exp(w->x[i] - w->x[k]) : w->x[i] / w->x[k];
    return 1 / sum;
}

/* A count of a Dirichlet's categories against the rest is a Beta's. */
static inline ppl_dist *dirichlet_multinomial_marginal(ppl_ctx *c, const member *m, int k)
{
    const event *a = &m->param[1];
    double rest = 0;
    for (int i = 0; i < a->n; i++)
        rest += i == k ? 0 : a->x[i];
    return ppl_beta_binomial(ppl_scalar(c, a->x[k]), ppl_scalar(c, rest),
                             ppl_scalar(c, m->param[0].x[0]));
}

static inline ppl_dist *trials_of(ppl_ctx *c, double total, double p)
{
    return ppl_binomial(ppl_scalar(c, total), ppl_scalar(c, p));
}

static inline ppl_dist *multinomial_marginal(ppl_ctx *c, const member *m, int k)
{
    return trials_of(c, m->param[0].x[0], share_of(&m->param[1], k, 0));
}

static inline ppl_dist *multinomial_logits_marginal(ppl_ctx *c, const member *m, int k)
{
    return trials_of(c, m->param[0].x[0], share_of(&m->param[1], k, 1));
}

static inline ppl_dist *one_hot_marginal(ppl_ctx *c, const member *m, int k)
{
    return trials_of(c, 1, share_of(&m->param[0], k, 0));
}

static inline ppl_dist *one_hot_logits_marginal(ppl_ctx *c, const member *m, int k)
{
    return trials_of(c, 1, share_of(&m->param[0], k, 1));
}

/* A Categorical, of differences of the logistic distribution function. */
static inline ppl_dist *ordered_marginal(ppl_ctx *c, const member *m, int k)
{
    const event *cuts = &m->param[1];
    double p[MOST_ELEMENTS], below = 0;
    (void)k;
    for (int i = 0; i <= cuts->n; i++) {
        double above = i < cuts->n ? 1 / (1 + exp(m->param[0].x[0] - cuts->x[i])) : 1;
        p[i] = above - below;
        below = above;
    }
    return ppl_categorical(ppl_from_doubles(c, PPL_SHAPE(cuts->n + 1), p));
}

/* log(x_0 / x_1) is logistic, of location (a_0 - a_1) / t and scale 1 / t. */
static inline double log_ratio(const double *x, const member *m)
{
    (void)m;
    return log(x[0] / x[1]);
}

static inline double log_ratio_cdf(double s, const member *m)
{
    const double *w = m->param[1].x;
    return 1 / (1 + exp(log(w[0] / w[1]) - m->param[0].x[0] * s));
}

static inline double log_ratio_cdf_logits(double s, const member *m)
{
    const double *a = m->param[1].x;
    return 1 / (1 + exp(a[0] - a[1] - m->param[0].x[0] * s));
}
