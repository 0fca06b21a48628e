/* SPDX-License-Identifier: MIT */
/*
 * kiln.h - kiln, a probabilistic programming library for C. Everything.
 *
 * Read in this order: runtime.h (contexts, errors, memory), tensor.h and matrix.h
 * (operations), effects.h (sample, observe, param; handlers; distributions), functions.h,
 * handlers.h, distributions.h, nn.h (layers), optim.h, infer.h (ELBOs, SVI),
 * structure.h (pictures, checks), io.h (files).
 */
#ifndef KILN_H
#define KILN_H

#define PPL_VERSION_MAJOR 0
#define PPL_VERSION_MINOR 1
#define PPL_VERSION_PATCH 0
#define PPL_VERSION "0.1.0"

#include <kiln/conjugate.h>
#include <kiln/constraint.h>
#include <kiln/distributions.h>
#include <kiln/effects.h>
#include <kiln/flows.h>
#include <kiln/functions.h>
#include <kiln/handlers.h>
#include <kiln/infer.h>
#include <kiln/io.h>
#include <kiln/log_density.h>
#include <kiln/maths.h>
#include <kiln/matrix.h>
#include <kiln/nn.h>
#include <kiln/optim.h>
#include <kiln/runtime.h>
#include <kiln/shards.h>
#include <kiln/structure.h>
#include <kiln/tensor.h>
#include <kiln/transforms.h>

#endif
