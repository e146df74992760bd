/* The table of warnings that stand: standing_name and standing_text read it. */
#include "base/standing.h"

static const struct {
    const char *name;
    const char *text;
} standings[STANDING_COUNT] = {
    [STANDING_DNSSEC_UNKNOWN] = {"dnssec_unknown",
                                 "no trusted resolver shows that it validates DNSSEC: what needs "
                                 "it is deferred"},
    [STANDING_RESOLVER] = {"resolver_not_validating",
                           "a trusted resolver does not validate DNSSEC, others are used"},
    [STANDING_STORE_DOWN] = {"store_down", "the store cannot be written: MTA-STS policies that "
                                           "come now do not outlive a restart"},
    [STANDING_SHARED_DOWN] = {"shared_down",
                              "no server of the shared cache can be used: what hosts learn is not "
                              "shared, mail is not affected"},
    [STANDING_SHARED_READ_ONLY] = {"shared_read_only",
                                   "no server of the shared cache takes rows: what this host "
                                   "learns is not shared, mail is not affected"},
    [STANDING_QUEUE_IDS_DOWN] = {"queue_ids_down",
                                 "the file queue-ids beside the store cannot be written: after a "
                                 "restart bounces are not known by the queue id"},
    [STANDING_CONFIGURATION_REFUSED] = {"configuration_refused",
                                        "the configuration file was refused at the last reload: "
                                        "the one before is in force (requiretls-milter -t)"},
    [STANDING_CONFIGURATION_CHANGED] = {"configuration_changed",
                                        "the configuration file has changed since it was read: "
                                        "reload"},
    [STANDING_RESTART_NEEDED] = {"restart_needed",
                                 "the configuration has keys that only a restart changes"},
    [STANDING_FEW_OPEN_FILES] = {"few_open_files", "the limit of open files is low for a busy MTA"},
    [STANDING_PROBE_RESTS] = {"probe_rests",
                              "20 mail servers in a row could not be reached: none is probed for "
                              "10 minutes, and what servers offer shows at delivery"},
    [STANDING_TLSRPT_DOWN] = {"tlsrpt_down",
                              "the collector of TLS reports at [tlsrpt] socket takes no datagrams: "
                              "sessions go unreported, mail is not affected"},
    [STANDING_TICKET_KEY] = {"ticket_key",
                             "the file at [deliver] ticket_key could not be read at the last start "
                             "or reload: without a key mail for the delivery agent is deferred; "
                             "where the filter has yet to make it the agent looks for it again"},
};

const char *standing_name(unsigned standing)
{
    return standing < STANDING_COUNT ? standings[standing].name : "unknown";
}

const char *standing_text(unsigned standing)
{
    return standing < STANDING_COUNT ? standings[standing].text : "unknown";
}
