/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading machines: hwloc's descriptions, files that hwloc writes, and this one.
 */
#include "polyphony/placement.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hwloc.h>

static char path[] = "/tmp/polyphony-machine-XXXXXX";

static int open_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 || close(fd);
}

static int close_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_text(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct machine *read_synthetic(const char *description)
{
    struct machine *machine = NULL;
    struct error err = { 0 };

    if (machine_open_synthetic(description, &machine, &err))
        fail_msg("%s", err.text);
    assert_false(machine->is_this);
    return machine;
}

static struct machine *read_xml(void)
{
    struct machine *machine = NULL;
    struct error err = { 0 };

    if (machine_open_xml(path, &machine, &err))
        fail_msg("%s", err.text);
    assert_false(machine->is_this);
    return machine;
}

static void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' does not have '%s'", text, part);
}

/* ---- descriptions ---------------------------------------------------------------------------- */

static void a_dual_epyc_7542_is_read_from_one_line(void **state)
{
    struct machine *machine = read_synthetic(
        "Package:2 [NUMANode(memory=274877906944)] L3:8(size=16777216) L2:4(size=524288) L1d:1(size=32768) "
        "L1i:1(size=32768) Core:1 PU:2(indexes=2*64:1*2)");
    const struct machine_core *core = &machine->core[37];

    (void)state;
    assert_int_equal(machine->n_core, 64);
    assert_int_equal(machine->n_package, 2);
    assert_int_equal(machine->n_numa, 2);
    assert_int_equal(machine->n_l3, 16);
    assert_true(machine->has_l3);
    assert_int_equal(machine->numa_bytes[1], INT64_C(274877906944));
    assert_int_equal(core->package, 1);
    assert_int_equal(core->numa, 1);
    assert_int_equal(core->l3, 9);
    assert_int_equal(core->speed, 0);
    assert_int_equal(core->n_cpu, 2);
    assert_int_equal(core->cpu[0], 37);
    assert_int_equal(core->cpu[1], 101);
    machine_close(machine);
}

static void numa_nodes_may_lie_inside_packages(void **state)
{
    struct machine *machine = read_synthetic("Package:2 Group:4 [NUMANode] L3:2 Core:4 PU:2");

    (void)state;
    assert_int_equal(machine->n_numa, 8);
    assert_int_equal(machine->core[31].numa, 3);
    assert_int_equal(machine->core[31].package, 0);
    assert_int_equal(machine->core[32].numa, 4);
    machine_close(machine);
}

/* As where fast memory belongs to a part of a package and large memory to all of it. */
static void of_several_numa_nodes_a_core_belongs_to_the_smallest(void **state)
{
    struct machine *machine =
        read_synthetic("Package:2 [NUMANode(memory=100)] Group:2 [NUMANode(memory=7)] Core:2 PU:1");

    (void)state;
    assert_int_equal(machine->n_numa, 4);
    assert_int_equal(machine->core[2].numa, 1);
    assert_int_equal(machine->core[7].numa, 3);
    for (int i = 0; i < 4; i++)
        assert_int_equal(machine->numa_bytes[i], 7);
    machine_close(machine);
}

static void what_a_machine_does_not_tell_counts_as_one(void **state)
{
    struct machine *machine = read_synthetic("PU:4");
    struct cpuset cpus;

    (void)state;
    machine_cpus(machine, &cpus);
    assert_int_equal(cpuset_count(&cpus), 4);
    assert_int_equal(machine->n_core, 4); /* a cpu that belongs to no core is one */
    assert_int_equal(machine->n_package, 1);
    assert_int_equal(machine->n_numa, 1);
    assert_int_equal(machine->n_l3, 1);
    assert_false(machine->has_l3);
    machine_close(machine);
}

static void wrong_descriptions_are_a_usage_error(void **state)
{
    static const struct {
        const char *description, *part;
    } wrong[] = {
        { "", "hwloc" },
        { "two sockets", "'two sockets'" },
        { "Package:2 Core:0 PU:1", "hwloc" },
        { "Package:100000 Core:100000 PU:100000", "more than 8192 cpus" },
        { "Package:2 [NUMANode(memory=100000)] L3:4096 Core:1 PU:1(indexes=0,2", "hwloc" },
        { "Package:91 Core:91 PU:1", "more than 8192 cpus" },
        { "PU:2(indexes=0,9000)", "cpu 9000, expected numbers below 8192" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct machine *machine = NULL;
        struct error err = { 0 };

        assert_int_equal(machine_open_synthetic(wrong[i].description, &machine, &err), POLYPHONY_USAGE);
        assert_null(machine);
        expect_text(err.text, wrong[i].part);
    }
}

/* ---- files ----------------------------------------------------------------------------------- */

static hwloc_topology_t make_topology(const char *description)
{
    hwloc_topology_t topology;

    assert_int_equal(hwloc_topology_init(&topology), 0);
    assert_int_equal(hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED), 0);
    assert_int_equal(hwloc_topology_set_synthetic(topology, description), 0);
    assert_int_equal(hwloc_topology_load(topology), 0);
    return topology;
}

