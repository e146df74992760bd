/*
 * Which hosts of a next-hop count, and for what: the one place where the state of a host's lookups
 * becomes what a sender may do with it (RFC 7672 sections 2.1 and 2.2, RFC 5321 section 5.1).
 * Verdict, requirement, summary and log read these classes and decide nothing of the kind
 * themselves. Pure; any thread.
 */
#ifndef POLICY_HOST_CLASS_H
#define POLICY_HOST_CLASS_H

#include "policy/findings.h"
#include "policy/verdict.h"

enum host_class {
    HOST_CLASS_ABSENT,          /* proven to have no address: nothing goes there */
    HOST_CLASS_NOT_PREFERRED,   /* not preferred over ourselves: our MTA does not go there */
    HOST_CLASS_ADDRESS_PENDING, /* no address yet, and a lookup is in flight */
    HOST_CLASS_ADDRESS_FAILED,  /* no address, and a lookup failed: skipped now */
    HOST_CLASS_TLSA_PENDING,    /* has an address; its TLSA lookup is in flight */
    HOST_CLASS_TLSA_FAILED,     /* has an address, and may have TLSA records: to be skipped where
                                   they bind (RFC 7672 section 2.1.2) */
    HOST_CLASS_DANE,            /* has secure TLSA records, at least one usable */
    HOST_CLASS_UNUSABLE,        /* has secure TLSA records, none usable: TLS, unauthenticated */
    HOST_CLASS_PLAIN,           /* has an address and no TLSA records that count */
    HOST_CLASSES
};

/* Sets of hosts: bit i is findings.hosts[i]. Each host is in one class. */
struct host_classes {
    uint32_t of[HOST_CLASSES];
    uint32_t counted;   /* all but ABSENT and NOT_PREFERRED: mail goes there, or may yet */
    uint32_t sts_match; /* those that match a pattern of the MTA-STS policy, of any class */
    bool best_mx;       /* there are hosts, and none is preferred over ourselves */
    bool tlsa_binds;    /* the names were found securely, or no MX record exists: TLSA records and
                           failed TLSA lookups bind (RFC 7672 sections 2.2.1 and 2.2.2). Not under
                           unsigned MX records */
};

/* The class of a host by itself; never NOT_PREFERRED. An impossible state is a failed lookup. */
enum host_class host_class_of(const struct findings_host *host);

/*
 * The classes of all hosts. terms->my_names are our own MX names: hosts not preferred over them do
 * not count, all of them where there was no MX lookup; NULL terms: we are no MX host. More hosts
 * than FINDINGS_MAX_HOSTS, which no lookup gives, are all ADDRESS_FAILED, as far as bits go.
 */
void host_classes_derive(const struct findings *findings, const struct verdict_terms *terms,
                         struct host_classes *out);

/*
 * Whether no mail goes to a host without DANE although nothing but the host's own TLSA records is
 * looked at: every host that counts has DANE, or an MTA-STS policy in mode enforce forbids to go to
 * the others unauthenticated. Under signed MX records, or none.
 */
bool host_classes_dane_only(const struct findings *findings, const struct host_classes *classes);

#endif
