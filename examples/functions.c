/* SPDX-License-Identifier: MIT */
/*
 * functions.c - a simulator with its natural C signature, a handler around it, and code
 * that knows nothing of kiln calling both.
 *
 * The effect of a dose has noise of its own and a patient's sensitivity. `mean_of` averages
 * any double (*)(double). Under condition the simulator is that of a patient who is known.
 */
#include <kiln.h>

#include <stdio.h>

/* Any library's: the mean of `count` calls. */
static double mean_of(double (*f)(double), double x, int count)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += f(x);
    return sum / count;
}

/* The simulator. It opens an epoch, since it will be called often. */
static ppl_ctx *c;

static double effect(double dose)
{
    ppl_epoch mark = ppl_epoch_begin(c);
    ppl_tensor *sensitivity =
        ppl_sample(c, "sensitivity", ppl_gamma(ppl_scalar(c, 4), ppl_scalar(c, 2)));
    ppl_tensor *mean = ppl_affine(sensitivity, dose, 0);
    double y = ppl_item(ppl_sample(c, "effect", ppl_normal(mean, ppl_scalar(c, 1))));

    ppl_epoch_end(c, mark);
    return y;
}

typedef double effect_code(double dose);

int main(void)
{
    effect_code *anybody, *known;
    double means[2] = { 0, 0 };
    ppl_fn *f;

    c = ppl_ctx_new(NULL);
    if (c == NULL)
        return 1;
    f = PPL_FN(c, double, effect, (double dose));
    anybody = (effect_code *)ppl_fn_code(f);
    f = ppl_condition_fn(f, (ppl_value[]){ { "sensitivity", PPL_NO_INDEX, ppl_scalar(c, 3) },
                                           { 0 } }, NULL);
    known = (effect_code *)ppl_fn_code(f);
    if (anybody != NULL && known != NULL) {
        means[0] = mean_of(anybody, 10, 20000);
        means[1] = mean_of(known, 10, 20000);
    }
    if (ppl_error(c) != PPL_OK)
        fprintf(stderr, "functions: %s\n", ppl_error_text(c));
    else
        printf("mean effect of dose 10: %.2f, exact 20; at sensitivity 3: %.2f, exact 30\n",
               means[0], means[1]);
    ppl_ctx_free(c);
    return means[1] == 0;
}
