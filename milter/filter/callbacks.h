/* libmilter's side of the daemon. */
#ifndef MILTER_FILTER_CALLBACKS_H
#define MILTER_FILTER_CALLBACKS_H

#include "filter/runtime.h"

/* Registers the filter. Call once, before smfi_opensocket. Returns 0 or -EINVAL. The runtime must
 * be given before smfi_main. */
int callbacks_register(void);
void callbacks_set_runtime(struct runtime *runtime);

#endif
