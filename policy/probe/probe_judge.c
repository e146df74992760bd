/*
 * Judges a probe: probe_judge is called once, when the server was asked for everything that
 * is to be asked or the connection is over, be it a probe's or one for delivery, and gives the
 * result with all that was seen (probe_client.h has the list). In doubt the result is FAILED, which
 * changes no verdict.
 */
#include "probe/probe_judge.h"

#include <stdio.h>
#include <string.h>

/* Whether a handshake was come to, or STARTTLS was said. */
static bool is_starttls_offered(struct smtp_transport *transport)
{
    struct smtp_session *session = smtp_transport_session(transport);
    enum smtp_state state = smtp_session_state(session);

    return smtp_session_has_tls(session) || state == SMTP_STATE_STARTTLS || state == SMTP_STATE_TLS;
}

/* A session that waits for its first command has read all that it was offered. */
static bool is_ready(const struct smtp_session *session)
{
    return smtp_session_outcome(session) == SMTP_OUTCOME_NONE &&
           smtp_session_state(session) == SMTP_STATE_READY;
}

/* Where it is not demanded the session goes on without. */
static bool is_starttls_missing(const struct smtp_session *session)
{
    return smtp_session_outcome(session) == SMTP_OUTCOME_NO_STARTTLS ||
           (is_ready(session) && !smtp_session_has_tls(session) &&
            !smtp_session_extensions(session)->starttls);
}

static bool is_starttls_refused(const struct smtp_session *session)
{
    return smtp_session_outcome(session) == SMTP_OUTCOME_REFUSED &&
           smtp_session_state(session) == SMTP_STATE_STARTTLS &&
           smtp_reply_class(smtp_session_reply(session)) == 5;
}

/* The EHLO reply after STARTTLS was read, and nothing went wrong: the session came to a command, to
 * QUIT, or lacks REQUIRETLS alone. */
static bool is_set_up(const struct smtp_session *session)
{
    enum smtp_outcome outcome = smtp_session_outcome(session);

    return outcome == SMTP_OUTCOME_QUIT || outcome == SMTP_OUTCOME_NO_REQUIRETLS ||
           (is_ready(session) && smtp_session_has_tls(session));
}

/* What an EHLO reply does not offer. */
static enum findings_probe_result lack(const struct smtp_session *session,
                                       enum findings_probe_result result)
{
    return smtp_extensions_complete(smtp_session_extensions(session)) ? result
                                                                      : FINDINGS_PROBE_FAILED;
}

static enum findings_probe_result result_of(struct smtp_transport *transport)
{
    struct smtp_session *session = smtp_transport_session(transport);
    const struct tls_peer *peer = smtp_transport_peer(transport);

    if (smtp_transport_connection(transport) == SMTP_CONNECTION_NOT_MADE)
        return FINDINGS_PROBE_UNREACHABLE;
    if (is_starttls_missing(session))
        return lack(session, FINDINGS_PROBE_NO_STARTTLS);
    if (is_starttls_refused(session))
        return FINDINGS_PROBE_NO_STARTTLS;
    if (peer == NULL)
        return FINDINGS_PROBE_FAILED;
    if (!peer->met)
        return tls_why_definite(peer->proof.why) ? FINDINGS_PROBE_NOT_AUTHENTICATED
                                                 : FINDINGS_PROBE_FAILED;
    if (!is_set_up(session))
        return FINDINGS_PROBE_FAILED;
    if (smtp_session_extensions(session)->requiretls)
        return FINDINGS_PROBE_OK;
    return lack(session, FINDINGS_PROBE_NO_REQUIRETLS);
}

static bool is_local(struct smtp_transport *transport)
{
    const struct tls_peer *peer = smtp_transport_peer(transport);

    return smtp_transport_connection(transport) == SMTP_CONNECTION_LOCAL ||
           (peer != NULL && peer->proof.why == TLS_WHY_LOCAL) ||
           smtp_session_outcome(smtp_transport_session(transport)) == SMTP_OUTCOME_NO_MEMORY;
}

