/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A sampler misses what comes and goes between two reads. The kernel's own mark does not, and Linux sets it
 * back to the present size on request (proc(5), clear_refs, since 4.0), so that each stage has a peak of its
 * own.
 *
 * getrusage() gives the mark ten times faster than /proc/self/status, but never less than the mark of
 * whatever this process was before exec(): a large launcher's. Up to that floor the slow way is taken.
 */
#include "trace_private.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t read_rusage(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024; /* ru_maxrss is in KiB */
}

static bool set_back(struct peak *peak)
{
    return peak->clear_fd >= 0 && pwrite(peak->clear_fd, "5", 1, 0) == 1;
}

void peak_open(struct peak *peak, bool wants_reset)
{
    *peak = (struct peak) { .clear_fd = -1, .peak_bytes = memory_peak_rss_bytes() };
    if (wants_reset)
        peak->clear_fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (!set_back(peak))
        peak_close(peak);
    peak->floor_bytes = read_rusage();
}

void peak_close(struct peak *peak)
{
    if (peak->clear_fd >= 0)
        close(peak->clear_fd);
    peak->clear_fd = -1;
}

uint64_t peak_take(struct peak *peak)
{
    uint64_t mark_bytes = read_rusage();

    if (mark_bytes <= peak->floor_bytes)
        mark_bytes = memory_peak_rss_bytes();
    if (mark_bytes > peak->peak_bytes)
        peak->peak_bytes = mark_bytes;
    if (!set_back(peak))
        peak_close(peak);
    return mark_bytes;
}
