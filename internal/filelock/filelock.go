// Package filelock keeps two processes from writing the same thing: an advisory lock on a file, freed by the operating system when
// its holder ends, however it ends.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrLocked is the error of TryLock when another process, or another Lock in this one, holds the lock.
var ErrLocked = errors.New("locked by another process")

// pollEvery is how often Lock looks again: locks are held for seconds to minutes.
const pollEvery = 100 * time.Millisecond

// Lock is a held lock.
type Lock struct{ f *os.File }

// TryLock takes the lock on the file at path, which it creates with its directory if it must, or returns ErrLocked at once.
func TryLock(path string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := tryLock(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Acquire waits for the lock until ctx ends. It calls waiting, if not nil, once when it has to wait.
func Acquire(ctx context.Context, path string, waiting func()) (*Lock, error) {
	for first := true; ; first = false {
		l, err := TryLock(path)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		if first && waiting != nil {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock %s: %w", path, context.Cause(ctx))
		case <-time.After(pollEvery):
		}
	}
}

// Unlock frees the lock. The file stays: removing it could let two processes lock two files of one name.
func (l *Lock) Unlock() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}
