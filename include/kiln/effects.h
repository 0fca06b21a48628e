/* SPDX-License-Identifier: MIT */
/*
 * kiln/effects.h - the statements of a model (sample, observe, param, ...), the messages
 * they send, and the interfaces that handlers and distributions implement.
 *
 * A statement makes a message and sends it through the stack of handlers: `process` of
 * each, innermost first; then, if nobody supplied a value, the default (draw, look up);
 * then `postprocess` of the handlers that were reached, outermost first. While a handler
 * runs, the stack is what lies outside it, so a handler's own statements go outward.
 *
 * A site's address is a name and an index: ppl_sample_at(c, "z", 17, d) is site z[17]. An
 * address may be visited once in a run (parameters: any number of times).
 */
#ifndef KILN_EFFECTS_H
#define KILN_EFFECTS_H

#include <kiln/constraint.h>
#include <kiln/runtime.h>
#include <kiln/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An interned name: equal names are equal pointers, valid as long as the context. */
typedef const char *ppl_name;
/* NULL when out of memory or when text is NULL or empty. */
PPL_API ppl_name ppl_intern(ppl_ctx *c, const char *text);
/* prefix, then suffix, interned; cheap when asked again. */
PPL_API ppl_name ppl_intern_join(ppl_ctx *c, const char *prefix, const char *suffix);

/* ---- Random numbers ---------------------------------------------------------------- */

/* The random numbers of one site in one step: Philox4x32-10 (Salmon et al. 2011) keyed by
 * (seed, step, particle) and the site's address, so a draw depends on which site it is,
 * not on when it was visited. Plain data: copy it freely. */
typedef struct ppl_rng {
    uint32_t key[2];
} ppl_rng;

/* Four words for (stream, element, attempt): the primitive behind the rest. Samplers that
 * reject ask for attempt 0, 1, ...; those that need several variables use streams. */
PPL_API void ppl_rng_block(const ppl_rng *rng, uint32_t stream, uint64_t element,
                           uint32_t attempt, uint32_t words[4]);
/* n uniforms in (0,1), 52 bits; n standard normals (Box-Muller, in double). Element i of
 * a stream is the same whatever n is, and to the last bit on every machine. */
PPL_API void ppl_rng_uniforms(const ppl_rng *rng, uint32_t stream, size_t n, double *out);
PPL_API void ppl_rng_normals(const ppl_rng *rng, uint32_t stream, size_t n, double *out);
/* A uniform (the first of a pair), a pair of them, and a pair of normals for one element
 * and attempt. */
PPL_API double ppl_rng_uniform(const ppl_rng *rng, uint32_t stream, uint64_t element,
                               uint32_t attempt);
PPL_API void ppl_rng_uniform_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                                  uint32_t attempt, double pair[2]);
PPL_API void ppl_rng_normal_pair(const ppl_rng *rng, uint32_t stream, uint64_t element,
                                 uint32_t attempt, double pair[2]);
/* n normals of ppl_rng_normals from 2 `pair` on. */
PPL_API void ppl_rng_normals_from(const ppl_rng *rng, uint32_t stream, uint64_t pair, size_t n,
                                  double *out);
/* ppl_rng_uniform of n elements from `first` on, attempt 0. */
PPL_API void ppl_rng_first_uniforms(const ppl_rng *rng, uint32_t stream, uint64_t first,
                                    size_t n, double *out);
/* Draws of Gamma(a[i], rate 1) for n elements from `first` on, with a[0] for all if
 * `single`; and their logarithms, since for small a draws are beyond the range of any
 * floating type (a = 0.001: below 1e-300 every other time). NaN unless 0 < a < inf; log_x
 * NULL: not asked for; all arrays their own. Of the streams `stream`, stream + 1 and stream + 2,
 * where elements 2k and 2k + 1 have the pair of k. Marsaglia and Tsang (2000): about 1.05
 * attempts of a normal and a uniform number, and one uniform more where a < 1. How a draw
 * moves with a: ppl_maths_gamma_slope. */
