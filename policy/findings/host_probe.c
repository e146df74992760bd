/*
 * From probes of addresses to what a host has shown, and several hosts: host_probe_of for one,
 * host_probe_of_hosts for those that count. host_probe_find then tells which address it is that a
 * reply names. The results are those of enum host_probe: OK, a definite no, or UNKNOWN.
 */
#include "policy/host_probe.h"

/* What one address comes to. */
struct shown {
    bool reached; /* UNKNOWN is then a doubt */
    enum host_probe what;
};

static enum host_probe no_starttls(const struct findings_probe *probe)
{
    return probe->starttls ? HOST_PROBE_STARTTLS_REFUSED : HOST_PROBE_NO_STARTTLS;
}

/* Without regard to what is demanded. */
static struct shown shown_by(const struct findings_probe *probe)
{
    switch ((enum findings_probe_result)probe->result) {
    case FINDINGS_PROBE_OK:
        return (struct shown){true, HOST_PROBE_OK};
    case FINDINGS_PROBE_NO_STARTTLS:
        return (struct shown){true, no_starttls(probe)};
    case FINDINGS_PROBE_NOT_AUTHENTICATED:
        return (struct shown){true, HOST_PROBE_NOT_AUTHENTICATED};
    case FINDINGS_PROBE_NO_REQUIRETLS:
        return (struct shown){true, HOST_PROBE_NO_REQUIRETLS};
    case FINDINGS_PROBE_UNREACHABLE:
        return (struct shown){false, HOST_PROBE_UNKNOWN};
    case FINDINGS_PROBE_FAILED:
    default:
        return (struct shown){true, HOST_PROBE_UNKNOWN};
    }
}

/* A no to what is not demanded is none. That STARTTLS was refused may be a matter of load. */
static enum host_probe under(enum host_probe what, enum host_probe_demand demand)
{
    switch (demand) {
    case HOST_PROBE_DEMAND_STARTTLS:
        if (what == HOST_PROBE_STARTTLS_REFUSED)
            return HOST_PROBE_UNKNOWN;
        return what > HOST_PROBE_STARTTLS_REFUSED ? HOST_PROBE_OK : what;
    case HOST_PROBE_DEMAND_PROOF:
        return what == HOST_PROBE_NO_REQUIRETLS ? HOST_PROBE_OK : what;
    case HOST_PROBE_DEMAND_REQUIRETLS:
        return what;
    default:
        return HOST_PROBE_UNKNOWN;
    }
}

enum host_probe host_probe_of(const struct findings_host *host, enum host_probe_demand demand)
{
    enum host_probe farthest = HOST_PROBE_UNKNOWN;
    bool doubt = false;

    for (size_t i = 0; i < host->probe_count; i++) {
        struct shown shown = shown_by(&host->probes[i]);
        enum host_probe what = under(shown.what, demand);

        if (what == HOST_PROBE_OK)
            return what;
        doubt = doubt || (shown.reached && what == HOST_PROBE_UNKNOWN);
        farthest = what > farthest ? what : farthest;
    }
    return doubt ? HOST_PROBE_UNKNOWN : farthest;
}

enum host_probe host_probe_of_hosts(const struct findings *f, uint32_t hosts,
                                    enum host_probe_demand demand)
{
    enum host_probe farthest = HOST_PROBE_UNKNOWN;
    bool doubt = false;

    for (size_t i = 0; i < f->host_count && i < FINDINGS_MAX_HOSTS; i++) {
        enum host_probe what;

        if ((hosts >> i & 1) == 0)
            continue;
        what = host_probe_of(&f->hosts[i], demand);
        if (what == HOST_PROBE_OK)
            return what;
        doubt = doubt || what == HOST_PROBE_UNKNOWN;
        farthest = what > farthest ? what : farthest;
    }
    return doubt ? HOST_PROBE_UNKNOWN : farthest;
}

const struct findings_probe *host_probe_find(const struct findings *f, uint32_t hosts,
                                             enum host_probe what, size_t *host)
{
    if (what == HOST_PROBE_UNKNOWN || what == HOST_PROBE_OK)
        return NULL;
    for (*host = 0; *host < f->host_count && *host < FINDINGS_MAX_HOSTS; (*host)++) {
        const struct findings_host *at = &f->hosts[*host];

        for (size_t i = 0; (hosts >> *host & 1) != 0 && i < at->probe_count; i++) {
            if (shown_by(&at->probes[i]).what == what)
                return &at->probes[i];
        }
    }
    return NULL;
}
