/* requiretls-milter: the command line. */
#include "config/config.h"
#include "daemon/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#ifndef PROJECT_VERSION
#define PROJECT_VERSION "unknown"
#endif

static void usage(FILE *out)
{
    fputs("usage: requiretls-milter [-f] [-t] [-c FILE]\n"
          "       requiretls-milter -V | -h\n"
          "\n"
          "  -c FILE  read FILE instead of " CONFIG_DEFAULT_PATH "\n"
          "  -f       stay in the foreground\n"
          "  -t       check the configuration and stop\n"
          "  -V       show the version and stop\n"
          "  -h       show this and stop\n",
          out);
}

int main(int argc, char **argv)
{
    struct daemon_options options = {.config_path = CONFIG_DEFAULT_PATH};
    int option;

    while ((option = getopt(argc, argv, "c:fthV")) != -1) {
        switch (option) {
        case 'c':
            options.config_path = optarg;
            options.config_given = true;
            break;
        case 'f':
            options.foreground = true;
            break;
        case 't':
            options.check_only = true;
            break;
        case 'h':
            usage(stdout);
            return EX_OK;
        case 'V':
            puts("requiretls-milter " PROJECT_VERSION);
            return EX_OK;
        default:
            usage(stderr);
            return EX_USAGE;
        }
    }
    if (optind != argc) {
        fprintf(stderr, "requiretls-milter: unexpected argument: %s\n", argv[optind]);
        usage(stderr);
        return EX_USAGE;
    }
    return daemon_run(&options);
}