PPL_API void ppl_rng_gammas(const ppl_rng *rng, uint32_t stream, uint64_t first, size_t n,
                            const double *a, int single, double *x, double *log_x);
/* The same of one element; returns x. */
PPL_API double ppl_rng_gamma(const ppl_rng *rng, uint32_t stream, uint64_t element, double a,
                             double *log_x);
/* The random numbers of part `part` of a value: as good as unrelated to those of `rng` and
 * of other parts. For distributions made of others. */
PPL_API ppl_rng ppl_rng_part(const ppl_rng *rng, uint64_t part);

/* What every draw is keyed by: the seed and the step (counted up by each ppl_run outside a
 * step and by each step). They are all of the generator's state. */
PPL_API void ppl_rng_state(const ppl_ctx *c, uint64_t *seed, uint64_t *step);
PPL_API void ppl_set_rng_state(ppl_ctx *c, uint64_t seed, uint64_t step);
/* For estimators: keys the draws that follow by `particle` as well (0 by default). */
PPL_API void ppl_set_particle(ppl_ctx *c, uint64_t particle);
/* Counts the step up: one estimator's step. */
PPL_API void ppl_next_step(ppl_ctx *c);

/* ---- Distributions ----------------------------------------------------------------- */

#define PPL_MAX_PARAMS 6

enum {
    PPL_REPARAM = 1,                /* sample is differentiable in the parameters */
    PPL_DISCRETE = 2,
    PPL_ENUMERABLE = 4,
    PPL_IMPROPER = 8,               /* no distribution: drawing is an error */
    PPL_ATOMS = 16                  /* numbers that need not be whole have probabilities of
                                       their own: P(X < x) may be less than P(X <= x) */
};

struct ppl_dist;

/* A family of distributions: a const row in a file of its own. In `sample` and `log_prob`
 * the parameters come as given: they broadcast to the batch. */
