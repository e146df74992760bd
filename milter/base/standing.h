/*
 * The warnings that stand as long as what they warn of lasts: their names, as metrics and
 * `requiretls-query --status` have them, and what they mean. Pure.
 */
#ifndef MILTER_BASE_STANDING_H
#define MILTER_BASE_STANDING_H

enum standing {
    STANDING_DNSSEC_UNKNOWN,        /* no trusted resolver shows that it validates */
    STANDING_RESOLVER,              /* one does, and another that is trusted does not */
    STANDING_STORE_DOWN,            /* it cannot be opened or written */
    STANDING_SHARED_DOWN,           /* no server of the shared cache answers */
    STANDING_SHARED_READ_ONLY,      /* one answers, and none takes rows */
    STANDING_QUEUE_IDS_DOWN,        /* the file of queue ids cannot be opened or written */
    STANDING_CONFIGURATION_REFUSED, /* the last reload failed */
    STANDING_CONFIGURATION_CHANGED, /* the file is another than the one that was read */
    STANDING_RESTART_NEEDED,        /* a reload brought keys that only a restart changes */
    STANDING_FEW_OPEN_FILES,        /* the limit of open files is low */
    STANDING_PROBE_RESTS, /* no mail server could be reached: none is probed for a while */
    STANDING_TLSRPT_DOWN, /* the collector of TLS reports does not take the last datagram */
    STANDING_TICKET_KEY,  /* the keys of tickets could not be read at the last start or reload */
    STANDING_COUNT
};

/* "store_down"; a sentence for people. "unknown" for what is none. */
const char *standing_name(unsigned standing);
const char *standing_text(unsigned standing);

#endif
