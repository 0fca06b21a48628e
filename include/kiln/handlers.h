/* SPDX-License-Identifier: MIT */
/*
 * kiln/handlers.h - the effect handlers: each changes what the statements inside it mean.
 *
 * Push one around part of a model (ppl_push, ppl_pop) or around a run (ppl_run). Handlers
 * live until the end of the epoch they were made in. Constructors return NULL on error,
 * with the error recorded; a NULL handler installs nothing. doc/handlers.md has an example
 * of each, the laws it obeys, and Pyro's and NumPyro's beside it.
 *
 * Messages travel outward: where two handlers say different things of a site, the outer
 * one has the last word, but for seed, where the inner one has.
 */
#ifndef KILN_HANDLERS_H
#define KILN_HANDLERS_H

#include <kiln/handlers_forms.h>
#include <kiln/handlers_plate.h>
#include <kiln/handlers_sites.h>
#include <kiln/handlers_trace.h>
#include <kiln/handlers_values.h>
#include <kiln/handlers_weight.h>

#endif