typedef struct ppl_family {
    const char *name;                               /* "normal" */
    int params;
    const char *param_name[PPL_MAX_PARAMS];
    const ppl_constraint *param_constraint[PPL_MAX_PARAMS];
    int param_event_dim[PPL_MAX_PARAMS];            /* trailing axes of one parameter */
    unsigned ascending;     /* bit i: parameter i must lie below parameter i + 1 (of counts:
                               not above) */
    ppl_dtype param_dtype[PPL_MAX_PARAMS];          /* PPL_F32: floating; PPL_I64: integers,
                                                       or floating numbers (whole ones) */
    const ppl_constraint *support;
    int event_dim;                                  /* trailing axes of one value */
    unsigned flags;
    ppl_dtype value_dtype;                          /* PPL_F32: the context's floating one */
    /* REQUIRED. A draw of shape d->shape; differentiable if PPL_REPARAM. */
    ppl_tensor *(*sample)(const struct ppl_dist *d, const ppl_rng *rng);
    /* REQUIRED. In nats: one number for each value, x's shape without the family's event
     * axes. x has d->shape, or one that d->shape broadcasts to. */
    ppl_tensor *(*log_prob)(const struct ppl_dist *d, ppl_tensor *x);
    /* OPTIONAL; NULL: not available. */
    ppl_shape (*event_shape)(const struct ppl_dist *d);    /* NULL: [] */
    ppl_tensor *(*entropy)(const struct ppl_dist *d);       /* nats */
    ppl_tensor *(*mean)(const struct ppl_dist *d);
    ppl_tensor *(*variance)(const struct ppl_dist *d);
    ppl_tensor *(*covariance)(const struct ppl_dist *d);    /* of vectors: [batch,n,n] */
    ppl_tensor *(*mode)(const struct ppl_dist *d);          /* of the density */
    ppl_tensor *(*enumerate)(const struct ppl_dist *d);     /* [K,event], in order */
    /* KL(q || p) of two members, one number for each value. */
    ppl_tensor *(*kl)(const struct ppl_dist *q, const struct ppl_dist *p);
    /* Whether kl holds for these two; NULL: for all. */
    int (*kl_holds)(const struct ppl_dist *q, const struct ppl_dist *p);
    /* P(X <= x), and the least x with P(X <= x) >= probability; elementwise, 0 and 1 (the
     * ends) outside the support. */
    ppl_tensor *(*cdf)(const struct ppl_dist *d, ppl_tensor *x);
    ppl_tensor *(*icdf)(const struct ppl_dist *d, ppl_tensor *probability);
    /* log P(X <= x), log P(X > x), and the x with P(X > x) = probability, where they are
     * known better than by way of cdf and icdf: far into the tails. */
    ppl_tensor *(*log_cdf)(const struct ppl_dist *d, ppl_tensor *x);
    ppl_tensor *(*log_survival)(const struct ppl_dist *d, ppl_tensor *x);
    ppl_tensor *(*inverse_survival)(const struct ppl_dist *d, ppl_tensor *probability);
    /* The bounds of a support that depends on the parameters, both included: tensors that
     * broadcast to a value, or left NULL where there is none. `support` holds as well. */
    void (*bounds)(const struct ppl_dist *d, ppl_tensor **lower, ppl_tensor **upper);
    /* Of whole events, what one must be whose parameters of one number are `param`
     * (multinomial counts: their total). `support` holds as well. */
    ppl_constraint (*support_at)(const double *param);
    /* Of a family of which a cut one is another family: d given low <= x <= high, which may
     * be infinite (ppl_truncated). */
    struct ppl_dist *(*truncated)(const struct ppl_dist *d, ppl_tensor *low,
                                  ppl_tensor *high);
    /* Of a family made at run time (of a mixture of normals, say): the const row that it
     * is a case of, which KL rules go by. NULL: the family itself. */
    const struct ppl_family *kind;
    /* Of a family whose members are images of their first part (parts->dist[0]) under a
     * map: the map, from a value of that part to a value of d. */
    ppl_tensor *(*image)(const struct ppl_dist *d, ppl_tensor *x);
} ppl_family;

/* What a distribution is made of beside its parameters: other distributions, tensors. */
typedef struct ppl_dist_parts {
    const struct ppl_dist *const *dist;
    int dists;
    ppl_tensor *const *tensor;
    int tensors;
    ppl_shape batch;                /* that they bring; the parameters' broadcast with it */
} ppl_dist_parts;

/* A distribution: a family, its parameters, and three facts that other libraries make
 * wrappers of. Read-only; the functions below make altered copies. */
typedef struct ppl_dist {
    ppl_ctx *ctx;
    const ppl_family *family;
    ppl_tensor *param[PPL_MAX_PARAMS];
    ppl_shape shape;                /* of a value: batch axes, then event axes */
    int event_dim;                  /* how many trailing axes of `shape` are one event */
    ppl_tensor *mask;               /* PPL_MASK that broadcasts to the batch, or NULL */
    const ppl_dist_parts *parts;    /* NULL for most families */
    const void *attr;               /* the family's own, or NULL */
} ppl_dist;

/* Checks shapes (and values, when validating) and makes a distribution; `attr` is kept. A
 * tensor in `attr` is not seen by provenance: what depends on latents belongs in params,
 * or in the parts. */
PPL_API ppl_dist *ppl_dist_make(const ppl_family *family, ppl_tensor *const *params,
                                const void *attr);
/* The same of parts as well, which are copied with their arrays. A part that could not be
 * made (NULL) gives NULL. A family made at run time is to live as long (ppl_alloc). */
PPL_API ppl_dist *ppl_dist_make_of(const ppl_family *family, ppl_tensor *const *params,
                                   const ppl_dist_parts *parts, const void *attr);
/* The last n batch axes become part of the event: their log_prob is summed. */
PPL_API ppl_dist *ppl_event(ppl_dist *d, int n);
/* log_prob and KL count as 0 where `mask` is 0, also if they or their gradients would be
 * NaN. Masks given twice are joined by and. NULL mask: d itself. */
