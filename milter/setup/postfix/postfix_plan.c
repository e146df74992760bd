/*
 * Where no smtpd asks the filter, most checks would find nothing to look at, and their findings
 * would only show when that is mended. So setup_postfix_plan, after the sockets were tried and
 * before the checks, has `conf` and the uses of sockets say what Postfix will have by the remedy of
 * setup_postfix_milter: the checks then look at that. Pure.
 */
#include "setup/postfix/postfix_checks.h"
#include "setup/postfix/postfix_remedy.h"
#include "setup/postfix/postfix_sockets.h"

#include <errno.h>
#include <string.h>

/* Whether the configuration has a socket for the milter. */
static bool has_socket(const struct setup_mta *mta)
{
    for (size_t i = 0; i < mta->own_count; i++) {
        if (mta->own[i].address.kind == SETUP_MILTER)
            return true;
    }
    return false;
}

/* What was tried already needs not be tried anew. */
static int derive_anew(struct setup_postfix *postfix)
{
    struct setup_own own[SETUP_OWN_MAX];
    struct setup_mta *mta = &postfix->mta;
    const struct setup_use *uses = mta->uses;
    size_t use_count = mta->use_count, own_count = mta->own_count;

    memcpy(own, mta->own, sizeof(own));
    mta->uses = NULL;
    mta->use_count = 0;
    int error = setup_postfix_derive(postfix);
    memcpy(mta->own, own, sizeof(own));
    mta->own_count = own_count;
    for (size_t i = 0; i < mta->use_count; i++) {
        struct setup_use *use = &mta->uses[i];

        use->planned = true;
        for (size_t j = 0; j < use_count; j++) {
            if (!setup_use_same(&uses[j], use))
                continue;
            use->probed = uses[j].probed;
            use->error = uses[j].error;
            use->probe = uses[j].probe;
            use->planned = false;
        }
    }
    return error;
}

int setup_postfix_plan(struct setup_postfix *postfix)
{
    char list[1000], moved[1500];
    struct postconf *conf = &postfix->conf;
    struct setup_postfix_plan *plan = &postfix->plan;
    const struct postconf_service *cleanup = postconf_service(conf, "cleanup", "unix");

    if ((postfix->config->in_doubt & CONFIG_PART_SOCKETS) != 0 || setup_postfix_is_asked(postfix) ||
        !has_socket(&postfix->mta))
        return 0;
    plan->before = postconf_get(conf, NULL, "smtpd_milters");
    setup_postfix_with_us(postfix, plan->before, list, sizeof(list));
    plan->non_smtpd =
        !setup_postfix_names_us(postfix, cleanup, "non_smtpd_milters", SETUP_MILTER, NULL, NULL);
    const char *after =
        arena_string(&conf->arena,
                     setup_postfix_named(postfix, SETUP_MILTER, setup_postfix_smtpd_chroot(postfix),
                                         list, moved, sizeof(moved)));
    if (after == NULL)
        return -ENOMEM;
    plan->made = true;
    int error = postconf_assume(conf, NULL, "smtpd_milters", after);
    if (error == 0 && plan->non_smtpd)
        error = postconf_assume(conf, cleanup, "non_smtpd_milters", after);
    return error != 0 ? error : derive_anew(postfix);
}
