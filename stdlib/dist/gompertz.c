/* SPDX-License-Identifier: MIT */
/*
 * gompertz.c - Gompertz(concentration c, rate b) on x >= 0, c > 0, b > 0: its hazard c b
 * e^(b x) grows exponentially.
 *
 *   log p(x)   log(c b) + b x - c (e^(b x) - 1)
 *   P(X > x)   exp(-c (e^(b x) - 1))
 *   mean       G(c) / b, G(c) = e^c E1(c) with the exponential integral E1
 *   variance   by the integral of both tails (tail_moments.h)
 *   entropy    1 - log(c b) - G(c)
 *   KL(q||p)   log(c_q b_q / (c_p b_p)) + (1 - h) G(c_q) - 1 + c_p (E e^(h w) - 1),
 *              h = b_p / b_q, w = b_q x of q; that expectation, an incomplete gamma
 *              function, is taken by quadrature.h
 *
 * Parameters as in numpyro.distributions.Gompertz.
 * Source: Lenart, The moments of the Gompertz distribution, 2014.
 */
#include "pointwise.h"
#include "quadrature.h"
#include "tail_moments.h"

static double log_prob(double x, double c, double b)
{
    return x >= 0 && !(b * x >= INFINITY) ? log(c) + log(b) + b * x - c * expm1(b * x)
                                          : ppl__outside(x);
}

static double log_prob_slope(int input, double x, double c, double b)
{
    const double grown = exp(b * x);
    if (!(x >= 0))
        return 0;
    return input == 0 ? b * (1 - c * grown)
           : input == 1 ? 1 / c - expm1(b * x) : 1 / b + x * (1 - c * grown);
}

static double log_tail(int upper, double x, double c, double b)
{
    const double e = c * expm1(b * x);
    if (x <= 0)
        return upper ? 0 : -INFINITY;
    return upper ? -e : ppl__log1mexp(e);
}

static double log_tail_slope(int input, int upper, double x, double c, double b)
{
    const double grown = exp(b * x);
    const double slope = upper ? -1 : ppl__odds_beyond(c * expm1(b * x));
    if (x < 0 || slope == 0)
        return 0;
    return slope * (input == 0 ? c * b * grown : input == 1 ? expm1(b * x) : c * x * grown);
}

static double quantile(int upper, double p, double c, double b)
{
    return log1p(-(upper ? log(p) : log1p(-p)) / c) / b;
}

/* e^c E1(c): its series (Abramowitz, Stegun 5.1.11), or its continued fraction (5.1.22) in
 * the form 1 / (c + 1 - 1 / (c + 3 - 4 / (c + 5 - ..))), from its far end. */
static double scaled_e1(double c)
{
    double sum = 0, term = 1, tail = 0;

    if (!(c > 2)) {
        for (int n = 1; n < 30; n++) {
            term *= -c / n;
            sum -= term / n;
        }
        return exp(c) * (sum - PPL__EULER - log(c));
    }
    for (int n = 60; n > 0; n--)
        tail = (double)n * n / (c + 2 * n + 1 - tail);
    return 1 / (c + 1 - tail);
}

/* G - 1 / c; far out by the fraction, as there 1 / c is nearly all of G. */
static double scaled_e1_slope(double c)
{
    double tail = 0;

    if (!(c > 2))
        return scaled_e1(c) - 1 / c;
    for (int n = 60; n > 0; n--)
        tail = (double)n * n / (c + 2 * n + 1 - tail);
    return -(1 - tail) / (c + 1 - tail) / c;
}

static double mean(double c, double b)
{
    return scaled_e1(c) / b;
}

static double mean_slope(int input, double c, double b)
{
    return input == 0 ? scaled_e1_slope(c) / b : -mean(c, b) / b;
}

static double entropy(double c, double b)
{
    return 1 - log(c) - log(b) - scaled_e1(c);
}

/* G' = G - 1 / c. */
static double entropy_slope(int input, double c, double b)
{
    return input == 0 ? -scaled_e1(c) : -1 / b;
}

/* ---- KL ---------------------------------------------------------------------------- */

/* Expectations of w = b x, of density c e^(w - c (e^w - 1)). */
typedef struct growth {
    double more;                            /* E (e^(h w) - e^w); E e^w = 1 + 1 / c */
    double by_h;                            /* its derivative, E w e^(h w) */
    double lost;                            /* E e^(h w) (1 - e^-w) */
} growth;

