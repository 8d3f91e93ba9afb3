/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signature.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "build_stamp.h"
#include "version.h"

static char command[PROVENANCE_COMMAND_MAX];

/* As a shell reads it back: words with anything but plain characters in quotes. */
static bool print_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";

    if (*word && !word[strspn(word, plain)])
        return fputs(word, out) != EOF;
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    return fputc('\'', out) != EOF;
}

void signature_keep_command(int argc, char **argv)
{
    FILE *out = fmemopen(command, sizeof(command), "w");
    bool is_whole = out != NULL;

    for (int i = 0; is_whole && i < argc; i++)
        is_whole = (i == 0 || fputc(' ', out) != EOF) && print_word(out, argv[i]) && !fflush(out);
    if (out)
        fclose(out);
    command[sizeof(command) - 1] = '\0';
    if (!is_whole)
        memcpy(command + sizeof(command) - 4, "...", 4); /* longer than is kept */
}

void signature_sign(struct provenance *provenance)
{
    time_t now = time(NULL);
    struct tm utc;

    provenance->program_version = POLYPHONY_VERSION;
    provenance->compiler = POLYPHONY_COMPILER;
    provenance->flags = POLYPHONY_FLAGS;
    provenance->commit = POLYPHONY_COMMIT;
    provenance->source_hash = POLYPHONY_SOURCE_HASH;
    provenance->command = command;
    gmtime_r(&now, &utc);
    if (!strftime(provenance->date_utc, sizeof(provenance->date_utc), "%Y-%m-%dT%H:%M:%SZ", &utc))
        provenance->date_utc[0] = '\0';
    if (gethostname(provenance->host, sizeof(provenance->host) - 1))
        provenance->host[0] = '\0';
}

void signature_print(void)
{
    printf("polyphony " POLYPHONY_VERSION " (" POLYPHONY_COMPILER ", " POLYPHONY_FLAGS ")\n"
           "numerics version %d, results file version %d\n"
           "commit " POLYPHONY_COMMIT "\n"
           "source hash " POLYPHONY_SOURCE_HASH "\n",
           RESULTS_NUMERICS_VERSION, RESULTS_FILE_VERSION);
}
