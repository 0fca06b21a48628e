/* SPDX-License-Identifier: MIT */
/*
 * plate.h - what plates share with the handlers that undo, repeat or ask for their work.
 */
#ifndef KILN_PLATE_H
#define KILN_PLATE_H

#include <kiln/handlers_plate.h>

/* Option that block_plate sets: which plate is to leave the message alone. */
typedef struct ppl__blocked_plate {
    ppl_name name;                  /* or NULL: the one on axis `dim` */
    int dim;
    int met;                        /* set by a plate that was blocked */
} ppl__blocked_plate;
extern const ppl_option_key ppl__option_block_plate;

/* The distribution of sample `m` with its batch expanded to the frame's axis, be it of
 * size 1 or absent; NULL with the error recorded if it has another size there. */
ppl_dist *ppl__dist_in_plate(ppl_msg *m, const ppl_frame *f);
/* The same for all plates that lie further out than the handler that has `m`. */
ppl_dist *ppl__dist_in_plates(const ppl_msg *m);

#endif
