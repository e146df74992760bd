/* theirs_send() makes the calls of libtlsrpt in the order that tlsrpt.h asks for. */
#include "tlsrpt_theirs.h"

#include <stdio.h>
#include <tlsrpt.h>
#include <tlsrpt_version.h>

static int add_failure(struct tlsrpt_dr_t *dr, const struct theirs *s)
{
    return tlsrpt_add_delivery_request_failure(dr, (tlsrpt_failure_t)s->code, s->source_address,
                                               s->mx_name, s->helo_name, s->address, s->info,
                                               s->reason);
}

static int add_policy(struct tlsrpt_dr_t *dr, const struct theirs *s)
{
    int error = tlsrpt_init_policy(dr, (tlsrpt_policy_type_t)s->policy, s->policy_domain);

    for (int i = 0; s->policy_strings != NULL && s->policy_strings[i] != NULL && error == 0; i++)
        error = tlsrpt_add_policy_string(dr, s->policy_strings[i]);
    for (int i = 0; s->mx_hosts != NULL && s->mx_hosts[i] != NULL && error == 0; i++)
        error = tlsrpt_add_mx_host_pattern(dr, s->mx_hosts[i]);
    if (error == 0 && s->code != 0)
        error = add_failure(dr, s);
    return error != 0
               ? error
               : tlsrpt_finish_policy(dr, s->failed ? TLSRPT_FINAL_FAILURE : TLSRPT_FINAL_SUCCESS);
}

int theirs_send(const char *path, const struct theirs *s)
{
    struct tlsrpt_connection_t *connection = NULL;
    struct tlsrpt_dr_t *dr = NULL;
    int error = tlsrpt_open(&connection, path);

    if (error == 0)
        error = tlsrpt_init_delivery_request(&dr, connection, s->domain, s->record);
    if (error == 0)
        error = add_policy(dr, s);
    if (error == 0)
        error = tlsrpt_finish_delivery_request(&dr);
    else if (dr != NULL)
        tlsrpt_cancel_delivery_request(&dr);
    if (connection != NULL)
        tlsrpt_close(&connection);
    if (error != 0)
        fprintf(stderr, "libtlsrpt: %s\n", tlsrpt_strerror(error));
    return error == 0 ? 0 : -1;
}

const char *theirs_version(void)
{
    return tlsrpt_version();
}
