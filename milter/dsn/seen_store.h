/*
 * Keeps queue ids (seen_ids.h) over a restart, in a file (seen_file.h) that a thread of its own
 * writes: the ids of messages that require TLS are known as long as the MTA may bounce them.
 *
 * It only ever costs durability: whatever is wrong with file or disk is a warning, what is
 * remembered stays so in memory, and the file is tried again every minute. A damaged file is set
 * aside and begun again, with all its ids that are in order. What is written survives the end of
 * the process, however it ends; a crash of the host may cost the last second.
 */
#ifndef MILTER_DSN_SEEN_STORE_H
#define MILTER_DSN_SEEN_STORE_H

#include "base/metrics.h"
#include "dsn/seen_ids.h"

struct seen_store;

/*
 * Reads the file, and starts to write what changes. Before any other thread uses the ids, which
 * must outlive the store. Returns 0, or a negative errno when there is no memory or no thread: what
 * the file had is known then, but nothing will be written. retry_ms: how long after a failure the
 * file is tried again. 0: a minute. While it fails STANDING_QUEUE_IDS_DOWN stands in the metrics,
 * which are borrowed; NULL is allowed.
 */
int seen_store_start(const char *path, unsigned retry_ms, struct seen_ids *ids,
                     struct metrics *metrics, struct seen_store **out);

/* Ends the thread once all is written, or writing fails. NULL is allowed. */
void seen_store_stop(struct seen_store *store);

#endif
