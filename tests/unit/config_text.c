/* A configuration for tests from its text. */
#include "config_text.h"

#include "decide/rules_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void on_report(void *arg, const char *message)
{
    (void)arg;
    print_message("# %s\n", message);
}

struct config *config_from_text(const char *text, const char *host_name)
{
    char path[] = "/tmp/test_config_text.XXXXXX";
    struct config *config = NULL;
    int fd = mkstemp(path), status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    status = config_load(path, host_name, on_report, on_report, NULL, &config);
    unlink(path);
    assert_int_equal(status, 0);
    rules_check(config, on_report, NULL);
    return config;
}