PPL_API ppl_dist *ppl_masked(ppl_dist *d, ppl_tensor *mask);
/* Independent copies: the batch becomes `batch`, to which the old one broadcasts. */
PPL_API ppl_dist *ppl_expand_dist(ppl_dist *d, ppl_shape batch);

PPL_API ppl_shape ppl_dist_batch_shape(const ppl_dist *d);
PPL_API ppl_tensor *ppl_dist_sample(ppl_dist *d, const ppl_rng *rng);
/* 1 if `value` is of the type, shape and support of d's values, also where the context does
 * not validate. Else 0, without an error, and why not: "gamma: value[2] is -1; it must be
 * positive". (Out of memory, or NULL after an error, is 0 too, and the error stands.) */
PPL_API int ppl_dist_admits(const ppl_dist *d, const ppl_tensor *value, char *why,
                            size_t size);
/* [batch], in nats; events summed, mask applied. */
PPL_API ppl_tensor *ppl_log_prob(ppl_dist *d, ppl_tensor *value);
/* [batch], in nats; PPL_EUNSUPPORTED where there is no closed form. */
PPL_API ppl_tensor *ppl_entropy(ppl_dist *d);
/* d->shape. */
PPL_API ppl_tensor *ppl_dist_mean(ppl_dist *d);
PPL_API ppl_tensor *ppl_dist_variance(ppl_dist *d);
PPL_API ppl_tensor *ppl_dist_mode(ppl_dist *d);
/* Of a distribution of vectors: d->shape and its last axis once more. */
PPL_API ppl_tensor *ppl_dist_covariance(ppl_dist *d);
/* P(X <= value), and its inverse; elementwise, of the shape that d->shape and the argument
 * broadcast to. A probability outside 0..1 gives NaN. */
PPL_API ppl_tensor *ppl_cdf(ppl_dist *d, ppl_tensor *value);
PPL_API ppl_tensor *ppl_icdf(ppl_dist *d, ppl_tensor *probability);
/* The same by the upper tail, P(X > value), in logarithms (nats) or not: for where a cdf
 * rounds to 0 or 1. From cdf and icdf where the family has nothing better. */
PPL_API ppl_tensor *ppl_log_cdf(ppl_dist *d, ppl_tensor *value);
PPL_API ppl_tensor *ppl_log_survival(ppl_dist *d, ppl_tensor *value);
PPL_API ppl_tensor *ppl_inverse_survival(ppl_dist *d, ppl_tensor *probability);

/* ---- The statements of a model ----------------------------------------------------- */

/* The index of a site that has none. */
#define PPL_NO_INDEX (-1)

/* A latent value: drawn, or supplied by a handler. */
PPL_API ppl_tensor *ppl_sample(ppl_ctx *c, const char *name, ppl_dist *d);
PPL_API ppl_tensor *ppl_sample_at(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d);
/* A latent of the guide alone (auxiliary): the model need not have it. */
PPL_API ppl_tensor *ppl_sample_auxiliary(ppl_ctx *c, const char *name, int64_t index,
                                         ppl_dist *d);
/* A known value; returns it. */
PPL_API ppl_tensor *ppl_observe(ppl_ctx *c, const char *name, ppl_dist *d,
                                ppl_tensor *value);
PPL_API ppl_tensor *ppl_observe_at(ppl_ctx *c, const char *name, int64_t index, ppl_dist *d,
                                   ppl_tensor *value);
/* Adds log_factor (any shape, nats) to the log density. */
PPL_API void ppl_factor(ppl_ctx *c, const char *name, ppl_tensor *log_factor);
/* Gives a computed value a name, so that traces record it; no density. Returns it. */
PPL_API ppl_tensor *ppl_deterministic(ppl_ctx *c, const char *name, ppl_tensor *value);
PPL_API ppl_tensor *ppl_deterministic_at(ppl_ctx *c, const char *name, int64_t index,
                                         ppl_tensor *value);

