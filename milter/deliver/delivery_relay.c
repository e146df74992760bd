/*
 * A relay is filled in once for a connection that was used, when MAIL is said, or for one that was
 * left, when that is known. The words of `tls` are those of decide/feature_status.h.
 */
#include "deliver/delivery_relay.h"

#include "decide/feature_status.h"
#include "deliver/outcome.h"
#include "deliver/report.h"

#include <stdio.h>
#include <stdlib.h>

struct delivery_relay *delivery_relay_new(struct delivery_relays *relays)
{
    struct delivery_relay_entry *entry = calloc(1, sizeof(*entry));

    if (entry == NULL)
        return NULL;
    SLIST_INSERT_HEAD(relays, entry, link);
    return &entry->relay;
}

void delivery_relays_free(struct delivery_relays *relays)
{
    struct delivery_relay_entry *entry;

    while ((entry = SLIST_FIRST(relays)) != NULL) {
        SLIST_REMOVE_HEAD(relays, link);
        free(entry);
    }
}

static enum feature_tls tls_status(const struct delivery_relay_facts *facts)
{
    if (facts->failure == NULL)
        return facts->has_tls ? FEATURE_TLS_MET : FEATURE_TLS_PLAINTEXT;
    switch (facts->failure->failure) {
    case OUTCOME_NO_STARTTLS:
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_STARTTLS_5XX:
    case OUTCOME_HANDSHAKE:
    case OUTCOME_NOT_VERIFIED:
        return FEATURE_TLS_VIOLATED;
    case OUTCOME_NO_REQUIRETLS:
    case OUTCOME_NO_AUTH:
    case OUTCOME_AUTH_REFUSED:
    case OUTCOME_LACK:
        return facts->has_tls ? FEATURE_TLS_MET : FEATURE_TLS_PLAINTEXT;
    case OUTCOME_NOT_TRIED:
    case OUTCOME_LOCAL:
    case OUTCOME_NOT_REACHED:
    case OUTCOME_TIMEOUT:
    case OUTCOME_LOST:
    case OUTCOME_REFUSED:
    default:
        return FEATURE_TLS_UNDECIDED;
    }
}

/* Of a connection that was left. Below enforce a certificate is looked at for the level of TLS
 * alone: REQUIRETLS would have been said without. */
static enum feature_requiretls failed_requiretls(enum outcome_failure failure,
                                                 const struct treatment_demands *demands)
{
    bool enforced = demands->requiretls == TREATMENT_REQUIRETLS_DEMANDED ||
                    demands->level == VERDICT_LEVEL_ENFORCE;
    bool starttls = enforced || demands->level == VERDICT_LEVEL_OPPORTUNISTIC_STARTTLS;

    switch (failure) {
    case OUTCOME_NO_STARTTLS:
    case OUTCOME_STARTTLS_4XX:
    case OUTCOME_STARTTLS_5XX:
        return starttls ? FEATURE_REQUIRETLS_NO_STARTTLS : FEATURE_REQUIRETLS_UNDECIDED;
    case OUTCOME_NOT_VERIFIED:
        return enforced ? FEATURE_REQUIRETLS_NO_CERTIFICATE_MATCH : FEATURE_REQUIRETLS_UNVERIFIED;
    case OUTCOME_NO_REQUIRETLS:
        return FEATURE_REQUIRETLS_NOT_SUPPORTED;
    case OUTCOME_NOT_TRIED:
    case OUTCOME_LOCAL:
    case OUTCOME_NOT_REACHED:
    case OUTCOME_TIMEOUT:
    case OUTCOME_LOST:
    case OUTCOME_REFUSED:
    case OUTCOME_HANDSHAKE:
    case OUTCOME_NO_AUTH:
    case OUTCOME_AUTH_REFUSED:
    case OUTCOME_LACK:
    default:
        return FEATURE_REQUIRETLS_UNDECIDED;
    }
}

static enum feature_requiretls requiretls_status(const struct delivery_relay_facts *facts)
{
    if (facts->demands->requiretls == TREATMENT_REQUIRETLS_NOT_SAID)
        return FEATURE_REQUIRETLS_NOT_ASKED;
    if (facts->failure != NULL)
        return failed_requiretls(facts->failure->failure, facts->demands);
    if (!facts->requiretls)
        return FEATURE_REQUIRETLS_NOT_OFFERED;
    return facts->peer != NULL && facts->peer->met && facts->peer->auth != TLS_AUTH_NONE
               ? FEATURE_REQUIRETLS_MET
               : FEATURE_REQUIRETLS_UNVERIFIED;
}

/* Where DANE is asked of hosts that have it, one that has none is as it is. */
static const char *level_of_host(const struct delivery_relay_facts *facts)
{
    return facts->demand != NULL && facts->demand->kind == TLS_DEMAND_MAY
               ? requirement_tls_level(REQUIREMENT_NONE)
               : treatment_tls_level(facts->demands, facts->plan);
}

void delivery_relay_tls(const struct delivery_relay_facts *facts, char *out, size_t out_size)
{
    feature_status_write(level_of_host(facts), tls_status(facts), requiretls_status(facts), out,
                         out_size);
}

void delivery_relay_fill(struct delivery_relay *relay, const struct delivery_relay_facts *facts)
{
    const struct tls_peer *peer = facts->has_tls ? facts->peer : NULL;

    *relay = (struct delivery_relay){.port = facts->port};
    snprintf(relay->host, sizeof(relay->host), "%s",
             delivery_host_name(facts->findings, facts->target->host));
    delivery_target_text(facts->target, relay->address);
    delivery_relay_tls(facts, relay->tls, sizeof(relay->tls));
    relay->auth = report_auth(peer);
    relay->level = level_of_host(facts);
    relay->policy = facts->policy_before;
    if (peer == NULL)
        return;
    snprintf(relay->protocol, sizeof(relay->protocol), "%s", peer->protocol);
    snprintf(relay->cipher, sizeof(relay->cipher), "%s", peer->cipher);
    if (peer->certificate.present) {
        report_digest(peer->certificate.sha256, relay->cert_digest);
        report_digest(peer->certificate.spki_sha256, relay->spki_digest);
    }
}
