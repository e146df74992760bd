/*
 * The choice of milter actions and protocol steps.
 *
 * Needed of every message: MAIL (parameters), RCPT (next-hop, refusal), the header (what it asks
 * for) and its end (where most mail is let go). Replies to connect and to header fields are not
 * needed, HELO, DATA and unknown commands not at all; the body only of bounces that may have to be
 * redacted (mail that is let go before costs nothing).
 */
#include "decide/negotiate.h"

#include <stddef.h>

#include <libmilter/mfapi.h>

/* Refusals need no action. Without these two nothing that was accepted could be carried out. */
static const unsigned long needed = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
enum { RECIPIENTS = SMFIF_ADDRCPT_PAR | SMFIF_DELRCPT };
static const unsigned long wanted =
    SMFIF_QUARANTINE | SMFIF_CHGFROM | SMFIF_CHGBODY | RECIPIENTS | SMFIF_SETSYMLIST;

/* Steps to be left out as far as the MTA can. */
static const unsigned long unneeded = SMFIP_NOUNKNOWN | SMFIP_NODATA;

/* libmilter itself answers for us where the MTA insists on a reply. */
static const unsigned long silent = SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR;

bool negotiate_choose(unsigned long offered_actions, unsigned long offered_options, bool body,
                      struct negotiate_terms *out)
{
    *out = (struct negotiate_terms){
        .actions = (needed | wanted) & offered_actions,
        .options = ((unneeded | SMFIP_HDR_LEADSPC) & offered_options) | silent,
        .body = body,
    };
    if ((offered_actions & needed) != needed)
        return false;
    out->macros = (offered_actions & SMFIF_SETSYMLIST) != 0;
    /* An MTA that takes no macro list tells of TLS at HELO only. */
    if (out->macros)
        out->options |= SMFIP_NOHELO & offered_options;
    out->lead_space = (out->options & SMFIP_HDR_LEADSPC) != 0;
    out->can_quarantine = (offered_actions & SMFIF_QUARANTINE) != 0;
    out->options |= (body ? SMFIP_SKIP : SMFIP_NOBODY) & offered_options;
    out->can_skip = (out->options & SMFIP_SKIP) != 0;
    out->can_change_recipients = (offered_actions & RECIPIENTS) == RECIPIENTS;
    out->can_replace_body = (offered_actions & SMFIF_CHGBODY) != 0;
    out->can_change_from = (offered_actions & SMFIF_CHGFROM) != 0;
    return true;
}

/* j stands in the first three, and v in the first two, to show that macros arrived: session.h. */
const char *negotiate_macros(int stage)
{
    switch (stage) {
    case SMFIM_CONNECT:
        return "v j {daemon_name}";
    case SMFIM_ENVFROM:
        return "v j i f {auth_authen} {tls_version} {daemon_name} {mail_addr}";
    case SMFIM_ENVRCPT:
        return "j i {rcpt_host} {rcpt_mailer} {rcpt_addr}";
    case SMFIM_EOH:
        return "i";
    case SMFIM_EOM:
        return "i f";
    default:
        return NULL;
    }
}