/* How a parameter starts; values are in constrained space. */
typedef enum ppl_init_kind {
    PPL_INIT_CONSTANT,              /* a */
    PPL_INIT_UNIFORM,               /* between a and b */
    PPL_INIT_NORMAL,                /* mean a, standard deviation b */
    PPL_INIT_IDENTITY,              /* a on the diagonal of a matrix, 0 elsewhere */
    PPL_INIT_VALUES                 /* copied from `values`, as many as the shape has */
} ppl_init_kind;

typedef struct ppl_init {
    ppl_init_kind kind;
    double a, b;
    const double *values;
} ppl_init;

#define PPL_ZEROS ppl_init_constant(0)
#define PPL_ONES ppl_init_constant(1)
PPL_API ppl_init ppl_init_constant(double value);
PPL_API ppl_init ppl_init_uniform(double low, double high);
PPL_API ppl_init ppl_init_normal(double mean, double scale);
PPL_API ppl_init ppl_init_identity(double diagonal);
PPL_API ppl_init ppl_init_values(const double *values);

/* A parameter: created by `init` at the first visit, looked up ever after. The value lies
 * in `constraint`; what is stored and optimised is unconstrained. Random initialisers are
 * keyed by the seed and the name. Another shape or constraint than at first is an error. */
PPL_API ppl_tensor *ppl_param(ppl_ctx *c, const char *name, ppl_shape shape, ppl_init init,
                              ppl_constraint constraint);

/* ---- Messages and handlers --------------------------------------------------------- */

typedef enum ppl_kind {
    PPL_SITE_SAMPLE,                /* latent or observed */
    PPL_SITE_PARAM,
    PPL_SITE_DETERMINISTIC,
    PPL_SITE_SUBSAMPLE,             /* the indices of a plate: drawn, but no latent */
    PPL_SITE_INSPECT                /* changes nothing: collects scale, mask, plates */
} ppl_kind;

enum {
    PPL_OBSERVED = 1,               /* the value is data, not latent; implies PPL_DONE */
    PPL_DONE = 2,                   /* a value is there: the default must not run */
    PPL_STOP = 4,                   /* handlers further out do not see the message */
    PPL_AUXILIARY = 8,              /* the guide's own */
    PPL_SKIP = 16                   /* answered: no site of its own, nobody further out sees
                                       it, no default runs */
};

/* A set of latent sites of this epoch; NULL is the empty set. */
typedef struct ppl_sites ppl_sites;
PPL_API int ppl_sites_has(const ppl_sites *set, int site);
PPL_API const ppl_sites *ppl_sites_union(ppl_ctx *c, const ppl_sites *a, const ppl_sites *b);
/* The first id in the set that is >= from, or -1. */
PPL_API int ppl_sites_next(const ppl_sites *set, int from);
/* The latent sites a tensor's value depends on, not counting what those depend on. */
PPL_API const ppl_sites *ppl_tensor_sites(const ppl_tensor *t);
/* Those that the density of `d` depends on, through parameters, mask and parts. */
PPL_API const ppl_sites *ppl_dist_sites(const ppl_dist *d);

/* An independence frame that a plate puts on the messages inside it. */
typedef struct ppl_frame {
    const struct ppl_frame *inner;  /* of the next plate further in, or NULL */
    ppl_name name;
    int dim;                        /* the batch axis, counted from the right: -1, -2, ...;
                                       0: none, the plate is a loop (sequential) */
    int64_t size, full_size;        /* in use, and before subsampling */
    int64_t copy;                   /* of a loop: which copy this is; -1 with an axis */
} ppl_frame;

/* Names an option, by its address. Who declares a key says what its values point to. */
typedef struct ppl_option_key {
    const char *name;
} ppl_option_key;

/* What handlers have said about a site to whoever treats it; the newest first. */
typedef struct ppl_option {
    const struct ppl_option *older;
    const ppl_option_key *key;
    const void *value;
} ppl_option;

