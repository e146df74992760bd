/* dkim.c: which fields a DKIM-Signature covers. */
#include "decide/dkim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct dkim_case {
    const char *name;
    const char *value;
    bool covers; /* TLS-Required */
} cases[] = {
    {"named", " v=1; a=rsa-sha256; h=From:TLS-Required:To; b=x", true},
    {"in any case", "v=1;h=from:tls-REQUIRED", true},
    {"first", "h=TLS-Required:From", true},
    {"alone", "h=TLS-Required", true},
    {"folded around colons", "v=1;\r\n\th=From\r\n :\r\n\tTLS-Required\r\n ; b=x", true},
    {"folded with LF alone", "h=From :\n TLS-Required", true},
    {"blanks around the tag", "v=1 ;\t h \r\n =\tTLS-Required", true},
    {"named for a field that is absent, twice", "h=From:TLS-Required:TLS-Required", true},
    {"a second tag h", "h=From; h=TLS-Required", true},
    {"not named", "v=1; h=From:To; b=TLS-Required", false},
    {"a longer name", "h=TLS-Required-X:X-TLS-Required", false},
    {"a shorter name", "h=TLS-Require:TLS", false},
    {"a blank within the name", "h=TLS- Required", false},
    {"another tag", "bh=TLS-Required; hh=TLS-Required; H=TLS-Required; z=h:TLS-Required", false},
    {"a name for a tag", "TLS-Required; h", false},
    {"empty", "", false},
    {"nothing but separators", ";;=;:h=:;h=;h", false},
    {"an equals sign in the list", "h=From=TLS-Required", false},
};

static void run_case(void **state)
{
    const struct dkim_case *c = *state;
    /* Right behind the text there is nothing to be read. */
    char *value = strdup(c->value);

    assert_non_null(value);
    assert_int_equal(dkim_covers(value, "TLS-Required"), c->covers);
    free(value);
}

/* The longest field that a milter client can send. */
static void test_long(void **state)
{
    enum { SIZE = 65000 };
    char *value = malloc(SIZE + 32);

    (void)state;
    assert_non_null(value);
    memset(value, ':', SIZE);
    memcpy(value, "h=", 2);
    strcpy(value + SIZE, "TLS-Required");
    assert_true(dkim_covers(value, "tls-required"));
    assert_false(dkim_covers(value, "From"));
    memset(value + 2, 'x', SIZE - 2);
    assert_false(dkim_covers(value, "tls-required"));
    free(value);
}

int main(void)
{
    enum { CASES = sizeof cases / sizeof cases[0] };
    struct CMUnitTest tests[1 + CASES] = {cmocka_unit_test(test_long)};

    for (size_t i = 0; i < CASES; i++)
        tests[1 + i] = (struct CMUnitTest){.name = cases[i].name,
                                           .test_func = run_case,
                                           .initial_state = (void *)(uintptr_t)&cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
