/* SPDX-License-Identifier: MIT */
/*
 * kiln/distributions.h - every family of distributions, and the KL divergences between
 * them, by subject.
 */
#ifndef KILN_DISTRIBUTIONS_H
#define KILN_DISTRIBUTIONS_H

#include <kiln/censored.h>
#include <kiln/constructed.h>
#include <kiln/continuous.h>
#include <kiln/discrete.h>
#include <kiln/hmm.h>
#include <kiln/kl.h>
#include <kiln/mixture.h>
#include <kiln/multivariate.h>
#include <kiln/relaxed.h>

#endif