typedef struct ppl_msg {
    ppl_ctx *ctx;
    ppl_kind kind;
    ppl_kind inspected;             /* of an inspection: the kind it is made for */
    ppl_name name;                  /* of an outer handler's rename, if any */
    int64_t index;                  /* PPL_NO_INDEX: the site has none */
    int site;                       /* dense id of (name, index) within the epoch */
    unsigned flags;
    ppl_tensor *value;              /* meaningful with PPL_DONE */
    /* samples */
    ppl_dist *dist;
    double scale;                   /* product of the enclosing scales */
    ppl_tensor *mask;               /* conjunction of the enclosing masks, or NULL */
    const ppl_frame *plates;        /* outermost first */
    const uint64_t *seed;           /* set by a seed handler, or NULL */
    const ppl_option *options;      /* see ppl_msg_option; NULL for most sites */
    const ppl_sites *parents;       /* the latents that the density depends on */
    ppl_tensor *log_prob;           /* made by ppl_site_log_prob, or NULL */
    /* parameters */
    ppl_shape shape;
    ppl_init init;
    ppl_constraint constraint;
    ppl_tensor *leaf;               /* the unconstrained leaf behind `value` */
} ppl_msg;

/* [batch] in nats: 0 where the site is masked, by its distribution or by handlers; not
 * scaled. */
PPL_API ppl_tensor *ppl_site_log_prob(ppl_msg *m);
/* "z[17]" into a buffer; returns it. */
PPL_API const char *ppl_site_text(const ppl_msg *m, char *buffer, size_t size);
/* The newest value under `key` (the outermost handler's), or NULL if there is none. */
PPL_API const void *ppl_msg_option(const ppl_msg *m, const ppl_option_key *key);
PPL_API void ppl_msg_set_option(ppl_msg *m, const ppl_option_key *key, const void *value);
/* The random numbers of m's site, for a handler that draws in the default's place: seed
 * and name are asked of the handlers further out. */
PPL_API ppl_rng ppl_site_rng(const ppl_msg *m);
/* A hash of an address, for tables in memory: it differs from run to run. Of eight indices
 * that follow each other the values do too, so that loops over sites stay in the cache. */
PPL_API size_t ppl_address_hash(ppl_name name, int64_t index);

typedef struct ppl_handler_ops {
    const char *name;
    void (*process)(ppl_handler *h, ppl_msg *m);        /* any may be NULL */
    void (*postprocess)(ppl_handler *h, ppl_msg *m);
    /* When it is pushed; statements made here go outward. */
    void (*enter)(ppl_handler *h, ppl_ctx *c);
    /* Always called when the handler is popped: on success, error and escape. */
    void (*leave)(ppl_handler *h, ppl_ctx *c, ppl_status why);
} ppl_handler_ops;

/* The first member of every handler. Allocate yours with ppl_alloc and set `ops`. */
struct ppl_handler {
    const ppl_handler_ops *ops;
    ppl_handler *outer;             /* the runtime's, while installed */
    int installed;
};

typedef int ppl_scope;
/* Installs `h` innermost; returns the mark that ppl_pop goes back to. A NULL handler (one
 * whose construction failed) installs nothing. The same handler twice is an error. */
PPL_API ppl_scope ppl_push(ppl_ctx *c, ppl_handler *h);
PPL_API void ppl_pop(ppl_ctx *c, ppl_scope mark);
/* Sends a message that a handler or statement of your own has filled in: kind, name,
 * index, dist or parameter fields; the rest zero but scale, which is 1. */
PPL_API void ppl_send(ppl_msg *m);
/* A latent beside that of `m`, for a handler that has `m`: at m's name with `suffix` and
 * m's index, with what handlers have said of `m` so far (scale, mask, plates, options). */
PPL_API ppl_tensor *ppl_sample_beside(const ppl_msg *m, const char *suffix, ppl_dist *d);

/* ---- The parameter store ----------------------------------------------------------- */

