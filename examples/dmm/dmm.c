/* SPDX-License-Identifier: MIT */
/* Model and guide of the Deep Markov Model: Krishnan et al. 2017, section 4 and figure 2;
 * parameter names as in Pyro's modules, so that its weights load by name. */
#include "dmm.h"

/* Hidden units h [n,H] of time step t without those that are left out this time, and the
 * others scaled up (Srivastava et al. 2014). */
static ppl_tensor *drop(ppl_ctx *c, const dmm_batch *b, const char *name, int t,
                        ppl_tensor *h)
{
    ppl_rng rng;
    ppl_dist *keep;

    if (b->dropout == 0)
        return h;
    rng = ppl_rng_at(c, name, t);
    keep = ppl_bernoulli(ppl_full(c, ppl_tensor_shape(h), 1 - b->dropout));
    return ppl_mul(h, ppl_affine(ppl_dist_sample(keep, &rng), 1 / (1 - b->dropout), 0));
}

/* emitter: z [n,Z] of time step t to logits [n,X]. */
static ppl_tensor *emit(ppl_ctx *c, const dmm_batch *b, int t, ppl_tensor *z)
{
    const dmm_dims *d = &b->dims;
    ppl_tensor *h = ppl_nn_linear(c, "emitter.lin_z_to_hidden", z, d->emission_dim, PPL_RELU);

    h = drop(c, b, "emitter dropout 1", t, h);
    h = ppl_nn_linear(c, "emitter.lin_hidden_to_hidden", h, d->emission_dim, PPL_RELU);
    h = drop(c, b, "emitter dropout 2", t, h);
    return ppl_nn_linear(c, "emitter.lin_hidden_to_input", h, d->x_dim, PPL_IDENTITY);
}

/* A linear map that starts as the identity. */
static ppl_tensor *near_identity(ppl_ctx *c, ppl_tensor *z, int dim)
{
    ppl_tensor *weight = ppl_param(c, "trans.lin_z_to_loc.weight", PPL_SHAPE(dim, dim),
                                   ppl_init_identity(1), PPL_REAL);
    ppl_tensor *bias =
        ppl_param(c, "trans.lin_z_to_loc.bias", PPL_SHAPE(dim), PPL_ZEROS, PPL_REAL);

    return ppl_linear(z, weight, bias, PPL_IDENTITY);
}

/* p(z_t | z_{t-1}): a gate mixes a linear and a nonlinear mean. */
static ppl_dist *transition(ppl_ctx *c, const dmm_batch *b, int t, ppl_tensor *z)
{
    const dmm_dims *d = &b->dims;
    ppl_tensor *gate, *proposed, *loc, *scale;

    gate = ppl_nn_linear(c, "trans.lin_gate_z_to_hidden", z, d->transition_dim, PPL_RELU);
    gate = drop(c, b, "gate dropout", t, gate);
    gate = ppl_nn_linear(c, "trans.lin_gate_hidden_to_z", gate, d->z_dim, PPL_SIGMOID);
    proposed = ppl_nn_linear(c, "trans.lin_proposed_mean_z_to_hidden", z, d->transition_dim,
                             PPL_RELU);
    proposed = drop(c, b, "proposal dropout", t, proposed);
    proposed = ppl_nn_linear(c, "trans.lin_proposed_mean_hidden_to_z", proposed, d->z_dim,
                             PPL_IDENTITY);
    loc = ppl_lerp(near_identity(c, z, d->z_dim), proposed, gate);
    scale = ppl_nn_linear(c, "trans.lin_sig", ppl_relu(proposed), d->z_dim, PPL_SOFTPLUS);
    return ppl_event(ppl_normal(loc, scale), 1);
}

