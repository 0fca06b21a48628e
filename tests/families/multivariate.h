/* SPDX-License-Identifier: MIT */
/*
 * multivariate.h - for events.h: a member of each family from its parameters in order,
 * and statistics of draws whose distribution is known. In alphabetical order.
 */
#define MAKE_EVENT(name, ...)                                                            \
    static inline ppl_dist *make_##name(ppl_tensor *const *p, const double *attr)        \
    {                                                                                    \
        (void)attr;                                                                      \
        return ppl_##name(__VA_ARGS__);                                                  \
    }
MAKE_EVENT(car, p[0], p[1], p[2], p[3])
MAKE_EVENT(dirichlet, p[0])
MAKE_EVENT(discrete_hmm, p[0], p[1], ppl_normal(p[2], p[3]), (int64_t)attr[0])
MAKE_EVENT(gaussian_hmm, ppl_multivariate_normal_cholesky(p[0], p[1]), p[2],
           ppl_multivariate_normal_cholesky(p[3], p[4]), p[5],
           ppl_multivariate_normal_cholesky(p[6], p[7]), (int64_t)attr[0])
MAKE_EVENT(gaussian_random_walk, p[0], (int64_t)attr[0])
MAKE_EVENT(inverse_wishart, p[0], p[1])
MAKE_EVENT(inverse_wishart_cholesky, p[0], p[1])
MAKE_EVENT(lkj, (int64_t)attr[0], p[0])
MAKE_EVENT(lkj_cholesky, (int64_t)attr[0], p[0])
MAKE_EVENT(logistic_normal, p[0], p[1])
MAKE_EVENT(low_rank_multivariate_normal, p[0], p[1], p[2])
MAKE_EVENT(matrix_normal, p[0], p[1], p[2])
MAKE_EVENT(multivariate_normal, p[0], p[1])
MAKE_EVENT(multivariate_normal_cholesky, p[0], p[1])
MAKE_EVENT(multivariate_normal_precision, p[0], p[1])
MAKE_EVENT(multivariate_student_t, p[0], p[1], p[2])
MAKE_EVENT(projected_normal, p[0])
MAKE_EVENT(unit, p[0])
MAKE_EVENT(wishart, p[0], p[1])
MAKE_EVENT(wishart_cholesky, p[0], p[1])

/* Events of vectors: the axes before that of the samples are the batch's. */
static inline ppl_dist *make_empirical(ppl_tensor *const *p, const double *attr)
{
    ppl_shape shape = ppl_tensor_shape(p[1]);
    (void)attr;
    while (shape.rank > 0 && shape.rank < ppl_rank(p[0]) - 1) {
        for (int a = shape.rank++; a > 0; a--)
            shape.dim[a] = shape.dim[a - 1];
        shape.dim[0] = 1;
    }
    return ppl_empirical(p[0], ppl_reshape(p[1], shape));
}

/* attr: the axes of an event, up to the first 0. */
static inline ppl_dist *make_zero_sum_normal(ppl_tensor *const *p, const double *attr)
{
    ppl_shape shape = { 0 };
    while (shape.rank < EVENT_ATTRS && attr[shape.rank] > 0) {
        shape.dim[shape.rank] = (int64_t)attr[shape.rank];
        shape.rank++;
    }
    return ppl_zero_sum_normal(p[0], shape);
}

/* ---- Squared lengths and determinants, of two or three numbers --------------------- */

static inline double first_element(const double *x, const member *m)
{
    (void)m;
    return x[0];
}

/* z^T z, z = L^-1 (x - loc). */
static inline double squared_length(const double *x, const double *loc, const double *L)
{
    const double a = (x[0] - loc[0]) / L[0];
    const double b = (x[1] - loc[1] - L[2] * a) / L[3];
    return a * a + b * b;
}

/* The same by the matrix L L^T. */
static inline double squared_length_by(const double *x, const double *loc,
                                       const double *S)
{
    const double a = sqrt(S[0]), b = sqrt(S[3] - S[2] * S[2] / S[0]);
    const double L[] = { a, 0, S[2] / a, b };
    return squared_length(x, loc, L);
}

static inline double determinant(const double *a)
{
    return a[0] * a[3] - a[1] * a[2];
}

/* Chi-squared of `df` degrees. */
static inline double chi_square_cdf(double s, double df)
{
    return gamma_p(df / 2, s / 2);
}

/* ---- Statistics, and their distribution functions ---------------------------------- */

/* P's quadratic form: chi-squared of three degrees. */
static inline double car_length(const double *x, const member *m)
{
    const double *loc = m->param[0].x, *W = m->param[3].x;
    double sum = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const double a = x[i] - loc[i], b = x[j] - loc[j];
            sum += W[i * 3 + j] * a * (a - m->param[1].x[0] * b);
        }
    return m->param[2].x[0] * sum;
}

static inline double three_cdf(double s, const member *m)
{
    (void)m;
    return chi_square_cdf(s, 3);
}

