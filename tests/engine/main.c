/*
 * test_scenarios [-v] DIR [WORD...]: plays the scenarios in DIR whose names contain one of the
 * words, each as a test of its own.
 */
#include "scenario.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool verbose;

static void play(void **state)
{
    static char err[40 * 1024];

    if (scenario_play(*state, verbose, err, sizeof err) < 0)
        fail_msg("%s", err);
}

static char **words;

static int is_scenario(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    if (len < 5 || strcmp(entry->d_name + len - 4, ".scn") != 0)
        return 0;
    for (char **word = words; *word; word++) {
        if (strstr(entry->d_name, *word) != NULL)
            return 1;
    }
    return *words == NULL;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    struct CMUnitTest *tests;
    int count, failed;

    verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    argv += verbose ? 2 : 1;
    if (*argv == NULL) {
        fprintf(stderr, "usage: test_scenarios [-v] DIR [WORD...]\n");
        return 64;
    }
    words = argv + 1;
    count = scandir(argv[0], &entries, is_scenario, alphasort);
    if (count <= 0) {
        fprintf(stderr, "no scenario in %s\n", argv[0]);
        return 1;
    }
    tests = calloc((size_t)count, sizeof *tests);
    for (int i = 0; tests != NULL && i < count; i++) {
        size_t len = strlen(argv[0]) + strlen(entries[i]->d_name) + 2;
        char *path = malloc(len);
        snprintf(path, len, "%s/%s", argv[0], entries[i]->d_name);
        entries[i]->d_name[strlen(entries[i]->d_name) - 4] = '\0';
        tests[i] = (struct CMUnitTest){
            .name = entries[i]->d_name, .test_func = play, .initial_state = path};
    }
    failed = _cmocka_run_group_tests("scenarios", tests, (size_t)count, NULL, NULL);
    for (int i = 0; tests != NULL && i < count; i++) {
        free(tests[i].initial_state);
        free(entries[i]);
    }
    free(tests);
    free(entries);
    return failed;
}