/* q(z_t | z_{t-1}, x_t .. x_T), h [n,R] the RNN's state. */
static ppl_dist *combine(ppl_ctx *c, const dmm_dims *d, ppl_tensor *z, ppl_tensor *h)
{
    ppl_tensor *mixed, *loc, *scale;

    mixed = ppl_nn_linear(c, "combiner.lin_z_to_hidden", z, d->rnn_dim, PPL_TANH);
    mixed = ppl_axpby(0.5, mixed, 0.5, h);
    loc = ppl_nn_linear(c, "combiner.lin_hidden_to_loc", mixed, d->z_dim, PPL_IDENTITY);
    scale = ppl_nn_linear(c, "combiner.lin_hidden_to_scale", mixed, d->z_dim, PPL_SOFTPLUS);
    return ppl_event(ppl_normal(loc, scale), 1);
}

/* The state before the first step, the same for every sequence: [n_0,Z]. */
static ppl_tensor *initial(ppl_ctx *c, const char *name, const dmm_batch *b)
{
    ppl_tensor *z = ppl_param(c, name, PPL_SHAPE(b->dims.z_dim), PPL_ZEROS, PPL_REAL);

    return ppl_expand(z, PPL_SHAPE(b->active[0], b->dims.z_dim));
}

static ppl_tensor *data(ppl_ctx *c, const dmm_batch *b)
{
    return ppl_wrap(c, ppl_ctx_dtype(c), PPL_SHAPE(b->rows, b->dims.x_dim), b->x);
}

void dmm_model(ppl_ctx *c, const void *arg)
{
    const dmm_batch *b = arg;
    ppl_tensor *x = b->x != NULL ? data(c, b) : NULL;
    ppl_tensor *z = initial(c, "z_0", b);

    for (int t = 0; t < b->steps && ppl_ok(c); t++) {
        ppl_dist *next = transition(c, b, t, ppl_head(z, b->active[t]));
        ppl_scope s = ppl_push(c, ppl_scale(c, b->kl_weight));
        ppl_dist *notes;

        z = ppl_sample_at(c, "z", t, next);
        ppl_pop(c, s);
        notes = ppl_event(ppl_bernoulli_logits(emit(c, b, t, z)), 1);
        if (x != NULL)
            ppl_observe_at(c, "x", t, notes,
                           ppl_slice(x, 0, b->offset[t], b->offset[t] + b->active[t]));
        else
            ppl_sample_at(c, "x", t, notes);
    }
}

/* The flows of the guide, made once for all time steps. */
static void make_flows(ppl_ctx *c, const dmm_dims *d, ppl_transform *flow[DMM_MOST_IAFS])
{
    static const char *const name[DMM_MOST_IAFS] = {
        "iafs_modules.0", "iafs_modules.1", "iafs_modules.2", "iafs_modules.3",
        "iafs_modules.4", "iafs_modules.5", "iafs_modules.6", "iafs_modules.7",
    };
    const int64_t hidden = d->iaf_dim;

    for (int i = 0; i < d->iafs; i++)
        flow[i] = ppl_flow_affine_autoregressive(
            c, name[i], d->z_dim, &(ppl_flow_opts){ .hidden = &hidden, .layers = 1 });
}

void dmm_guide(ppl_ctx *c, const void *arg)
{
    const dmm_batch *b = arg;
    ppl_ragged ragged = { b->steps, b->active };
    ppl_rnn_opts opts = { .hidden = b->dims.rnn_dim, .activation = PPL_RELU, .reverse = 1 };
    ppl_transform *flow[DMM_MOST_IAFS] = { NULL };
    ppl_tensor *h, *z = initial(c, "z_q_0", b);
    ppl_scope s = ppl_push(c, ppl_scale(c, b->kl_weight));

    opts.h_0 = ppl_param(c, "h_0", PPL_SHAPE(b->dims.rnn_dim), PPL_ZEROS, PPL_REAL);
    h = ppl_nn_rnn(c, "rnn", data(c, b), &ragged, &opts);
    make_flows(c, &b->dims, flow);
    for (int t = 0; t < b->steps && ppl_ok(c); t++) {
        ppl_dist *q = combine(c, &b->dims, ppl_head(z, b->active[t]),
                              ppl_ragged_step(h, &ragged, t));

        z = ppl_sample_at(c, "z", t, ppl_transformed(q, flow, b->dims.iafs));
    }
    ppl_pop(c, s);
}
