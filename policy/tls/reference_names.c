/*
 * Sets names into an X509_VERIFY_PARAM: reference_names_set() gives 0, -ENOMEM or -EINVAL.
 *
 * OpenSSL's own host check runs as a part of the verification, so a name that does not match is a
 * certificate error like any other. Without any name it checks none, and a name with a leading dot
 * stands for all below it: neither may come from a foreign MX record, so both are errors, but where
 * an administrator has written the name.
 */
#include "tls/reference_names.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/x509v3.h>

enum { NAME_MAX_LEN = 253 };

static bool is_allowed(enum reference_names_rule rule, const char *name)
{
    if (name[0] == '.') {
        if (rule != REFERENCE_NAMES_POLICY)
            return false;
        name++;
    }
    return name[0] != '\0' && name[0] != '.' && strlen(name) <= NAME_MAX_LEN;
}

int reference_names_set(X509_VERIFY_PARAM *param, enum reference_names_rule rule,
                        const char *const *names, size_t count)
{
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

    if (count == 0)
        return -EINVAL;
    if (rule == REFERENCE_NAMES_DNS_ID)
        flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    X509_VERIFY_PARAM_set_hostflags(param, flags);
    for (size_t i = 0; i < count; i++) {
        if (!is_allowed(rule, names[i]))
            return -EINVAL;
        if ((i == 0 ? X509_VERIFY_PARAM_set1_host(param, names[i], 0)
                    : X509_VERIFY_PARAM_add1_host(param, names[i], 0)) != 1)
            return -ENOMEM;
    }
    return 0;
}
