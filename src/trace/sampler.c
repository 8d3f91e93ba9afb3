/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A thread that reads the resident set of the process at a fixed frequency.
 *
 * One read is a pread() of /proc/self/statm, whose text is already the number. Times are when the read was
 * made, not when it was due. Only this thread writes the table; others read it after sampler_stop().
 */
#include "trace_private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct sampler {
    int statm_fd;
    int64_t period_ns;
    uint64_t page_bytes;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    bool is_stopping, is_running;

    struct trace_sample *sample;
    size_t n, n_max;
    uint32_t n_merge;   /* reads a row stands for */
    uint32_t n_in_last; /* reads that the last row stands for so far */
    uint64_t n_read;
};

/* Second number of statm: resident pages (proc(5)). */
static uint64_t read_rss(const struct sampler *sampler)
{
    char text[128];
    ssize_t n = pread(sampler->statm_fd, text, sizeof(text) - 1, 0);
    const char *space;

    if (n <= 0)
        return 0;
    text[n] = '\0';
    space = strchr(text, ' ');
    return space ? strtoull(space, NULL, 10) * sampler->page_bytes : 0;
}

/* Rows 2i and 2i + 1 become row i: the larger with its time. */
static void merge_samples(struct sampler *sampler)
{
    for (size_t i = 0; i < sampler->n / 2; i++) {
        const struct trace_sample *pair = sampler->sample + 2 * i;

        sampler->sample[i] = pair[pair[1].rss_bytes > pair[0].rss_bytes];
    }
    sampler->n /= 2;
    sampler->n_merge *= 2;
}

static void take_sample(struct sampler *sampler)
{
    struct trace_sample now = { clock_ns(), read_rss(sampler) };

    sampler->n_read++;
    if (sampler->n > 0 && sampler->n_in_last < sampler->n_merge) {
        struct trace_sample *last = &sampler->sample[sampler->n - 1];

        if (now.rss_bytes > last->rss_bytes)
            *last = now;
        sampler->n_in_last++;
        return;
    }
    if (sampler->n == sampler->n_max)
        merge_samples(sampler);
    sampler->sample[sampler->n++] = now;
    sampler->n_in_last = 1;
}

static void *run_sampler(void *data)
{
    struct sampler *sampler = data;
    int64_t due_ns = clock_ns();

    pthread_mutex_lock(&sampler->lock);
    while (!sampler->is_stopping) {
        int64_t now_ns;
        struct timespec due;

        take_sample(sampler);
        now_ns = clock_ns();
        due_ns += sampler->period_ns;
        /* What was missed is missed: no burst of reads after a long sleep. */
        if (due_ns < now_ns)
            due_ns = now_ns + sampler->period_ns;
        due = (struct timespec) { .tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000 };
        while (!sampler->is_stopping &&
               pthread_cond_timedwait(&sampler->stop, &sampler->lock, &due) != ETIMEDOUT)
            ;
    }
    take_sample(sampler);
    pthread_mutex_unlock(&sampler->lock);
    return NULL;
}

/* Signals are for the thread that computes: it is the one that can act on them. */
static int start_thread(struct sampler *sampler)
{
    sigset_t all, before;
    int status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&sampler->thread, NULL, run_sampler, sampler);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

int sampler_open(int hz, size_t n_max, struct sampler **ret_sampler, struct error *err)
{
    struct sampler *sampler = mem_small(1, sizeof(*sampler));
    pthread_condattr_t attributes;
    int status;

    sampler->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    sampler->period_ns = 1000000000 / hz;
    sampler->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    sampler->n_max = n_max - n_max % 2; /* rows are merged in pairs */
    sampler->n_merge = 1;
    pthread_mutex_init(&sampler->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sampler->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    sampler->sample = mem_touched(n_max, sizeof(*sampler->sample));
    status = sampler->sample ? start_thread(sampler) : ENOMEM;
    sampler->is_running = status == 0;
    if (status) {
        sampler_close(sampler);
        return error_set(err, POLYPHONY_INTERNAL,
                         "the sampler of memory cannot be started: %s; 'trace_frequency_hz: 0' does without",
                         strerror(status));
    }
    *ret_sampler = sampler;
    return 0;
}

void sampler_stop(struct sampler *sampler)
{
    if (!sampler || !sampler->is_running)
        return;
    pthread_mutex_lock(&sampler->lock);
    sampler->is_stopping = true;
    pthread_cond_signal(&sampler->stop);
    pthread_mutex_unlock(&sampler->lock);
    pthread_join(sampler->thread, NULL);
    sampler->is_running = false;
}

void sampler_close(struct sampler *sampler)
{
    if (!sampler)
        return;
    sampler_stop(sampler);
    if (sampler->statm_fd >= 0)
        close(sampler->statm_fd);
    pthread_cond_destroy(&sampler->stop);
    pthread_mutex_destroy(&sampler->lock);
    free(sampler->sample);
    free(sampler);
}

const struct trace_sample *sampler_samples(const struct sampler *sampler, size_t *ret_n,
                                           uint32_t *ret_n_merge, uint64_t *ret_n_read)
{
    *ret_n = sampler->n;
    *ret_n_merge = sampler->n_merge;
    *ret_n_read = sampler->n_read;
    return sampler->sample;
}
