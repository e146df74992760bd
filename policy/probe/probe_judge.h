/*
 * What an SMTP connection says of its server that is over, or has come to its first command or its
 * last, or to a peer that does not meet the demand. Reads the connection alone.
 */
#ifndef POLICY_PROBE_PROBE_JUDGE_H
#define POLICY_PROBE_PROBE_JUDGE_H

#include "policy/findings.h"
#include "policy/smtp_transport.h"
#include "world/world.h"

struct probe_judgement {
    struct findings_probe
        probe;  /* its strings lie in `names` and `failure`, and in the connection */
    bool local; /* as in struct world_probe_result */
    const char *names[TLS_PEER_NAMES];
    char failure[SMTP_TRANSPORT_TEXT_MAX];
};

/*
 * web_pki: what tls_connection_verify said; NULL: that was not asked. The judgement refers to
 * itself and to the connection: it is not copied, and valid as long as that is.
 */
void probe_judge(struct smtp_transport *transport, const struct world_probe_target *target,
                 const struct tls_proof *web_pki, struct probe_judgement *out);

#endif
