/*
 * A policy as a policy file again (RFC 8461 section 3.2): the lines that were kept of it, if they
 * hold all of it; where it was too long for that, one line for each field. Pure.
 */
#include "sts/sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_same(const struct sts_policy *a, const struct sts_policy *b)
{
    if (a->mode != b->mode || a->max_age_s != b->max_age_s || a->mx_count != b->mx_count)
        return false;
    for (size_t i = 0; i < a->mx_count; i++) {
        if (strcmp(a->mx[i], b->mx[i]) != 0)
            return false;
    }
    return true;
}

static bool holds_all(const char *lines, const struct sts_policy *policy)
{
    struct sts_policy *parsed;
    char err[100];
    bool same;

    if (lines == NULL || sts_policy_parse(lines, strlen(lines), &parsed, err, sizeof(err)) != 0)
        return false;
    same = is_same(parsed, policy);
    sts_policy_free(parsed);
    return same;
}

char *sts_policy_text(const struct sts_policy *policy)
{
    size_t room = 100, len;
    char *text;

    if (holds_all(policy->lines, policy))
        return strdup(policy->lines);
    for (size_t i = 0; i < policy->mx_count; i++)
        room += strlen(policy->mx[i]) + sizeof("mx: \n");
    text = malloc(room);
    if (text == NULL)
        return NULL;
    len = (size_t)sprintf(text, "version: STSv1\nmode: %s\nmax_age: %lu\n",
                          findings_sts_mode_name(policy->mode), (unsigned long)policy->max_age_s);
    for (size_t i = 0; i < policy->mx_count; i++)
        len += (size_t)sprintf(text + len, "mx: %s\n", policy->mx[i]);
    return text;
}
