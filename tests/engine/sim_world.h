/*
 * A world for scenarios: DNS, HTTPS and SMTP servers and the shared cache answer from a table, each
 * after a delay of its own, and time passes only when it is told to. Answers are taken from the
 * table when the question is asked.
 */
#ifndef TESTS_ENGINE_SIM_WORLD_H
#define TESTS_ENGINE_SIM_WORLD_H

#include "world/world.h"

enum {
    SIM_NAME_MAX = 300,
    SIM_DATA_MAX = 64, /* octets of TLSA data */
    SIM_DELAY_MS = 10, /* of an answer that names none */
    SIM_SHARED_TIMEOUT_MS = 100,
};

struct sim_world;

/* What a name and type are answered with. */
struct sim_dns {
    char name[SIM_NAME_MAX];
    uint16_t type;
    enum dns_status status;
    enum dns_security security;
    uint32_t ttl_s;
    int64_t delay_ms;
    char alias[SIM_NAME_MAX]; /* canonical name, "" for no alias */
    char failure[80];
    struct dns_record *records; /* freed with the entry, and so is `text` */
    size_t count;
    char *text; /* names, TXT strings and TLSA data that the records point to */
    unsigned asked;
    struct sim_dns *next;
};

/* What a policy host answers. */
struct sim_https {
    char domain[SIM_NAME_MAX];
    enum fetch_status status;
    char *body;
    char failure[80];
    int64_t delay_ms;
    unsigned fetched;
    struct sim_https *next;
};

/* What the SMTP server at an address does to a probe. */
struct sim_smtp {
    char address[48]; /* as inet_ntop writes it */
    unsigned result;  /* enum findings_probe_result */
    bool local;       /* the probe fails for want of something of ours */
    bool fails;       /* it cannot be begun for want of memory */
    bool own;         /* the address is this host's */
    char failure[80];
    int64_t delay_ms;
    unsigned connected;    /* how often so far */
    unsigned now, at_once; /* connections now, and at most so far */
    struct sim_smtp *next;
};

/* A row of the shared cache. */
struct sim_row {
    enum shared_kind kind;
    char name[SHARED_NAME_MAX + 1];
    uint8_t *payload;
    size_t len;
    int64_t written_at_s, ends_at_s;
    struct sim_row *next;
};

/* How the shared cache is; at first there is none. */
enum sim_shared {
    SIM_SHARED_OFF,
    SIM_SHARED_UP,
    SIM_SHARED_READ_ONLY,
    SIM_SHARED_DOWN, /* nobody can be asked */
};

struct sim_world *sim_world_new(void);
void sim_world_free(struct sim_world *sim);
struct world *sim_world_world(struct sim_world *sim);

/* The entry of a name and type (domain), made empty if there was none or emptied if there was: a
 * script changes the world as it goes. Counts of questions stay. */
struct sim_dns *sim_world_dns(struct sim_world *sim, const char *name, uint16_t type);
struct sim_https *sim_world_https(struct sim_world *sim, const char *domain);

/* The entry of an address, which answers `ok` as long as nobody sets it. An address without an
 * entry cannot be reached, and that shows after ten seconds. */
struct sim_smtp *sim_world_smtp(struct sim_world *sim, const char *address);
/* Connections so far, and at most at once; address NULL: to all. */
unsigned sim_world_connected(struct sim_world *sim, const char *address);
unsigned sim_world_at_once(struct sim_world *sim, const char *address);

/* Changes nothing but when an entry answers; no entry, no change. */
void sim_world_delay(struct sim_world *sim, const char *name, uint16_t type, int64_t delay_ms);
void sim_world_https_delay(struct sim_world *sim, const char *domain, int64_t delay_ms);

/* Answers that take longer than SIM_SHARED_TIMEOUT_MS are none. */
void sim_world_set_shared(struct sim_world *sim, enum sim_shared state, int64_t delay_ms);
/* The row of that name, or NULL. */
struct sim_row *sim_world_row(const struct sim_world *sim, enum shared_kind kind, const char *name);
/* A row as another host writes it, now; it replaces one of the same name. */
void sim_world_write_row(struct sim_world *sim, enum shared_kind kind, const char *name,
                         const void *payload, size_t len, int64_t ends_at_s);
void sim_world_delete_row(struct sim_world *sim, struct sim_row *row);
/* The same for a policy. */
void sim_world_share_policy(struct sim_world *sim, const char *domain, const char *id,
                            const char *body, int64_t fetched_at_s, int64_t ends_at_s);
struct sim_row *sim_world_rows(const struct sim_world *sim); /* the first of them */
/* Questions so far, and rows of which that was said. */
unsigned sim_world_shared_asked(const struct sim_world *sim);
unsigned sim_world_shared_found(const struct sim_world *sim, enum shared_reject reject);

/* How often something was asked so far; name NULL: all names; type 0: all types. */
unsigned sim_world_asked(const struct sim_world *sim, const char *name, uint16_t type);
unsigned sim_world_fetched(const struct sim_world *sim, const char *domain);
unsigned sim_world_outstanding(const struct sim_world *sim); /* questions, fetches and probes, no
                                                                timers */

void sim_world_set_security(struct sim_world *sim, bool known);
/* How checks of a resolver end that gave an answer without AD, and after how long. */
void sim_world_set_check(struct sim_world *sim, bool passes, int64_t delay_ms);
void sim_world_withdraw_trust(struct sim_world *sim); /* by a reload, which is the caller's */
void sim_world_step_wall(struct sim_world *sim, int64_t seconds);
int64_t sim_world_now(const struct sim_world *sim); /* milliseconds since the beginning */

/* Lets the time pass; everything that falls into it happens, in order. */
void sim_world_run(struct sim_world *sim, int64_t ms);

#endif
