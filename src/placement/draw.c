/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A plan as text: domains as rows, a cell a core.
 */
#include "placement_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH    100
#define CELL_MAX 32

struct drawing {
    const struct machine *machine;
    const struct placement_plan *plan;
    FILE *out;
    int *order;             /* [n_core] domains side by side */
    char (*cell)[CELL_MAX]; /* [n_core] */
    int cell_width;
    bool has_free, has_dealer, has_withheld, has_floating, has_several;
};

/* ---- cells ----------------------------------------------------------------------------------- */

static bool is_pinned_to(const struct placement *placement, const struct machine_core *core)
{
    for (int t = 0; t < placement->n_thread && placement->is_pinned; t++)
        for (int k = 0; k < core->n_cpu; k++)
            if (placement->cpu[t] == core->cpu[k])
                return true;
    return false;
}

static bool is_allowed(const struct placement *placement, const struct machine_core *core)
{
    for (int k = 0; k < core->n_cpu; k++)
        if (cpuset_has(&placement->allowed, core->cpu[k]))
            return true;
    return false;
}

/* "3", "3+4", or a mark: dealer's, nobody's, floated over by ranks that are not pinned, not for this job. A
 * dealer beside others is left to its line: it would widen all cells. */
static void fill_cell(struct drawing *drawing, int i_core)
{
    const struct machine_core *core = &drawing->machine->core[i_core];
    char *cell = drawing->cell[i_core];
    bool is_for_job = false, is_floated = false, is_dealt = false;

    for (int i = 0; i < drawing->plan->n_rank; i++) {
        const struct placement *placement = &drawing->plan->rank[i];
        size_t used = strlen(cell);

        is_for_job |= is_allowed(placement, core);
        is_floated |= !placement->is_pinned && !placement->deals_only && is_allowed(placement, core);
        if (!is_pinned_to(placement, core))
            continue;
        is_dealt |= placement->deals_only;
        if (placement->deals_only)
            continue;
        text_format(cell + used, CELL_MAX - used, "%s%d", used ? "+" : "", i);
        drawing->has_several |= used > 0;
    }
    if (!cell[0]) {
        cell[0] = is_dealt ? 'd' : !is_for_job ? 'x' : is_floated ? '~' : '.';
        drawing->has_dealer |= cell[0] == 'd';
        drawing->has_withheld |= cell[0] == 'x';
        drawing->has_floating |= cell[0] == '~';
        drawing->has_free |= cell[0] == '.';
    }
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int compare_cores(const void *a, const void *b, void *context)
{
    const struct machine_core *cores = context;
    int i = *(const int *)a, j = *(const int *)b;

    if (cores[i].package != cores[j].package)
        return cores[i].package < cores[j].package ? -1 : 1;
    if (cores[i].numa != cores[j].numa)
        return cores[i].numa < cores[j].numa ? -1 : 1;
    if (cores[i].l3 != cores[j].l3)
        return cores[i].l3 < cores[j].l3 ? -1 : 1;
    return (i > j) - (i < j);
}

static void draw_node(const struct drawing *drawing, const struct machine_core *core)
{
    double gib = (double)drawing->machine->numa_bytes[core->numa] / (1024.0 * 1024.0 * 1024.0);

    fprintf(drawing->out, "  NUMA node %d", core->numa);
    if (gib > 0.0)
        fprintf(drawing->out, ", %.3g GiB", gib);
    fputc('\n', drawing->out);
}

/* Cores order[first..end) of one domain: "L3 0 [ 1  1  2  2]", on the row if it fits, else below. Columns
 * used. */
static int draw_domain(const struct drawing *drawing, int first, int end, int column)
{
    const struct machine_core *core = &drawing->machine->core[drawing->order[first]];
    int l3_width = snprintf(NULL, 0, "%d", drawing->machine->n_l3 - 1), indent;
    char label[32];

    if (drawing->machine->has_l3)
        text_format(label, sizeof(label), "L3 %*d [", l3_width, core->l3);
    else
        text_format(label, sizeof(label), "cores [");
    indent = 4 + (int)strlen(label);
    if (column > 0 &&
        column + 2 + (int)strlen(label) + (end - first) * (drawing->cell_width + 1) + 1 > WIDTH) {
        fputc('\n', drawing->out);
        column = 0;
    }
    column += fprintf(drawing->out, "%s%s", column > 0 ? "  " : "    ", label);
    for (int i = first; i < end; i++) {
        if (column + drawing->cell_width + 2 > WIDTH)
            column = fprintf(drawing->out, "\n%*s", indent, "") - 1;
        column += fprintf(drawing->out, "%*s%s", drawing->cell_width + (i > first),
                          drawing->cell[drawing->order[i]], i + 1 < end ? "" : "]");
    }
    return column;
}

static void draw_rows(const struct drawing *drawing)
{
    const struct machine *machine = drawing->machine;
    const struct machine_core *last = NULL;
    int column = 0;

    for (int first = 0, end; first < machine->n_core; first = end) {
        const struct machine_core *core = &machine->core[drawing->order[first]];
        bool is_new_package = !last || core->package != last->package;
        bool is_new_node = is_new_package || core->numa != last->numa;

        for (end = first + 1; end < machine->n_core; end++) {
            const struct machine_core *next = &machine->core[drawing->order[end]];

            if (next->package != core->package || next->numa != core->numa || next->l3 != core->l3)
                break;
        }
        if (is_new_node && column > 0) {
            fputc('\n', drawing->out);
            column = 0;
        }
        if (is_new_package)
            fprintf(drawing->out, "Package %d\n", core->package);
        if (is_new_node)
            draw_node(drawing, core);
        column = draw_domain(drawing, first, end, column);
        last = core;
    }
    fputc('\n', drawing->out);
}

static void draw_legend(const struct drawing *drawing)
{
    const struct {
        bool is_used;
        const char *text;
    } marks[] = {
        { true, "a number = the rank that computes there" },
        { drawing->has_dealer, "d = the dealer" },
        { drawing->has_several, "1+2 = ranks 1 and 2 on its hardware threads" },
        { drawing->has_floating, "~ = shared by ranks that are not pinned" },
        { drawing->has_free, ". = without a rank" },
        { drawing->has_withheld, "x = not for this job" },
    };
    int column = 0;

    for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++) {
        if (!marks[i].is_used)
            continue;
        if (column > 0 && column + 2 + (int)strlen(marks[i].text) > WIDTH) {
            fputc('\n', drawing->out);
            column = 0;
        }
        column += fprintf(drawing->out, "%s%s", column > 0 ? ", " : "  ", marks[i].text);
    }
    fputs("\n\n", drawing->out);
}

