/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A run that is not run: the real dealer, with workers, messages and disks that are numbers. One process
 * simulates thousands of workers and 10^7 rows in seconds.
 *
 * What is simulated, and how:
 *   worker    does the rows of its batches one after the other, each for its true seconds
 *   message   takes `latency_s` each way
 *   rank 0    a server of one queue: `service_s` for each message that it takes in or sends, first come,
 *             first served; sorting anew when costs are refined takes it time too
 *   disk      one server for all workers, first come, first served, at the bandwidth of all of them together
 *
 * A worker reads the next row while it computes one, and waits until a row is written. Real file systems serve
 * many at a time, each more slowly; they move as many bytes a second, and that is what limits a run whose
 * transfers are short beside it.
 */
#pragma once

#include "polyphony/dealer.h"

/** A worker that is gone from some time on. */
struct simulate_loss {
    size_t i_worker;
    double at_s;
};

struct simulate_settings {
    struct dealer_settings dealer; /* its cost_s are the first guess if costs are refined */
    bool refines;                  /* costs are learnt from reports, as in a run */
    double start_up_s;             /* before the first batch is dealt */
    double latency_s, service_s;
    double bytes_per_s;   /* 0: reading and writing take no time */
    double written_bytes; /* of each row */
    double silence_s;     /* after which a lost worker is missed */
    size_t n_loss;
    const struct simulate_loss *loss; /* [n_loss] */
};

struct simulate_outcome {
    double wall_s;      /* until rank 0 has heard the last report, start-up included */
    double total_s;     /* true seconds of all rows */
    double largest_s;   /* of the largest */
    double bound_s;     /* max(total / workers, largest): no dealing is faster */
    double efficiency;  /* total / (workers x wall) */
    double dealer_load; /* part of the wall time that rank 0 is busy */
    double disk_load;
    double idle_tail_s; /* from the first worker that has nothing more to do to the end */
    /* Where the time of the workers went; in sum workers x wall. */
    double busy_s, start_up_s, wait_deal_s, wait_disk_s, tail_s, lost_s;
    size_t n_row; /* done: fewer than all when all workers are lost */
    size_t n_batch;
    double largest_batch_s; /* true seconds of the batch that has most */
};

/**
 * @param item     [n] as for dealer_open(); item[i].row is i
 * @param seconds  [n] what the rows really take
 * POLYPHONY_INTERNAL without memory: 30 bytes a row and some kB a worker.
 * O((rows + batches) log workers) with a disk, O(batches log workers) without.
 */
int simulate_run(const struct simulate_settings *settings, size_t n, const struct dealer_item *item,
                 const float *seconds, struct simulate_outcome *ret_outcome, struct error *err);

/** What a run is limited by. */
enum simulate_limit {
    SIMULATE_WORK,    /* more workers help */
    SIMULATE_LARGEST, /* a single row takes most of the wall time */
    SIMULATE_DEALING, /* rank 0 is busy */
    SIMULATE_DISK,
    SIMULATE_SHARES, /* some workers have much more to do than others */
    SIMULATE_WAITING /* for messages */
};
enum simulate_limit simulate_find_limit(const struct simulate_outcome *outcome);

/* ---- made-up rows: number i of a seed is always the same ----------------------------------------------- */

/** A factor of mean 1 whose logarithm is normal with standard deviation sigma: by how much a prediction is
 * missed. */
double simulate_scatter(uint64_t seed, uint64_t i, double sigma);

/**
 * A stellar mass [Msun] from a Schechter function (Schechter 1976, ApJ 203, 297),
 * dN/dM ~ (M/M*)^-1.4 exp(-M/M*) with M* = 10^10.7 Msun, cut off below 10^8 and above 10^12 Msun: the shape
 * of what is observed at low redshift, if not its detail (Baldry et al. 2012, MNRAS 421, 621, needs two of
 * them).
 */
double simulate_mass_msun(uint64_t seed, uint64_t i);
