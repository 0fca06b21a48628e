/* SPDX-License-Identifier: MIT */
/*
 * kiln/io.h - parameters in safetensors files: checkpoints of ours, weights of others.
 *
 * A safetensors file is a little-endian u64 header length, a JSON header, and raw
 * row-major little-endian elements. Files are read whole and checked whole before
 * anything changes; they are written to a temporary file in the same directory, synced
 * and renamed, so that a reader or a killed run sees the old file or the new one.
 */
#ifndef KILN_IO_H
#define KILN_IO_H

#include <kiln/effects.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes every parameter (unconstrained elements under its name), its moments
 * (kiln.moment1.NAME, kiln.moment2.NAME) and count of steps, seed and step of the random
 * state. `metadata` is a list key, value, key, value, ..., NULL of your own strings (keys
 * must not begin with "kiln."), or NULL. Errors name the path: PPL_EIO, PPL_EINVAL. */
PPL_API PPL_MUST_CHECK ppl_status ppl_checkpoint_save(ppl_ctx *c, const char *path,
                                                      const char *const *metadata);
/* Restores what ppl_checkpoint_save wrote, or loads the tensors of any other safetensors
 * file (F32 or F64, converted) as parameters by name, with moments zero. Parameters of
 * the context that the file lacks stay. A parameter that exists must have the file's
 * shape; one that does not is checked when a model first asks for it. `metadata`, if not
 * NULL, is called with each string pair. All or nothing. PPL_EIO, PPL_EFORMAT, PPL_ESHAPE. */
PPL_API PPL_MUST_CHECK ppl_status
ppl_checkpoint_load(ppl_ctx *c, const char *path,
                    void (*metadata)(void *user, const char *key, const char *value),
                    void *user);

#ifdef __cplusplus
}
#endif
#endif
