/* SPDX-License-Identifier: ISC */
#ifndef LIB_OS_SWAP_H
#define LIB_OS_SWAP_H

/*
 * Puts the file spare in the place of the file name, both in the directory at.
 * On Linux the two change places, so that the old file can be written over the
 * next time: ext4 takes the longer to make a file the more were removed in the
 * last minutes.  Elsewhere, or when there is no such file yet, spare is renamed
 * and gone.  Either way others see the old file or the new one.  Returns 0, or
 * -1 with errno.
 */
int d4_os_swap(int at, const char *spare, const char *name);

#endif