typedef struct ppl_param_info {
    ppl_name name;
    ppl_shape shape;                /* of the constrained value */
    ppl_constraint constraint;      /* type NULL: loaded, but not yet visited by a model */
    int64_t offset, count;          /* of the unconstrained elements in the slab */
    int64_t steps;                  /* optimiser steps taken */
    int touched;                    /* visited since ppl_zero_grad */
} ppl_param_info;

/* All parameters lie in one slab; values, gradients and two moments are arrays in
 * parallel, in the context's dtype, each parameter at a multiple of 64 bytes. */
typedef struct ppl_slab {
    ppl_dtype dtype;
    int64_t size;                   /* elements, padding (zeros) included */
    void *value, *grad, *moment[2];
} ppl_slab;

PPL_API int ppl_param_count(const ppl_ctx *c);
/* Parameter i, 0 <= i < count, in order of creation; valid until one is created. */
PPL_API const ppl_param_info *ppl_param_at(const ppl_ctx *c, int i);
/* Its number, or -1. */
PPL_API int ppl_param_find(const ppl_ctx *c, const char *name);
PPL_API ppl_slab ppl_param_slab(ppl_ctx *c);
/* The constrained value as doubles; `count` must be the number of its elements. */
PPL_API PPL_MUST_CHECK ppl_status ppl_param_read(ppl_ctx *c, const char *name, double *out,
                                                 int64_t count);
/* Sets it; the parameter need not exist yet, and a model that then asks for it must ask
 * for this shape. Values outside the constraint of one that exists are refused. (Of one
 * that no model has asked for yet, a checkpoint holds the values as given here.) */
PPL_API PPL_MUST_CHECK ppl_status ppl_param_write(ppl_ctx *c, const char *name,
                                                  ppl_shape shape, const double *values);
/* Moving averages: state beside the parameters, made by ppl_param_write, that no model asks
 * for. It moves by `weight` (0 to 1) of its way to `values` [count] when the step that is
 * under way, or the run outside a step, has succeeded; not at all if that fails or is only
 * evaluated. Several moves are made in order. Outside both it moves at once. */
PPL_API PPL_MUST_CHECK ppl_status ppl_param_average(ppl_ctx *c, const char *name,
                                                    double weight, const double *values,
                                                    int64_t count);
/* For loops of your own: makes the moves of the step whose epoch is open, after the
 * optimiser's (ppl_svi_step and ppl_run do so). */
PPL_API void ppl_param_commit(ppl_ctx *c);
/* Gradient of the unconstrained elements after a backward pass, as doubles. */
PPL_API PPL_MUST_CHECK ppl_status ppl_param_grad(ppl_ctx *c, const char *name, double *out,
                                                 int64_t count);
/* Zeroes all gradients and forgets which parameters were touched. */
PPL_API void ppl_zero_grad(ppl_ctx *c);
/* For optimisers and files: sets a parameter's count of steps. */
PPL_API void ppl_param_set_steps(ppl_ctx *c, int i, int64_t steps);
/* For loaders: a parameter by name with `shape`, `count` unconstrained elements, made with
 * zeros if there is none. Returns its number, or -1 with the error recorded. */
PPL_API int ppl_param_declare(ppl_ctx *c, const char *name, ppl_shape shape, int64_t count);
/* Forgets the parameters created since there were `count`. */
PPL_API void ppl_param_rollback(ppl_ctx *c, int count);

/* ---- What belongs to a context ----------------------------------------------------- */

/* Hands `object` to the context under `key` (an address of yours); release is called at
 * ppl_ctx_free. 0, or the status with the error recorded (and release called). */
PPL_API ppl_status ppl_own(ppl_ctx *c, const void *key, void *object,
                           void (*release)(ppl_ctx *c, void *object));
/* The newest object under `key`, or NULL. */
PPL_API void *ppl_owned(const ppl_ctx *c, const void *key);

#ifdef __cplusplus
}
#endif
#endif
