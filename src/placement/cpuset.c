/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "polyphony/placement.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool cpuset_has(const struct cpuset *set, int cpu)
{
    return cpu >= 0 && cpu < CPUSET_MAX && (set->word[cpu / 64] >> (cpu % 64) & 1);
}

void cpuset_add(struct cpuset *set, int cpu)
{
    if (cpu >= 0 && cpu < CPUSET_MAX)
        set->word[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

int cpuset_count(const struct cpuset *set)
{
    int n = 0;

    for (size_t i = 0; i < CPUSET_MAX / 64; i++)
        n += __builtin_popcountll(set->word[i]);
    return n;
}

void cpuset_format(const struct cpuset *set, char *ret_text, size_t size)
{
    static const char dots[] = "...";
    size_t used = 0;

    if (size == 0)
        return;
    ret_text[0] = '\0';
    for (int cpu = 0, last; cpu < CPUSET_MAX; cpu = last + 1) {
        char range[32];
        size_t length;

        last = cpu;
        if (!cpuset_has(set, cpu))
            continue;
        while (cpuset_has(set, last + 1))
            last++;
        if (last > cpu)
            text_format(range, sizeof(range), "%s%d-%d", used ? "," : "", cpu, last);
        else
            text_format(range, sizeof(range), "%s%d", used ? "," : "", cpu);
        length = strlen(range);
        /* Room for ",..." is kept until the last range. */
        if (used + length + sizeof(dots) + 1 > size) {
            text_format(ret_text + used, size - used, "%s%s", used ? "," : "", dots);
            return;
        }
        memcpy(ret_text + used, range, length + 1);
        used += length;
    }
}

/* A number at *text, which moves behind it; -1 if there is none below CPUSET_MAX. */
static int read_number(const char **text)
{
    int value = 0;

    if (!isdigit((unsigned char)**text))
        return -1;
    for (; isdigit((unsigned char)**text); (*text)++) {
        value = 10 * value + (**text - '0');
        if (value >= CPUSET_MAX)
            return -1;
    }
    return value;
}

bool cpuset_parse(const char *text, struct cpuset *ret_set)
{
    struct cpuset set = { 0 };

    do {
        int first = read_number(&text), last = first, step = 1;

        if (first >= 0 && *text == '-') {
            text++;
            last = read_number(&text);
            if (last >= 0 && *text == ':') {
                text++;
                step = read_number(&text);
            }
        }
        if (first < 0 || last < first || step < 1)
            return false;
        for (int cpu = first; cpu <= last; cpu += step)
            cpuset_add(&set, cpu);
    } while (*text == ',' && *++text);
    if (*text || text[-1] == ',')
        return false;
    *ret_set = set;
    return true;
}