/* A component of a Dirichlet is a Beta. */
static inline double dirichlet_cdf(double s, const member *m)
{
    const double *a = m->param[0].x;
    return beta_i(a[0], a[1] + a[2], s);
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

static inline double walk_length(const double *x, const member *m)
{
    const double s = m->param[0].x[0];
    return (x[0] * x[0] + pow(x[1] - x[0], 2) + pow(x[2] - x[1], 2)) / (s * s);
}

/* The cosine of the angle to the mode, of three numbers; z_1 at most c |z|, z_1 of mean
 * the length k and the others of mean 0. */
static inline double projected_cosine(const double *x, const member *m)
{
    const double *a = m->param[0].x;
    const double k = sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    return (x[0] * a[0] + x[1] * a[1] + x[2] * a[2]) / k;
}

static inline double projected_cdf(double c, const member *m)
{
    const double *a = m->param[0].x;
    const double k = sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
    return erfc(k / sqrt(2)) / 2 +
           c * exp(-k * k * (1 - c * c) / 2) * erfc(-k * c / sqrt(2)) / 2;
}

/* Of two rows, 2 sqrt |X| / sqrt |V| is chi-squared of 2 df - 2 degrees. */
static inline double wishart_root(const double *x, const member *m)
{
    return 2 * sqrt(determinant(x) / determinant(m->param[1].x));
}

static inline double wishart_cholesky_root(const double *x, const member *m)
{
    return 2 * sqrt(determinant(x)) / determinant(m->param[1].x);
}

static inline double inverse_wishart_root(const double *x, const member *m)
{
    return 2 * sqrt(determinant(m->param[1].x) / determinant(x));
}

static inline double inverse_wishart_cholesky_root(const double *x, const member *m)
{
    return 2 * determinant(m->param[1].x) / sqrt(determinant(x));
}

static inline double wishart_cdf(double s, const member *m)
{
    return chi_square_cdf(s, 2 * m->param[0].x[0] - 2);
}

/* Of three rows a correlation r has (r + 1) / 2 of Beta(c + 1/2, c + 1/2). */
static inline double lkj_correlation(const double *x, const member *m)
{
    (void)m;
    return (x[5] + 1) / 2;
}

static inline double lkj_cdf(double s, const member *m)
{
    const double c = m->param[0].x[0];
    return beta_i(c + 0.5, c + 0.5, s);
}

/* ... and the square of the last row's diagonal element is of Beta(c, 1). */
static inline double lkj_diagonal(const double *x, const member *m)
{
    (void)m;
    return x[8] * x[8];
}

static inline double lkj_cholesky_cdf(double s, const member *m)
{
    return pow(s, m->param[0].x[0]);
}

static inline double logistic_normal_first(const double *x, const member *m)
{
    return (log(2 * x[0] / (x[1] + x[2])) - m->param[0].x[0]) / m->param[1].x[0];
}

static inline double standard_normal_cdf(double s, const member *m)
{
    (void)m;
    return erfc(-s / sqrt(2)) / 2;
}

static inline double low_rank_length(const double *x, const member *m)
{
    const double *W = m->param[1].x, *D = m->param[2].x;
    const double S[] = { W[0] * W[0] + D[0], W[0] * W[1], W[0] * W[1],
                         W[1] * W[1] + D[1] };
    return squared_length_by(x, m->param[0].x, S);
}

/* Of two numbers: exponential, of mean 2. */
static inline double two_cdf(double s, const member *m)
{
    (void)m;
    return chi_square_cdf(s, 2);
}

/* |A^-1 (X - M) B^-T|^2, column by column of A^-1 (X - M). */
static inline double matrix_length(const double *x, const member *m)
{
    const double *M = m->param[0].x, *A = m->param[1].x, *B = m->param[2].x;
    static const double zero[2];
    double z[4], sum = 0;
    for (int j = 0; j < 2; j++) {
        z[j] = (x[j] - M[j]) / A[0];
        z[2 + j] = (x[2 + j] - M[2 + j] - A[2] * z[j]) / A[3];
    }
    for (int i = 0; i < 2; i++)
        sum += squared_length(z + 2 * i, zero, B);
    return sum;
}

static inline double four_cdf(double s, const member *m)
{
    (void)m;
    return chi_square_cdf(s, 4);
}

static inline double cholesky_length(const double *x, const member *m)
{
    return squared_length(x, m->param[0].x, m->param[1].x);
}

static inline double covariance_length(const double *x, const member *m)
{
    return squared_length_by(x, m->param[0].x, m->param[1].x);
}

static inline double precision_length(const double *x, const member *m)
{
    const double *P = m->param[1].x, *loc = m->param[0].x;
    const double a = x[0] - loc[0], b = x[1] - loc[1];
    return P[0] * a * a + 2 * P[1] * a * b + P[3] * b * b;
}

static inline double student_length(const double *x, const member *m)
{
    return squared_length(x, m->param[1].x, m->param[2].x);
}

/* Half of it is of Fisher and Snedecor's distribution, of 2 and df degrees. */
static inline double student_cdf(double s, const member *m)
{
    const double df = m->param[0].x[0];
    return -expm1(-df / 2 * log1p(s / df));
}

/* Of [2,3] numbers: chi-squared of two degrees. */
static inline double zero_sum_length(const double *x, const member *m)
{
    double sum = 0;
    for (int i = 0; i < 6; i++)
        sum += x[i] * x[i];
    return sum / (m->param[0].x[0] * m->param[0].x[0]);
}
