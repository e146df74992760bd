/*
 * What is asked of the MTA when a milter connection begins: what is not negotiated is not paid for.
 * Pure. The same for every connection of one kind of MTA: libmilter keeps part of it in process
 * globals.
 */
#ifndef MILTER_DECIDE_NEGOTIATE_H
#define MILTER_DECIDE_NEGOTIATE_H

#include <stdbool.h>

struct negotiate_terms {
    unsigned long actions; /* SMFIF_... */
    unsigned long options; /* SMFIP_... */
    bool macros;           /* the MTA takes lists of macros */
    bool lead_space;       /* header values keep the white space after the colon */
    bool can_quarantine;
    bool can_change_from;
    bool can_replace_body;
    bool can_change_recipients;
    bool body;     /* bodies are handed over */
    bool can_skip; /* and their rest may be declined */
};

/* Chooses from what the MTA offers; `body` tells whether bodies may have to be seen. Returns false
 * when it cannot do what is indispensable: the terms then will do to defer its mail. */
bool negotiate_choose(unsigned long offered_actions, unsigned long offered_options, bool body,
                      struct negotiate_terms *out);

/* The macros wanted at a stage (SMFIM_...), NULL if the MTA's own list will do. */
const char *negotiate_macros(int stage);

#endif