static void write_topology(hwloc_topology_t topology)
{
    assert_int_equal(hwloc_topology_export_xml(topology, path, 0), 0);
    hwloc_topology_destroy(topology);
}

static hwloc_bitmap_t make_set(const char *list)
{
    hwloc_bitmap_t set = hwloc_bitmap_alloc();

    assert_non_null(set);
    assert_int_equal(hwloc_bitmap_list_sscanf(set, list), 0);
    return set;
}

static void a_file_gives_the_same_machine_as_its_description(void **state)
{
    static const char description[] = "Package:2 [NUMANode(memory=1000000000)] L3:3 Core:2 PU:2";
    struct machine *a = read_synthetic(description), *b;

    (void)state;
    write_topology(make_topology(description));
    b = read_xml();
    assert_int_equal(a->n_core, b->n_core);
    assert_memory_equal(a->core, b->core, (size_t)a->n_core * sizeof(*a->core));
    assert_int_equal(b->n_l3, 6);
    assert_int_equal(b->numa_bytes[1], 1000000000);
    machine_close(a);
    machine_close(b);
}

static void cores_withheld_by_a_cgroup_are_still_seen(void **state)
{
    hwloc_topology_t topology = make_topology("Package:1 Core:4 PU:1");
    hwloc_bitmap_t allowed = make_set("1,3");
    struct machine *machine;

    (void)state;
    assert_int_equal(hwloc_topology_allow(topology, allowed, NULL, HWLOC_ALLOW_FLAG_CUSTOM), 0);
    hwloc_bitmap_free(allowed);
    write_topology(topology);
    machine = read_xml();
    assert_int_equal(machine->n_core, 4);
    machine_close(machine);
}

static void offline_cpus_leave_gaps_in_the_numbers(void **state)
{
    hwloc_topology_t topology = make_topology("Package:2 [NUMANode] L3:1 Core:2 PU:2(indexes=2*4:1*2)");
    hwloc_bitmap_t online = make_set("0,2-4,7");
    struct machine *machine;

    (void)state;
    assert_int_equal(hwloc_topology_restrict(topology, online, 0), 0);
    hwloc_bitmap_free(online);
    write_topology(topology);
    machine = read_xml();
    assert_int_equal(machine->n_core, 3);
    assert_int_equal(machine->core[0].n_cpu, 2); /* 0 and 4 */
    assert_int_equal(machine->core[1].cpu[0], 2);
    assert_int_equal(machine->core[1].n_cpu, 1);
    assert_int_equal(machine->core[2].cpu[0], 3);
    assert_int_equal(machine->core[2].cpu[1], 7);
    assert_int_equal(machine->core[1].numa, 1);
    machine_close(machine);
}

static void kinds_of_cores_have_their_speed(void **state)
{
    hwloc_topology_t topology = make_topology("Package:1 L3:1 Core:14 PU:1");
    hwloc_bitmap_t fast = make_set("0-5"), slow = make_set("6-13");
    struct machine *machine;

    (void)state;
    assert_int_equal(hwloc_cpukinds_register(topology, fast, 7, 0, NULL, 0), 0);
    assert_int_equal(hwloc_cpukinds_register(topology, slow, 3, 0, NULL, 0), 0);
    hwloc_bitmap_free(fast);
    hwloc_bitmap_free(slow);
    write_topology(topology);
    machine = read_xml();
    assert_int_equal(machine->n_core, 14);
    assert_true(machine->core[5].speed > machine->core[6].speed);
    assert_int_equal(machine->core[0].speed, machine->core[5].speed);
    assert_int_equal(machine->core[13].speed, 0);
    machine_close(machine);
}

/* One object a line, as hwloc's own reader wants it. */
static void begin_object(FILE *file, const char *type, int os_index, int cpus, const char *attributes)
{
    fprintf(file,
            "<object type=\"%s\" os_index=\"%d\" cpuset=\"0x%x\" complete_cpuset=\"0x%x\" nodeset=\"0x1\" "
            "complete_nodeset=\"0x1\" %s>\n",
            type, os_index, (unsigned)cpus, (unsigned)cpus, attributes);
}

static void end_objects(FILE *file, int n)
{
    for (int i = 0; i < n; i++)
        fputs("</object>\n", file);
}

static void write_cores(FILE *file, int first, int end)
{
    for (int i = first; i < end; i++) {
        begin_object(file, "Core", i, 1 << i, "");
        begin_object(file, "PU", i, 1 << i, "");
        end_objects(file, 2);
    }
}

