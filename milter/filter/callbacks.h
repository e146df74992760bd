/* libmilter's side of the daemon. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include "filter/runtime.h"

/* Registers the filter. Call once, before smfi_opensocket. Returns 0 or -EINVAL. The runtime must
 * be given before smfi_main. */
int callbacks_register(void);
void callbacks_set_runtime(struct runtime *runtime);

#endif
