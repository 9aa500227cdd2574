package study

import (
	"errors"
	"fmt"
	"path/filepath"

	"lsat/internal/filelock"
)

// lock takes the run directory for this process. The operating system gives it back when the process ends, however it ends.
func lock(dir string) (*filelock.Lock, error) {
	l, err := filelock.TryLock(filepath.Join(dir, "lock"))
	if errors.Is(err, filelock.ErrLocked) {
		return nil, fmt.Errorf("study: %w: another lsat works in %s; wait for it, or use another --out", ErrLocked, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("study: run directory: %w", err)
	}
	return l, nil
}