/* Slow cores of some laptops have no L3. */
static void cores_without_an_l3_form_a_domain_of_their_own(void **state)
{
    FILE *file = fopen(path, "w");
    struct machine *machine;

    (void)state;
    assert_non_null(file);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
          "<topology version=\"2.0\">\n",
          file);
    begin_object(file, "Machine", 0, 15, "allowed_cpuset=\"0xf\" allowed_nodeset=\"0x1\"");
    begin_object(file, "NUMANode", 0, 15, "local_memory=\"1000\"");
    end_objects(file, 1);
    begin_object(file, "Package", 0, 15, "");
    fputs("<info name=\"CPUModel\" value=\"Portable\"/>\n", file);
    begin_object(
        file, "L3Cache", 0, 3,
        "cache_size=\"1000\" depth=\"3\" cache_linesize=\"64\" cache_associativity=\"1\" cache_type=\"0\"");
    write_cores(file, 0, 2);
    end_objects(file, 1);
    write_cores(file, 2, 4);
    end_objects(file, 2);
    fputs("</topology>\n", file);
    assert_int_equal(fclose(file), 0);
    machine = read_xml();
    assert_int_equal(machine->n_core, 4);
    assert_int_equal(machine->n_l3, 2);
    assert_int_equal(machine->core[1].l3, 0);
    assert_int_equal(machine->core[2].l3, 1);
    assert_int_equal(machine->core[3].l3, 1);
    expect_text(machine->name, "Portable");
    expect_text(machine->name, path);
    machine_close(machine);
}

static void wrong_files_are_an_input_error(void **state)
{
    static const char *const texts[] = {
        "", "no XML\n", "<?xml version=\"1.0\"?>\n<a/>\n",
        "<?xml version=\"1.0\"?>\n<topology version=\"2.0\">\n</topology>\n"
    };
    struct machine *machine = NULL;
    struct error err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        write_text(texts[i]);
        assert_int_equal(machine_open_xml(path, &machine, &err), POLYPHONY_INPUT);
        expect_text(err.text, path);
    }
    assert_int_equal(machine_open_xml("/none.xml", &machine, &err), POLYPHONY_INPUT);
    expect_text(err.text, "'/none.xml' cannot be read: No such file");
    assert_null(machine);
}

/* ---- this machine ---------------------------------------------------------------------------- */

static void this_machine_has_at_least_the_cpus_of_this_process(void **state)
{
    struct machine *machine = NULL;
    struct error err = { 0 };
    struct cpuset cpus;
    cpu_set_t mine;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(mine), &mine), 0);
    if (machine_open(&machine, &err))
        fail_msg("%s", err.text);
    assert_true(machine->is_this);
    assert_true(machine->name[0] != '\0');
    assert_true(machine->n_core >= 1);
    assert_true(machine->n_package >= 1);
    assert_true(machine->n_numa >= 1);
    assert_true(machine->n_l3 >= 1);
    machine_cpus(machine, &cpus);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &mine) && !cpuset_has(&cpus, cpu))
            fail_msg("cpu %d is missing", cpu);
    machine_close(machine);
}

static void a_machine_in_the_environment_is_not_this_one(void **state)
{
    struct machine *machine = NULL;
    struct error err = { 0 };
    int r;

    (void)state;
    setenv("HWLOC_SYNTHETIC", "Package:1 Core:3 PU:1", 1);
    r = machine_open(&machine, &err);
    unsetenv("HWLOC_SYNTHETIC");
    assert_int_equal(r, 0);
    assert_int_equal(machine->n_core, 3);
    assert_false(machine->is_this);
    expect_text(machine->name, "HWLOC_SYNTHETIC");
    machine_close(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dual_epyc_7542_is_read_from_one_line),
        cmocka_unit_test(numa_nodes_may_lie_inside_packages),
        cmocka_unit_test(of_several_numa_nodes_a_core_belongs_to_the_smallest),
        cmocka_unit_test(what_a_machine_does_not_tell_counts_as_one),
        cmocka_unit_test(wrong_descriptions_are_a_usage_error),
        cmocka_unit_test(a_file_gives_the_same_machine_as_its_description),
        cmocka_unit_test(cores_withheld_by_a_cgroup_are_still_seen),
        cmocka_unit_test(offline_cpus_leave_gaps_in_the_numbers),
        cmocka_unit_test(kinds_of_cores_have_their_speed),
        cmocka_unit_test(cores_without_an_l3_form_a_domain_of_their_own),
        cmocka_unit_test(wrong_files_are_an_input_error),
        cmocka_unit_test(this_machine_has_at_least_the_cpus_of_this_process),
        cmocka_unit_test(a_machine_in_the_environment_is_not_this_one),
    };

    unsetenv("HWLOC_SYNTHETIC");
    unsetenv("HWLOC_XMLFILE");
    return cmocka_run_group_tests(tests, open_file, close_file);
}
