/*
 * Runs a fuzzer's function once for every file of the directories and files named, without
 * libFuzzer: so that any compiler, sanitizer or valgrind can go over a corpus or a finding.
 * Speaks TAP: one test for each directory or file named; a broken promise aborts.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 1 << 24 };

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_MAX);
    size_t len = 0;

    if (file == NULL || data == NULL) {
        perror(path);
        exit(1);
    }
    len = fread(data, 1, INPUT_MAX, file);
    fclose(file);
    /* Of the exact length, for a sanitizer to see every octet read beyond it. */
    uint8_t *exact = malloc(len > 0 ? len : 1);

    if (exact == NULL)
        exit(1);
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

static int run_dir(DIR *dir, const char *path)
{
    const struct dirent *entry;
    int count = 0;

    while ((entry = readdir(dir)) != NULL) {
        char file[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        count += run_file(file);
    }
    return count;
}

int main(int argc, char **argv)
{
    int failed = 0;

    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        int count = dir != NULL ? run_dir(dir, argv[i]) : run_file(argv[i]);

        if (dir != NULL)
            closedir(dir);
        if (count == 0)
            failed = 1; /* an empty corpus tests nothing */
        printf("%s %d - %s: %d inputs\n", count > 0 ? "ok" : "not ok", i, argv[i], count);
    }
    return failed;
}