static void add_growth(growth *g, double c, double h, double low, double high)
{
    for (int i = 0; i < PPL__NODES; i++) {
        const double w = ppl__node(i, low, high), weight = ppl__weight(i, low, high);
        const double grown = weight * exp(log(c) + (1 + h) * w - c * expm1(w));
        const double plain = weight * exp(log(c) + 2 * w - c * expm1(w));
        g->more += h > 1 ? grown * -expm1((1 - h) * w) : plain * expm1((h - 1) * w);
        g->by_h += grown * w;
        g->lost += grown * -expm1(-w);
    }
}

/* How far above `top` c e^w - rise w is greater by 40 than there; or, `down`, below. */
static double reach(double c, double rise, double top, int down)
{
    double low = 0, high = 100;

    for (int k = 0; k < 60; k++) {
        const double y = (low + high) / 2;
        const double more = c * exp(top) * expm1(down ? -y : y) - rise * (down ? -y : y);
        *(more < 40 ? &low : &high) = y;
    }
    return high;
}

/* The integrands rise as e^((1 + h) w) or e^(2 w) to a peak at `top`. */
static growth make_growth(double c, double h)
{
    growth g = { 0, 0, 0 };
    const double most = 1 + fmax(h, 1);
    const double top = fmax(log(most) - log(c), 0);

    if (!(c > 0 && h > 0 && isfinite(c) && isfinite(h)))
        return (growth){ NAN, NAN, NAN };
    if (top > 0) {
        const double low = fmax(top - reach(c, 1 + h, top, 1), 0);
        add_growth(&g, c, h, low, (low + top) / 2);
        add_growth(&g, c, h, (low + top) / 2, top);
    }
    add_growth(&g, c, h, top, top + reach(c, most, top, 0));
    return g;
}

static double kl(double c_q, double b_q, double c_p, double b_p)
{
    return ppl__excess_f64((c_p - c_q) / c_q, ppl__log_ratio(c_p, c_q)) +
           ppl__log_ratio(b_q, b_p) + (b_q - b_p) / b_q * scaled_e1(c_q) +
           c_p * make_growth(c_q, b_p / b_q).more;
}

static double kl_slope(int input, double c_q, double b_q, double c_p, double b_p)
{
    const double h = b_p / b_q;
    const growth g = make_growth(c_q, h);

    switch (input) {
    case 0:
        return 1 / c_q + (b_q - b_p) / b_q * scaled_e1_slope(c_q) - c_p * h / c_q * g.lost;
    case 1:
        return (1 + h * (scaled_e1(c_q) - c_p * g.by_h)) / b_q;
    case 2:
        return (c_p - c_q) / c_q / c_p + g.more;
    }
    return (c_p * g.by_h - scaled_e1(c_q)) / b_q - 1 / b_p;
}

PPL__LOG_PROB(2, "gompertz")
PPL__TAILS(2, "gompertz")
PPL__QUANTILES(2, "gompertz")
PPL__DRAWS_OF_QUANTILES(2, "gompertz")
PPL__MOMENT(2, "gompertz", mean)
PPL__MOMENT(2, "gompertz", entropy)
PPL__KL(2, "gompertz")

static ppl__tails own_tails(const ppl__searched *law, ppl_tensor *x)
{
    return ppl__tails_at(law->d, x);
}

static ppl_tensor *own_log_prob(const ppl__searched *law, ppl_tensor *x)
{
    return log_prob_at(law->d, x);
}

/* That of rate 1, over b^2, so that neither a wide nor a narrow one is out of range. */
static ppl_tensor *variance_of(const ppl_dist *d)
{
    const ppl_dist *unit = ppl_gompertz(d->param[0], ppl_scalar(d->ctx, 1));
    if (!unit)
        return NULL;
    ppl_tensor *v = ppl__tail_variance(
        &(ppl__searched){ unit, NULL, 0, own_tails, own_log_prob });
    return ppl_div(ppl_div(v, d->param[1]), d->param[1]);
}

ppl_dist *ppl_gompertz(ppl_tensor *concentration, ppl_tensor *rate)
{
    ppl_tensor *params[] = { concentration, rate };
    return ppl_dist_make(&ppl_family_gompertz, params, NULL);
}

const ppl_family ppl_family_gompertz = {
    .name = "gompertz",
    .params = 2,
    .param_name = { "concentration", "rate" },
    .param_constraint = { &ppl_constraint_positive, &ppl_constraint_positive },
    .support = &ppl_constraint_nonnegative,
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