/* `certificate expired or not yet valid (certificate has expired)`: OpenSSL's words beside ours. */
static void explain_peer(const struct tls_proof *proof, char *out, size_t size)
{
    const char *text = tls_why_text(proof->why);

    if (proof->reason[0] == '\0' || strcmp(proof->reason, text) == 0)
        snprintf(out, size, "%s", text);
    else
        snprintf(out, size, "%s (%s)", text, proof->reason);
}

static void explain(struct smtp_transport *transport, enum findings_probe_result result, char *out,
                    size_t size)
{
    struct smtp_session *session = smtp_transport_session(transport);
    const struct tls_peer *peer = smtp_transport_peer(transport);

    if (result == FINDINGS_PROBE_NO_REQUIRETLS)
        snprintf(out, size, "REQUIRETLS not offered");
    else if (peer != NULL && !peer->met)
        explain_peer(&peer->proof, out, size);
    else if (is_set_up(session))
        snprintf(out, size, "neither REQUIRETLS nor PIPELINING offered");
    else if (is_starttls_missing(session))
        snprintf(out, size, "%s",
                 result == FINDINGS_PROBE_NO_STARTTLS ? "STARTTLS not offered"
                                                      : "neither STARTTLS nor PIPELINING offered");
    else
        smtp_transport_text(transport, out, size);
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static uint8_t check_of(const struct tls_proof *proof)
{
    return proof->why == TLS_WHY_NOTHING ? FINDINGS_PROBE_CHECK_OK : FINDINGS_PROBE_CHECK_FAILED;
}

static const char *why_of(const struct tls_proof *proof)
{
    if (proof->why == TLS_WHY_NOTHING)
        return NULL;
    return proof->reason[0] != '\0' ? proof->reason : tls_why_text(proof->why);
}

static void describe_certificate(const struct tls_certificate *certificate,
                                 struct probe_judgement *out)
{
    out->probe.not_after_s = certificate->not_after_s;
    out->probe.has_spki = certificate->present;
    memcpy(out->probe.spki_sha256, certificate->spki_sha256, TLS_SHA256_LEN);
    for (size_t i = 0; i < certificate->name_count; i++)
        out->names[i] = certificate->names[i];
    out->probe.names = out->names;
    out->probe.name_count = (uint8_t)certificate->name_count;
}

/* What the handshake has shown. */
static void describe_peer(const struct tls_peer *peer, const struct world_probe_target *target,
                          const struct tls_proof *web_pki, struct probe_judgement *out)
{
    struct findings_probe *probe = &out->probe;
    enum tls_demand_kind kind = target->demand->kind;

    probe->protocol = or_null(peer->protocol);
    probe->cipher = or_null(peer->cipher);
    describe_certificate(&peer->certificate, out);
    if (kind == TLS_DEMAND_DANE) {
        probe->dane = check_of(&peer->proof);
        probe->dane_why = why_of(&peer->proof);
    } else if (kind == TLS_DEMAND_STS || kind == TLS_DEMAND_WEB_PKI) {
        web_pki = &peer->proof;
    }
    if (web_pki != NULL) {
        probe->web_pki = check_of(web_pki);
        probe->web_pki_why = why_of(web_pki);
    }
}

void probe_judge(struct smtp_transport *transport, const struct world_probe_target *target,
                 const struct tls_proof *web_pki, struct probe_judgement *out)
{
    struct smtp_session *session = smtp_transport_session(transport);
    const struct tls_peer *peer = smtp_transport_peer(transport);
    enum findings_probe_result result = result_of(transport);

    memset(out, 0, sizeof(*out));
    out->local = is_local(transport);
    out->probe.result = (uint8_t)result;
    out->probe.family = target->ipv6 ? 6 : 4;
    memcpy(out->probe.address, target->address, target->ipv6 ? 16 : 4);
    out->probe.port = target->port;
    out->probe.starttls = is_starttls_offered(transport);
    if (is_set_up(session)) {
        out->probe.requiretls = smtp_session_extensions(session)->requiretls;
        out->probe.pipelining = smtp_session_extensions(session)->pipelining;
    }
    if (peer != NULL && peer->established)
        describe_peer(peer, target, web_pki, out);
    if (result != FINDINGS_PROBE_OK) {
        explain(transport, result, out->failure, sizeof(out->failure));
        out->probe.failure = out->failure;
    }
}
