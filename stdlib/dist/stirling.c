/* SPDX-License-Identifier: MIT */
/*
 * stirling.c - the single numbers of stirling.h, which are too long to stand wherever they are
 * asked for.
 */
#include "stirling.h"

double ppl__stirling(double a)
{
    const double w = 1 / (a < 1 ? a + 1 : a), rest = w * ppl__stirling_rest_f64(w);
    return a < 1 ? rest + (a + 0.5) * (log1p(a) - log(a)) - 1 : rest;
}

double ppl__stirling_slope(double a)
{
    const double w = 1 / (a < 1 ? a + 1 : a), fall = -w * w * ppl__stirling_fall_f64(w);
    return a < 1 ? fall + log1p(a) - log(a) - (a + 0.5) / (a * (a + 1)) : fall;
}

double ppl__trigamma_rest(double a)
{
    const double w = 1 / (a * a);
    if (a < 12)
        return ppl_maths_trigamma_at(a) - 1 / a - w / 2;
    return w / a * (1.0 / 6 - w * (1.0 / 30 - w * (1.0 / 42 - w * (1.0 / 30 - w *
           (5.0 / 66 - w * (691.0 / 2730 - w * (7.0 / 6)))))));
}

double ppl__lgamma_step(double a, double step)
{
    const double t = step / a;
    return a * ppl__log1p_rest(t) + (step - 0.5) * log1p(t) + ppl__stirling(a + step) -
           ppl__stirling(a);
}

double ppl__digamma_step(double a, double step)
{
    return ppl__log1p_rest(step / a) + step / (2 * a * (a + step)) +
           ppl__stirling_slope(a + step) - ppl__stirling_slope(a);
}

double ppl__stirling_divergence(double q, double p)
{
    static const double node[] = { 0.057104196114517682, 0.27684301363812383,
                                   0.58359043236891682, 0.86024013565621945 };
    static const double weight[] = { 0.13550691343148812, 0.20346456801027136,
                                     0.12984754760823244, 0.031180970950008082 };
    const double d = p - q;
    double sum = 0;

    if (!(fabs(d) < 0.05 * q))
        return ppl__stirling(p) - ppl__stirling(q) - d * ppl__stirling_slope(q);
    for (int i = 0; i < 4; i++)
        sum += weight[i] * ppl__trigamma_rest(q + d * node[i]);
    return d * d * sum;
}

double ppl__gamma_divergence_rest(double q, double p)
{
    return ppl__excess_f64((p - q) / q, log(p / q)) / 2 + ppl__stirling_divergence(q, p);
}

double ppl__gamma_divergence(double q, double p)
{
    return ppl__kl_share(p, q, log(p), log(q)) + ppl__gamma_divergence_rest(q, p);
}

double ppl__gamma_divergence_rest_slope(int of_p, double q, double p)
{
    return of_p ? ppl__lambda(q) - ppl__lambda(p)
                : (q - p) * (0.5 / (q * q) + ppl__trigamma_rest(q));
}

double ppl__dirichlet_kl_slope(int of_p, double a_q, double q, double a_p, double p)
{
    return (of_p ? log(a_p / p / (a_q / q)) : p / q - a_p / a_q) +
           ppl__gamma_divergence_rest_slope(of_p, a_q, a_p) -
           ppl__gamma_divergence_rest_slope(of_p, q, p);
}
