/* SPDX-License-Identifier: MIT */
/* round_trip.h - how far apart two cores are: what a split between threads costs at least. */
#ifndef KILN_ROUND_TRIP_H
#define KILN_ROUND_TRIP_H

/* Seconds from a store of one thread to the sight of another's answer, the least mean of
 * several thousand trips. On a virtual machine it changes with where the host puts the
 * processors. NaN if there is no second thread to be had. */
double round_trip(void);

#endif