static void draw_ranks(const struct drawing *drawing)
{
    int width = snprintf(NULL, 0, "%d", drawing->plan->n_rank - 1);

    for (int i = 0; i < drawing->plan->n_rank; i++) {
        const struct placement *placement = &drawing->plan->rank[i];

        fprintf(drawing->out, "rank %*d  %s\n", width, i, placement->text);
        if (placement->warning[0])
            fprintf(drawing->out, "     %*s  warning: %s\n", width, "", placement->warning);
    }
}

/* ---- the drawing ----------------------------------------------------------------------------- */

static void draw(struct drawing *drawing)
{
    int n_core = drawing->machine->n_core;

    for (int i = 0; i < n_core; i++) {
        int width;

        drawing->order[i] = i;
        fill_cell(drawing, i);
        width = (int)strlen(drawing->cell[i]);
        drawing->cell_width = width > drawing->cell_width ? width : drawing->cell_width;
    }
    qsort_r(drawing->order, (size_t)n_core, sizeof(*drawing->order), compare_cores,
            (void *)drawing->machine->core);
    draw_rows(drawing);
    draw_legend(drawing);
    draw_ranks(drawing);
}

char *placement_draw(const struct machine *machine, const struct placement_plan *plan)
{
    struct drawing drawing = { .machine = machine, .plan = plan };
    char *text = NULL;
    size_t size = 0;

    drawing.order = mem_small((size_t)machine->n_core, sizeof(*drawing.order));
    drawing.cell = mem_small((size_t)machine->n_core, sizeof(*drawing.cell));
    drawing.out = mem_sure(open_memstream(&text, &size));
    draw(&drawing);
    fclose(drawing.out);
    free(drawing.order);
    free(drawing.cell);
    return text;
}
