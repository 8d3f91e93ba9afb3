/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* VmHWM of proc(5), in kB; 0 where there is none. */
static size_t read_high_water_mark(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *line;

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    line = strstr(text, "VmHWM:");
    return line ? (size_t)strtoull(line + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

size_t memory_peak_rss_bytes(void)
{
    size_t mark = read_high_water_mark();
    struct rusage usage;

    if (mark)
        return mark;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (size_t)usage.ru_maxrss * 1024; /* ru_maxrss is in KiB */
}
