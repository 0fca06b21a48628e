/* SPDX-License-Identifier: MIT */
/*
 * latent_rnn.c - "I want to parameterise an RNN in my model with samples from my guide, and
 * factorise the free energy over time so that each time step gets an analytic KL."
 *
 * Model: a GRU runs over the latents; its state gives the next prior and the prediction:
 *     z_t ~ Normal(prior(h_{t-1})),  h_t = GRU(z_t, h_{t-1}),  x_t ~ Normal(read(h_t))
 * Guide, amortised: a GRU runs over the data from the end, g_t sees x_t .. x_T:
 *     z_t ~ Normal(combine(z_{t-1}, g_t))
 * The prior at z_t depends on z_1 .. z_{t-1} only, which the guide draws before z_t, so
 * every step's KL may be analytic: the ledger proves it, and gives the free energy by step.
 *
 * Data: waves whose phase jumps now and then. Shapes: B sequences, T steps.
 */
#include <kiln.h>

#include <math.h>
#include <stdio.h>

enum { B = 64, T = 24, Z = 4, H = 32 };

typedef struct {
    double x[T * B];                /* packed by time: [T * B, 1] */
    int active[T];
} waves;

static void model(ppl_ctx *c, const void *arg)
{
    const waves *w = arg;
    ppl_tensor *x = ppl_from_doubles(c, PPL_SHAPE(T * B, 1), w->x);
    ppl_tensor *h = ppl_full(c, PPL_SHAPE(B, H), 0);

    for (int t = 0; t < T; t++) {
        ppl_tensor *loc = ppl_nn_linear(c, "prior.loc", h, Z, PPL_IDENTITY);
        ppl_tensor *scale = ppl_nn_linear(c, "prior.scale", h, Z, PPL_SOFTPLUS);
        ppl_tensor *z = ppl_sample_at(c, "z", t, ppl_event(ppl_normal(loc, scale), 1));
        ppl_tensor *mean;

        h = ppl_nn_gru_cell(c, "dynamics", z, h);
        mean = ppl_nn_linear(c, "read", h, 1, PPL_IDENTITY);
        ppl_observe_at(c, "x", t, ppl_event(ppl_normal(mean, ppl_scalar(c, 0.1)), 1),
                       ppl_slice(x, 0, (int64_t)t * B, (int64_t)(t + 1) * B));
    }
}

static void guide(ppl_ctx *c, const void *arg)
{
    const waves *w = arg;
    ppl_ragged ragged = { T, w->active };
    ppl_tensor *x = ppl_from_doubles(c, PPL_SHAPE(T * B, 1), w->x);
    ppl_tensor *g = ppl_nn_gru(c, "backward", x, &ragged,
                               &(ppl_rnn_opts){ .hidden = H, .reverse = 1 });
    ppl_tensor *z = ppl_full(c, PPL_SHAPE(B, Z), 0);

    for (int t = 0; t < T; t++) {
        ppl_tensor *parts[] = { z, ppl_ragged_step(g, &ragged, t) };
        ppl_tensor *h = ppl_nn_linear(c, "combine", ppl_concat(parts, 2, 1), H, PPL_TANH);

        z = ppl_sample_at(c, "z", t,
                          ppl_event(ppl_normal(ppl_nn_linear(c, "q.loc", h, Z, PPL_IDENTITY),
                                               ppl_nn_linear(c, "q.scale", h, Z,
                                                             PPL_SOFTPLUS)),
                                    1));
    }
}

/* Sine waves with noise 0.1; at each step the phase jumps with probability 0.05. */
static void draw_waves(waves *w)
{
    ppl_rng rng = { { 2026, 1 } };

    for (int b = 0; b < B; b++) {
        double phase = 6.283185307 * ppl_rng_uniform(&rng, 0, (uint64_t)b, 0);

        for (int t = 0; t < T; t++) {
            uint64_t element = (uint64_t)(t * B + b);
            double normal[2];

            if (ppl_rng_uniform(&rng, 1, element, 0) < 0.05)
                phase += 6.283185307 * ppl_rng_uniform(&rng, 2, element, 0);
            ppl_rng_normal_pair(&rng, 3, element, 0, normal);
            w->x[t * B + b] = sin(phase + 0.7 * t) + 0.1 * normal[0];
            w->active[t] = B;
        }
    }
}

/* The free energy by time step, nats per sequence, over fresh draws of the guide. */
static ppl_status print_steps(ppl_ctx *c, const waves *w, ppl_optim *optim)
{
    ppl_elbo *elbo = ppl_trace_mean_field_elbo(c, NULL);
    ppl_svi *svi = ppl_svi_new(c, model, guide, elbo, optim);
    ppl_status status = svi != NULL ? PPL_OK : PPL_EINVAL;
    double total = 0;

    for (int draw = 0; draw < 20 && status == PPL_OK; draw++)
        status = ppl_svi_evaluate(svi, w, NULL);
    printf("%4s %15s %12s   (nats per sequence)\n", "t", "reconstruction", "KL");
    for (int t = 0; t < T && status == PPL_OK; t++) {
        const ppl_ledger_row *x = ppl_ledger_find(elbo, "x", t);
        const ppl_ledger_row *z = ppl_ledger_find(elbo, "z", t);

        printf("%4d %15.4f %12.4f   %s\n", t, -x->mean / B, -z->mean / B,
               ppl_estimator_name(z->estimator));
        total -= (x->mean + z->mean) / B;
    }
    printf("free energy: %.4f nats per sequence\n", total);
    ppl_svi_free(svi);
    return status;
}

int main(void)
{
    static waves w;
    ppl_ctx *c = ppl_ctx_new(&(ppl_ctx_opts){ .seed = 1 });
    ppl_optim *adam;
    ppl_svi *svi;
    ppl_status status = PPL_OK;
    double loss = 0;

    if (c == NULL)
        return 1;
    draw_waves(&w);
    adam = ppl_adam(c, &(ppl_optim_opts){ .lr = 3e-3, .clip_norm = 1000 });
    svi = ppl_svi_new(c, model, guide, ppl_trace_mean_field_elbo(c, NULL), adam);
    for (int step = 0; step < 1000 && status == PPL_OK && svi != NULL; step++) {
        status = ppl_svi_step(svi, &w, &loss);
        if (step % 200 == 0 && status == PPL_OK)
            printf("step %4d: free energy %.4f nats per sequence\n", step, loss / B);
    }
    if (svi == NULL || status != PPL_OK || print_steps(c, &w, adam) != PPL_OK) {
        fprintf(stderr, "latent_rnn: %s\n", ppl_error_text(c));
        status = PPL_EINVAL;
    }
    ppl_svi_free(svi);
    ppl_ctx_free(c);
    return status != PPL_OK;
}
