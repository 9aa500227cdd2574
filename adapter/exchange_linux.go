package adapter

import "golang.org/x/sys/unix"

// exchange swaps two directories in one step, so that a kill in between leaves one or the other in place. It reports false where the file system cannot.
func exchange(a, b string) bool {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil
}
