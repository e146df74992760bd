/*
 * Fuzzes the MTA-STS policy file. Besides the sanitizers' findings a crash is: a valid policy that
 * breaks one of the promises in sts.h, or is another one when written and read again, an invalid
 * one without a printable reason, and patterns that match what they must not.
 */
#include "findings/sts_match.h"
#include "sts/sts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static bool printable(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x20 || *text > 0x7e)
            return false;
    return true;
}

static void check_pattern(const char *pattern)
{
    char host[300];

    check(sts_pattern_valid(pattern, strlen(pattern)));
    for (const char *c = pattern; *c != '\0'; c++)
        check((*c < 'A' || *c > 'Z') && *c != ' ' && *c != '{' && *c != '}' && *c != ':');
    if (pattern[0] == '*') {
        snprintf(host, sizeof(host), "a%s", pattern + 1);
        check(sts_pattern_match(pattern, host));
        snprintf(host, sizeof(host), "a.b%s", pattern + 1);
        check(!sts_pattern_match(pattern, host));
        check(!sts_pattern_match(pattern, pattern + 2));
    } else {
        check(sts_pattern_match(pattern, pattern));
        snprintf(host, sizeof(host), "a.%s", pattern);
        check(!sts_pattern_match(pattern, host));
    }
    check(!sts_pattern_match(pattern, ""));
}

static void check_lines(const char *lines)
{
    size_t len = strlen(lines);

    check(len <= 4096);
    check(len == 0 || lines[len - 1] == '\n');
    for (; *lines != '\0'; lines++)
        check(*lines == '\n' || (*lines >= 0x20 && *lines <= 0x7e));
}

static void check_policy(const struct sts_policy *policy)
{
    check(policy->mode == FINDINGS_STS_MODE_NONE || policy->mx_count > 0);
    check(policy->mode <= FINDINGS_STS_MODE_ENFORCE);
    check(policy->mx_count <= 1024);
    check(policy->max_age_s <= 31557600);
    for (size_t i = 0; i < policy->mx_count; i++)
        check_pattern(policy->mx[i]);
    check_lines(policy->lines);
}

/* The patterns and what else decides are the same; the lines only if all were kept. */
static void check_text(const struct sts_policy *policy)
{
    char *text = sts_policy_text(policy), err[80];
    struct sts_policy *again = NULL;

    check(text != NULL && sts_policy_parse(text, strlen(text), &again, err, sizeof(err)) == 0);
    check(again->mode == policy->mode && again->max_age_s == policy->max_age_s &&
          again->mx_count == policy->mx_count);
    for (size_t i = 0; i < policy->mx_count; i++)
        check(strcmp(again->mx[i], policy->mx[i]) == 0);
    sts_policy_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    struct sts_policy *policy = NULL;
    char err[80] = "";
    int r;

    memcpy(copy, data, size);
    r = sts_policy_parse(copy, size, &policy, err, sizeof(err));
    free(copy);
    if (r == 0) {
        check_policy(policy);
        check_text(policy);
        sts_policy_free(policy);
    } else {
        check(r == -EBADMSG && err[0] != '\0' && printable(err));
    }
    return 0;
}
