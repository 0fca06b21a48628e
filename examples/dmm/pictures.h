/* SPDX-License-Identifier: MIT */
/* The example's pictures as PNG files, drawn with cairo. Built without cairo, every
 * function fails with a sentence that says so. Files appear whole or not at all
 * (output.h).
 */
#ifndef DMM_PICTURES_H
#define DMM_PICTURES_H

#include "data.h"

/* A curve of `count` points; points that are not finite are left out. Curves of one
 * `colour` (0, 1, 2, ...) belong together: train, valid and test are 0, 1 and 2, and
 * where both ELBOs are trained the second one's are the same colours, dashed. */
typedef struct {
    const char *label;
    const double *x, *y; /* [count]; x increasing, or NULL: 0, 1, 2, ... */
    int count;
    int colour;
    bool dashed;
} curve;

/* A horizontal line, e.g. the exact entropy; its value is added to the label. */
typedef struct {
    const char *label;
    double value;
} level;

/* Bounds in nats per time step over epochs. The vertical axis becomes logarithmic where
 * the values span more than a factor of four. A level that is not finite is left out.
 * Fails where no point is finite. */
int picture_bounds(const char *path, const char *title, const curve *curves, int count,
                   const level *levels, int level_count, char *error, size_t size);

/* Per time step of one piece, in nats: KL(q||p) of the latent and the reconstruction term
 * -log p(x_t|z_t), both [length]. */
int picture_steps(const char *path, const char *title, const double *kl,
                  const double *reconstruction, int length, char *error, size_t size);

/* Per time step, of each curve's site and estimator, the mean of its term in the ELBO above
 * and its variance below, each `count` curves with the same legend. */
int picture_ledger(const char *path, const char *title, const curve *mean,
                   const curve *variance, int count, char *error, size_t size);

/* One panel of picture_rolls: notes, or where `probability` is not NULL the probability
 * of each key, [length, KEYS] in 0..1, as depth of colour. */
typedef struct {
    const char *label;
    const slice *notes; /* [length] */
    const float *probability;
    int length;
} roll;

/* Piano rolls above each other, on common axes of time step and MIDI note. */
int picture_rolls(const char *path, const char *title, const roll *rolls, int count,
                  char *error, size_t size);

#endif
