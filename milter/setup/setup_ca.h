/* How many certificates a PEM file, or a directory of hashed names, holds. */
#ifndef MILTER_SETUP_SETUP_CA_H
#define MILTER_SETUP_SETUP_CA_H

/* The count, or a negative errno. For a directory its entries, which are not opened. */
int setup_ca_count(const char *path);

#endif
